#pragma once
// The safetensors file format: an 8-byte little-endian length, a JSON header, and the bytes of the tensors one after
// the other. Strict, because a file may come from anywhere: a header that does not describe the file byte for byte is
// refused before anything is allocated for it.
//
// Threads: a SafetensorsFile is immutable and may be read by many.
// Errors: fastsag::Error that says which tensor and which bytes; what could be a hostile length is never trusted.
// Source: https://huggingface.co/docs/safetensors (format), with two limits of our own below.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fastsag::model {

inline constexpr uint64_t kMaxHeaderBytes = 16u << 20;  // thousands of tensors take one; more is an attack or no header
inline constexpr size_t kMaxDimensions = 8;

enum class DType { f32, f16, bf16, i64, i32, i16, u8 };
std::string_view dtype_name(DType dtype);
uint64_t dtype_bytes(DType dtype);

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes from the start of the file
  int64_t elements() const;
};
std::string shape_text(std::span<const int64_t> shape);  // "[2, 3]"

using Metadata = std::map<std::string, std::string>;

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes
  Metadata metadata;
  const TensorInfo* find(std::string_view name) const;
};

// `start` is the file or as much of its start as holds the header; file_size is the size of all of it.
SafetensorsHeader parse_header(std::span<const std::byte> start, uint64_t file_size);

// A mapped file. Nobody changes one in place (write_safetensors renames), so the mapping stays what was checked.
class SafetensorsFile {
 public:
  SafetensorsFile(const std::filesystem::path& file);  // implicit: where a file is wanted, its path will do
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const SafetensorsHeader& header() const { return header_; }
  std::span<const std::byte> data(const TensorInfo& tensor) const;  // not aligned: copy before use

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  SafetensorsHeader header_;
};

struct TensorBytes {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};
// Whole or not at all (atomic_file.h).
void write_safetensors(const std::filesystem::path& file, std::span<const TensorBytes> tensors,
                       const Metadata& metadata = {});

}  // namespace fastsag::model
