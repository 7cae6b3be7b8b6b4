// Any bytes give an error or a header whose tensors cover the file exactly.
#include "dsp/error.h"
#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastsag::model;
  try {
    const auto header = parse_header(std::as_bytes(std::span(data, size)), size);
    uint64_t reached = header.tensors.empty() ? size : header.tensors.front().begin;
    for (const TensorInfo& info : header.tensors) {
      if (info.begin != reached || info.end < info.begin || info.end > size) __builtin_trap();
      if (static_cast<uint64_t>(info.elements()) * dtype_bytes(info.dtype) != info.end - info.begin) __builtin_trap();
      reached = info.end;
    }
    if (reached != size) __builtin_trap();
  } catch (const fastsag::Error& error) {
    if (error.what()[0] == 0) __builtin_trap();
  }
  return 0;
}
