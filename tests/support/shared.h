#pragma once
// Golden tensors, recordings and corpora that are not part of the repository. Tests that need one skip where it is
// absent.
#include <gtest/gtest.h>

#include <filesystem>
#include <string_view>

namespace fastsag::test {

inline std::filesystem::path shared(std::string_view name) { return std::filesystem::path(FASTSAG_SHARED) / name; }

}  // namespace fastsag::test

#define FASTSAG_NEEDS(path)           \
  if (!std::filesystem::exists(path)) \
  GTEST_SKIP() << "needs " << (path).string() << ", which is not part of the repository"
