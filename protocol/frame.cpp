#include "protocol/frame.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace fastsag::protocol {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian, and so is this code");

template <typename T>
T get(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <typename T>
void put(std::vector<std::byte>& bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

constexpr std::array<uint32_t, 8> kSampleRates = {8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000};
constexpr int64_t kMaxPosition = int64_t{1} << 50;  // centuries; keeps arithmetic on positions far from overflow

}  // namespace

std::string_view describe(FrameError error) {
  switch (error) {
    case FrameError::too_short:
      return "frame shorter than its 24-byte header";
    case FrameError::too_long:
      return "frame longer than 64 KiB";
    case FrameError::bad_version:
      return "frame of another protocol version; this server speaks version 1";
    case FrameError::bad_kind:
      return "frame of an unknown kind; expected 1 voice, 2 accompaniment or 3 mix";
    case FrameError::bad_codec:
      return "frame of an unknown codec; expected 0 PCM s16 or 1 Opus";
    case FrameError::bad_channels:
      return "frame with no or too many channels; expected 1 or 2";
    case FrameError::bad_sample_rate:
      return "frame of an unusual sample rate; expected 8000, 16000, 22050, 24000, 32000, 44100, 48000 or 96000 Hz";
    case FrameError::bad_length:
      return "frame whose payload is not as long as its header says";
    case FrameError::bad_position:
      return "frame at a negative or absurd position";
  }
  return "unknown frame error";
}

std::variant<Frame, FrameError> decode(std::span<const std::byte> message) {
  if (message.size() < kHeaderBytes) return FrameError::too_short;
  if (message.size() > kMaxMessageBytes) return FrameError::too_long;
  if (get<uint8_t>(message, 0) != kVersion) return FrameError::bad_version;
  const auto kind = get<uint8_t>(message, 1);
  if (kind < 1 || kind > 3) return FrameError::bad_kind;
  const auto codec = get<uint8_t>(message, 2);
  if (codec > 1) return FrameError::bad_codec;
  Frame frame;
  frame.header = {.kind = static_cast<Kind>(kind),
                  .codec = static_cast<Codec>(codec),
                  .channels = get<uint8_t>(message, 3),
                  .sample_rate = get<uint32_t>(message, 4),
                  .first_sample = get<int64_t>(message, 8),
                  .sequence = get<uint32_t>(message, 16),
                  .samples = get<uint32_t>(message, 20)};
  frame.payload = message.subspan(kHeaderBytes);
  if (frame.header.channels < 1 || frame.header.channels > 2) return FrameError::bad_channels;
  if (std::ranges::find(kSampleRates, frame.header.sample_rate) == kSampleRates.end())
    return FrameError::bad_sample_rate;
  if (frame.header.first_sample < 0 || frame.header.first_sample > kMaxPosition) return FrameError::bad_position;
  if (frame.header.codec == Codec::pcm_s16 &&
      frame.payload.size() != uint64_t{2} * frame.header.channels * frame.header.samples)
    return FrameError::bad_length;
  return frame;
}

std::vector<std::byte> encode(const FrameHeader& header, std::span<const std::byte> payload) {
  std::vector<std::byte> bytes(kHeaderBytes + payload.size());
  put(bytes, 0, kVersion);
  put(bytes, 1, header.kind);
  put(bytes, 2, header.codec);
  put(bytes, 3, header.channels);
  put(bytes, 4, header.sample_rate);
  put(bytes, 8, header.first_sample);
  put(bytes, 16, header.sequence);
  put(bytes, 20, header.samples);
  std::ranges::copy(payload, bytes.begin() + kHeaderBytes);
  return bytes;
}

std::vector<std::byte> encode_pcm(const FrameHeader& header, std::span<const float> samples) {
  std::vector<int16_t> pcm(samples.size());
  std::ranges::transform(samples, pcm.begin(), [](float x) {
    return static_cast<int16_t>(std::isnan(x) ? 0 : std::lround(std::clamp(x, -1.0f, 1.0f) * 32767.0f));
  });
  FrameHeader stated = header;
  stated.codec = Codec::pcm_s16;
  stated.samples = static_cast<uint32_t>(samples.size() / std::max<size_t>(header.channels, 1));
  return encode(stated, std::as_bytes(std::span(pcm)));
}

bool decode_pcm(const Frame& frame, std::vector<float>& mono) {
  if (frame.header.codec != Codec::pcm_s16) return false;
  const size_t channels = frame.header.channels;
  mono.resize(frame.header.samples);
  for (size_t i = 0; i < mono.size(); ++i) {
    float sum = 0;
    for (size_t c = 0; c < channels; ++c) sum += get<int16_t>(frame.payload, 2 * (i * channels + c));
    mono[i] = sum / (32768.0f * static_cast<float>(channels));
  }
  return true;
}

}  // namespace fastsag::protocol
