#include "daemon/sound_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sndfile.hh>

#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

using testing::HasSubstr;

class SoundFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("sound_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path make(const std::string& name, int format, int channels, int rate,
                             const std::vector<float>& samples) {
    const auto path = folder_ / name;
    SndfileHandle sound(path.string(), SFM_WRITE, format, channels, rate);
    sound.write(samples.data(), std::ssize(samples));
    return path;
  }
  static std::string error_of(const std::filesystem::path& path) {
    try {
      SoundReader reader(path);
      std::vector<float> block(1000);
      while (reader.read(block) > 0) {
      }
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::filesystem::path folder_;
};

std::vector<float> ramp(size_t size) {
  std::vector<float> samples(size);
  for (size_t i = 0; i < size; ++i) samples[i] = static_cast<float>(i) / static_cast<float>(size) - 0.5f;
  return samples;
}

TEST_F(SoundFile, ReadsAnyRateAndAveragesAnyChannels) {
  std::vector<float> twenty;
  for (int i = 0; i < 500; ++i)
    for (int c = 0; c < 20; ++c) twenty.push_back(static_cast<float>(c) / 38);  // average .25
  SoundReader reader(make("a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 20, 192000, twenty));
  EXPECT_EQ(reader.sample_rate(), 192000);
  EXPECT_EQ(reader.samples(), 500);
  std::vector<float> block(300);
  EXPECT_EQ(reader.read(block), 300u);
  EXPECT_NEAR(block[299], 0.25, 1e-6);
  EXPECT_EQ(reader.read(block), 200u) << "the rest";
  EXPECT_EQ(reader.read(block), 0u);
}

TEST_F(SoundFile, ReadsEightBit) {
  SoundReader reader(make("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 1, 8000, ramp(100)));
  std::vector<float> block(100);
  EXPECT_EQ(reader.read(block), 100u);
  EXPECT_NEAR(block[0], -0.5, 0.01) << "8 bit: steps of 1/128";
}

TEST_F(SoundFile, NamesWhatIsWrong) {
  EXPECT_THAT(error_of(folder_ / "none.wav"), HasSubstr("no such file"));
  EXPECT_THAT(error_of(folder_), HasSubstr("is a folder"));
  std::ofstream(folder_ / "empty.wav").flush();
  EXPECT_THAT(error_of(folder_ / "empty.wav"), HasSubstr("is empty"));
  std::ofstream(folder_ / "text.wav") << "this is not a sound, however long it may be, and it goes on a little";
  EXPECT_THAT(error_of(folder_ / "text.wav"), HasSubstr("no sound file that can be read"));
  EXPECT_THAT(error_of(make("nothing.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 8000, {})),
              HasSubstr("holds no samples"));
  auto samples = ramp(3000);
  samples[2345] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of(make("nan.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 1, 8000, samples)),
              HasSubstr("sample 2345 is not a number"));
}

TEST_F(SoundFile, KnowsWhenAFileIsCutShort) {
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16}) {
    const auto path = make("a", format, 1, 8000, ramp(40000));
    EXPECT_EQ(error_of(path), "");
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    EXPECT_THAT(error_of(path), HasSubstr("is cut short")) << std::hex << format;
  }
}

TEST_F(SoundFile, WritesBesideAndThenRenames) {
  const auto path = folder_ / "out.flac";
  {
    SoundWriter writer(path, 44100);
    writer.write(ramp(1000));
    EXPECT_FALSE(std::filesystem::exists(path));
    writer.finish();
  }
  SoundReader reader(path);
  EXPECT_EQ(reader.sample_rate(), 44100);
  std::vector<float> block(1000);
  EXPECT_EQ(reader.read(block), 1000u);
  EXPECT_NEAR(block[250], -0.25, 1e-6) << "24 bit";
  {
    SoundWriter writer(folder_ / "half.wav", 44100);
    writer.write(ramp(1000));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "never half a file, nor its remains";
}

TEST_F(SoundFile, SaysWhereItCannotWrite) {
  EXPECT_THROW(SoundWriter(folder_ / "a.txt", 48000), Error);
  EXPECT_THROW(SoundWriter(folder_ / "no" / "a.wav", 48000), Error);
}

}  // namespace
}  // namespace fastsag::daemon
