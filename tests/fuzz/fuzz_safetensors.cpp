// Any bytes give an error or a header whose tensors cover the file exactly. Each input is tried as a file, and as the
// header text of a file whose lengths are right (the first byte says how much data follows): a fuzzer would hardly
// guess them.
#include <cstring>
#include <vector>

#include "dsp/error.h"
#include "model/safetensors.h"

namespace {

void parse(std::span<const std::byte> bytes, uint64_t file_size) {
  using namespace fastsag::model;
  try {
    const auto header = parse_header(bytes, file_size);
    uint64_t reached = header.tensors.empty() ? file_size : header.tensors.front().begin;
    for (const TensorInfo& info : header.tensors) {
      if (info.begin != reached || info.end < info.begin || info.end > file_size) __builtin_trap();
      if (static_cast<uint64_t>(info.elements()) * dtype_bytes(info.dtype) != info.end - info.begin) __builtin_trap();
      reached = info.end;
    }
    if (reached != file_size) __builtin_trap();
  } catch (const fastsag::Error& error) {
    if (error.what()[0] == 0) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  parse(std::as_bytes(std::span(data, size)), size);
  if (size == 0) return 0;
  const uint64_t length = size - 1, data_bytes = data[0];
  std::vector<std::byte> file(8 + length);
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, data + 1, length);
  parse(file, file.size() + data_bytes);
  return 0;
}
