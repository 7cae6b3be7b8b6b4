#pragma once
// The published weights as tools/convert_checkpoint leaves them, in their modules.
//
// Errors: fastsag::Error that lists all that differs (checkpoint.h), or says which file is missing and how to make it.
#include <filesystem>

#include "model/nn/bigvgan.h"
#include "model/nn/mert.h"

namespace fastsag::model {

// The first `layers` of the 11 that the file holds; FastSAG needs 7.
Mert load_mert(const std::filesystem::path& file, int64_t layers = kMertLayer);

// Of the version that the file is: the second has no bias at the end.
BigVgan load_bigvgan(const std::filesystem::path& file);

// Throws where there is no such file.
void check_converted(const std::filesystem::path& file, const std::string& source);

}  // namespace fastsag::model
