#include "protocol/frame.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace fastsag::protocol {
namespace {

std::vector<std::byte> valid() {
  return encode_pcm({.kind = Kind::voice, .sample_rate = 48000, .first_sample = 960, .sequence = 1},
                    std::vector<float>(960, 0.25f));
}

TEST(Frame, LayoutIsTheDocumentedOne) {
  const auto bytes = encode({.kind = Kind::accompaniment,
                             .channels = 2,
                             .sample_rate = 0x01020304,
                             .first_sample = 0x1112131415161718,
                             .sequence = 0x21222324,
                             .samples = 0x31323334},
                            {});
  const std::vector<int> expected = {1,    2,    0,    2,    4,    3,    2,    1,    0x18, 0x17, 0x16, 0x15,
                                     0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 0x34, 0x33, 0x32, 0x31};
  ASSERT_EQ(bytes.size(), expected.size());
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(std::to_integer<int>(bytes[i]), expected[i]) << "byte " << i;
}

TEST(Frame, RoundTripKeepsHeaderAndSamplesToHalfAStep) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<float> samples(random() % 1000);
    for (float& x : samples) x = uniform(random);
    FrameHeader header{.kind = Kind::accompaniment,
                       .sample_rate = 44100,
                       .first_sample = trial * 999,
                       .sequence = static_cast<uint32_t>(trial)};
    const auto bytes = encode_pcm(header, samples);
    const auto decoded = decode(bytes);
    ASSERT_TRUE(std::holds_alternative<Frame>(decoded));
    header.samples = static_cast<uint32_t>(samples.size());
    EXPECT_EQ(std::get<Frame>(decoded).header, header);
    std::vector<float> back;
    ASSERT_TRUE(decode_pcm(std::get<Frame>(decoded), back));
    for (size_t i = 0; i < samples.size(); ++i) EXPECT_NEAR(back[i], samples[i], 1.0 / 16384);
  }
}

TEST(Frame, ClampsWhatIsTooLoudAndSilencesWhatIsNoNumber) {
  const std::vector<float> wild = {2, -2, std::numeric_limits<float>::quiet_NaN(),
                                   std::numeric_limits<float>::infinity()};
  const auto bytes = encode_pcm({}, wild);
  std::vector<float> back;
  ASSERT_TRUE(decode_pcm(std::get<Frame>(decode(bytes)), back));
  EXPECT_NEAR(back[0], 1, 1e-4);
  EXPECT_NEAR(back[1], -1, 1e-4);
  EXPECT_EQ(back[2], 0);
  EXPECT_NEAR(back[3], 1, 1e-4);
}

TEST(Frame, EveryFaultHasItsName) {
  const auto fault_of = [](size_t offset, uint8_t value) {
    auto bytes = valid();
    bytes[offset] = std::byte{value};
    return std::get<FrameError>(decode(bytes));
  };
  EXPECT_EQ(fault_of(0, 2), FrameError::bad_version);
  EXPECT_EQ(fault_of(1, 0), FrameError::bad_kind);
  EXPECT_EQ(fault_of(1, 4), FrameError::bad_kind);
  EXPECT_EQ(fault_of(2, 7), FrameError::bad_codec);
  EXPECT_EQ(fault_of(3, 0), FrameError::bad_channels);
  EXPECT_EQ(fault_of(3, 20), FrameError::bad_channels);
  EXPECT_EQ(fault_of(4, 1), FrameError::bad_sample_rate);
  EXPECT_EQ(fault_of(15, 0x80), FrameError::bad_position);
  EXPECT_EQ(fault_of(20, 0), FrameError::bad_length);
  EXPECT_EQ(fault_of(23, 0xff), FrameError::bad_length);
  const auto short_frame = std::vector<std::byte>(kHeaderBytes - 1);
  EXPECT_EQ(std::get<FrameError>(decode(short_frame)), FrameError::too_short);
  EXPECT_EQ(std::get<FrameError>(decode(std::vector<std::byte>(kMaxMessageBytes + 1))), FrameError::too_long);
}

TEST(Frame, AnyBytesGiveAFrameOrAFault) {
  std::mt19937 random(7);
  int frames = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    auto bytes = valid();
    bytes.resize(random() % 100 == 0 ? random() % bytes.size() : bytes.size());
    for (int flips = 0; flips < 2 && !bytes.empty(); ++flips)
      bytes[random() % std::min<size_t>(bytes.size(), 40)] = static_cast<std::byte>(random());
    const auto decoded = decode(bytes);
    if (const auto* frame = std::get_if<Frame>(&decoded)) {
      ++frames;
      std::vector<float> mono;
      if (decode_pcm(*frame, mono)) {
        EXPECT_EQ(mono.size(), frame->header.samples);
      }
    }
  }
  EXPECT_GT(frames, 100) << "the fuzzing never made a valid frame, so decode_pcm was not exercised";
}

}  // namespace
}  // namespace fastsag::protocol
