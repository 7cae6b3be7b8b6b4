#pragma once
// What is in a weights file, in words for a person at a terminal: size, parameters by part, metadata, every tensor.
//
// Errors: fastsag::Error where it is no valid safetensors file.
#include <filesystem>
#include <string>

namespace fastsag::model {

std::string describe_file(const std::filesystem::path& file);

}  // namespace fastsag::model
