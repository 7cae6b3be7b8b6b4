#pragma once
// A file that is there whole or not at all: written beside its place, synced, then renamed onto it. Whoever reads the
// name sees the old file or the new one; a crash or a full disk leaves the old one.
//
// Errors: fastsag::Error that names the file and what the system said; the temporary file is gone then.
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace fastsag::model {

class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path file);
  ~AtomicFile();  // without commit() nothing has happened
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::filesystem::path file_, temporary_;
  int descriptor_ = -1;
};

}  // namespace fastsag::model
