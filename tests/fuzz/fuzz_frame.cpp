// Any bytes from the wire give a frame or a named fault, and a decoded frame can be decoded to sound.
#include "protocol/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastsag::protocol;
  const auto decoded = decode(std::as_bytes(std::span(data, size)));
  if (const auto* frame = std::get_if<Frame>(&decoded)) {
    std::vector<float> mono;
    if (decode_pcm(*frame, mono) && mono.size() != frame->header.samples) __builtin_trap();
    for (const float x : mono)
      if (!(x >= -1 && x <= 1)) __builtin_trap();
  } else if (describe(std::get<FrameError>(decoded)).empty()) {
    __builtin_trap();
  }
  return 0;
}
