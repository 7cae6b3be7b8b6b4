#pragma once
// Sound files for tests.
#include <filesystem>
#include <vector>

namespace fastsag::test {

struct Audio {
  std::vector<float> mono;
  int sample_rate = 0;
};
Audio read_audio(const std::filesystem::path& file);

}  // namespace fastsag::test
