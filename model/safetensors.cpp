#include "model/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "dsp/error.h"
#include "model/atomic_file.h"

namespace fastsag::model {
namespace {

using Json = nlohmann::json;
static_assert(std::endian::native == std::endian::little, "tensor bytes are stored as the machine has them");

struct DTypeFacts {
  DType dtype;
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array<DTypeFacts, 7> kDTypes{{{DType::f32, "F32", 4},
                                             {DType::f16, "F16", 2},
                                             {DType::bf16, "BF16", 2},
                                             {DType::i64, "I64", 8},
                                             {DType::i32, "I32", 4},
                                             {DType::i16, "I16", 2},
                                             {DType::u8, "U8", 1}}};

const DTypeFacts& facts(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

// What a stranger wrote may hold control characters or megabytes: only a short printable piece goes into a message.
std::string in_quotes(std::string_view name) {
  std::string text = "\"";
  for (const char c : name.substr(0, 80)) text += (c >= 0x20 && c < 0x7f) ? c : '?';
  return text + (name.size() > 80 ? "...\"" : "\"");
}

// The library keeps the last of two equal keys silently and nests as deep as memory lasts; here neither passes.
Json parse_json(std::string_view text) {
  std::vector<std::set<std::string, std::less<>>> open_objects;
  const auto guard = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
      open_objects.emplace_back();
      if (open_objects.size() > 3)
        throw Error("the header nests too deep: expected tensors with dtype, shape, data_offsets");
    }
    if (event == Json::parse_event_t::object_end || event == Json::parse_event_t::array_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key && !open_objects.back().insert(parsed.get<std::string>()).second) {
      throw Error("the header names " + in_quotes(parsed.get<std::string>()) + " twice");
    }
    return true;
  };
  try {
    return Json::parse(text, guard);
  } catch (const Json::exception& error) {
    throw Error("the header is no valid UTF-8 JSON (" + std::string(error.what()).substr(0, 160) + ")");
  }
}

// Elements of a shape, refusing what does not fit: a product that wraps around would pass a size check.
uint64_t checked_product(const std::vector<int64_t>& shape, const std::string& where) {
  uint64_t product = 1;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(size), &product) || product > (uint64_t{1} << 56)) {
      throw Error(where + ": its shape " + shape_text(shape) + " has more elements than any file");
    }
  }
  return product;
}

uint64_t unsigned_number(const Json& value, const std::string& where, const char* what) {
  if (!value.is_number_unsigned()) throw Error(where + ": " + what + " must be whole numbers from 0");
  return value.get<uint64_t>();
}

TensorInfo parse_tensor(const std::string& name, const Json& entry, uint64_t data_begin, uint64_t data_bytes) {
  const std::string where = "tensor " + in_quotes(name);
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    throw Error(where + ": expected an object of exactly dtype, shape and data_offsets");
  }
  TensorInfo info;
  info.name = name;
  const Json& dtype = entry["dtype"];
  const auto known = std::find_if(kDTypes.begin(), kDTypes.end(),
                                  [&](const auto& row) { return dtype.is_string() && dtype == row.name; });
  if (known == kDTypes.end()) {
    throw Error(where + ": dtype " + in_quotes(dtype.dump(-1, ' ', true)) +
                " is none of F32, F16, BF16, I64, I32, I16, U8");
  }
  info.dtype = known->dtype;

  const Json& shape = entry["shape"];
  if (!shape.is_array() || shape.size() > kMaxDimensions) {
    throw Error(where + ": shape must be a list of at most " + std::to_string(kMaxDimensions) + " sizes");
  }
  for (const Json& size : shape) {
    const uint64_t value = unsigned_number(size, where, "the sizes of its shape");
    if (value > (uint64_t{1} << 56))
      throw Error(where + ": a size of " + std::to_string(value) + " is more than any file holds");
    info.shape.push_back(static_cast<int64_t>(value));
  }

  const Json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) throw Error(where + ": data_offsets must be [begin, end]");
  const uint64_t begin = unsigned_number(offsets[0], where, "data_offsets");
  const uint64_t end = unsigned_number(offsets[1], where, "data_offsets");
  if (begin > end || end > data_bytes) {
    throw Error(where + ": bytes " + std::to_string(begin) + " to " + std::to_string(end) + " of " +
                std::to_string(data_bytes) + "; the file is truncated or its header wrong");
  }
  const uint64_t expected = checked_product(info.shape, where) * known->bytes;  // at most 2^56 * 8
  if (end - begin != expected) {
    throw Error(where + ": " + std::to_string(end - begin) + " bytes, but " + std::string(known->name) + " " +
                shape_text(info.shape) + " takes " + std::to_string(expected));
  }
  info.begin = data_begin + begin;
  info.end = data_begin + end;
  return info;
}

