#pragma once
// One audio frame on the wire: a 24-byte little-endian header and its payload. PROTOCOL.md is the reference.
//
// Threads: pure functions. Errors: decode() never throws and never allocates by a length it was told; it names what is
// wrong, so that a server can count it and answer.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace fastsag::protocol {

inline constexpr uint8_t kVersion = 1;
inline constexpr size_t kHeaderBytes = 24;
inline constexpr size_t kMaxMessageBytes = 64 * 1024;

enum class Kind : uint8_t { voice = 1, accompaniment = 2, mix = 3 };
enum class Codec : uint8_t { pcm_s16 = 0, opus = 1 };

struct FrameHeader {
  Kind kind = Kind::voice;
  Codec codec = Codec::pcm_s16;
  uint8_t channels = 1;
  uint32_t sample_rate = 48000;  // Hz
  int64_t first_sample = 0;      // position on the room's timeline, in samples of sample_rate
  uint32_t sequence = 0;         // of this kind, from 0
  uint32_t samples = 0;          // a channel, in the payload
  bool operator==(const FrameHeader&) const = default;
};

struct Frame {
  FrameHeader header;
  std::span<const std::byte> payload;  // a view of the decoded message
};

enum class FrameError {
  too_short,
  too_long,
  bad_version,
  bad_kind,
  bad_codec,
  bad_channels,
  bad_sample_rate,
  bad_length,
  bad_position
};
// For people: "frame shorter than its 24-byte header", ...
std::string_view describe(FrameError error);

std::variant<Frame, FrameError> decode(std::span<const std::byte> message);
std::vector<std::byte> encode(const FrameHeader& header, std::span<const std::byte> payload);

// PCM payloads. Samples are clamped to [-1, 1]; NaN becomes 0.
std::vector<std::byte> encode_pcm(const FrameHeader& header, std::span<const float> samples);
// Mono mix of the frame's channels; false where the codec is not PCM.
bool decode_pcm(const Frame& frame, std::vector<float>& mono);

}  // namespace fastsag::protocol