Metadata parse_metadata(const Json& entry) {
  if (!entry.is_object()) throw Error("__metadata__ must be an object of texts");
  Metadata metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) throw Error("__metadata__ " + in_quotes(key) + " must be a text");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// Every byte belongs to exactly one tensor: no overlap (one tensor could hide another), no hole (a place to hide in).
void check_cover(const std::vector<TensorInfo>& tensors, uint64_t data_begin, uint64_t file_size) {
  uint64_t reached = data_begin;
  for (const TensorInfo& info : tensors) {
    if (info.begin != reached) {
      throw Error(
          "tensor " + in_quotes(info.name) + " begins at byte " + std::to_string(info.begin) +
          (info.begin < reached ? " inside the one before it, which ends at " : " and leaves a hole after byte ") +
          std::to_string(reached));
    }
    reached = info.end;
  }
  if (reached != file_size) {
    throw Error("the tensors end at byte " + std::to_string(reached) + " of " + std::to_string(file_size) +
                "; expected nothing after them");
  }
}

}  // namespace

std::string_view dtype_name(DType dtype) { return facts(dtype).name; }
uint64_t dtype_bytes(DType dtype) { return facts(dtype).bytes; }

int64_t TensorInfo::elements() const { return static_cast<int64_t>((end - begin) / dtype_bytes(dtype)); }

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text += "]";
}

const TensorInfo* SafetensorsHeader::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& info) { return info.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

SafetensorsHeader parse_header(std::span<const std::byte> start, uint64_t file_size) {
  if (start.size() < 8 || file_size < 8) {
    throw Error("only " + std::to_string(std::min<uint64_t>(start.size(), file_size)) +
                " bytes, a safetensors file starts with 8 for the length of its header");
  }
  uint64_t length = 0;
  std::memcpy(&length, start.data(), 8);
  if (length > kMaxHeaderBytes || length > file_size - 8 || length > start.size() - 8) {
    throw Error("a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(file_size) +
                " (at most " + std::to_string(kMaxHeaderBytes) + "): truncated, or no safetensors file");
  }
  const std::string_view text(reinterpret_cast<const char*>(start.data()) + 8, length);
  if (text.empty() || text.front() != '{') throw Error("the header does not begin with '{': no safetensors file");

  SafetensorsHeader header;
  const uint64_t data_begin = 8 + length;
  const Json entries = parse_json(text);
  for (const auto& [name, entry] : entries.items()) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(entry);
    } else {
      header.tensors.push_back(parse_tensor(name, entry, data_begin, file_size - data_begin));
    }
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_cover(header.tensors, data_begin, file_size);
  return header;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file) : path_(file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status = {};
  if (descriptor < 0 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    const std::string why = descriptor < 0 ? std::strerror(errno) : "it is no regular file";
    if (descriptor >= 0) close(descriptor);
    throw Error("cannot open weights " + file.string() + ": " + why);
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* const mapped = size ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0) : nullptr;
  const int mapping_error = errno;
  close(descriptor);
  if (mapped == MAP_FAILED) throw Error("cannot map " + file.string() + ": " + std::strerror(mapping_error));
  bytes_ = {static_cast<const std::byte*>(mapped), size};
  try {
    header_ = parse_header(bytes_, size);
  } catch (const Error& error) {
    if (mapped) munmap(mapped, size);
    throw Error(file.string() + ": " + error.what() + "; get the file again");
  }
}

SafetensorsFile::~SafetensorsFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

std::span<const std::byte> SafetensorsFile::data(const TensorInfo& tensor) const {
  return bytes_.subspan(tensor.begin, tensor.end - tensor.begin);
}

void write_safetensors(const std::filesystem::path& file, std::span<const TensorBytes> tensors,
                       const Metadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorBytes& tensor : tensors) {
    const uint64_t expected = checked_product(tensor.shape, in_quotes(tensor.name)) * dtype_bytes(tensor.dtype);
    if (tensor.bytes.size() != expected || tensor.name == "__metadata__" || header.contains(tensor.name)) {
      throw Error("cannot write tensor " + in_quotes(tensor.name) + " " + shape_text(tensor.shape) +
                  ": a name used twice, or not as many bytes as its shape takes");
    }
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + expected}}};
    offset += expected;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the format pads so that the first tensor lies aligned
  const auto length = static_cast<uint64_t>(text.size());

  AtomicFile out(file);
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(text);
  for (const TensorBytes& tensor : tensors) out.write(tensor.bytes);
  out.commit();
}

}  // namespace fastsag::model
