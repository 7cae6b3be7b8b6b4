#pragma once
// What a preset takes of an accelerator, in words for a person at a terminal: each CUDA graph's memory.
//
// Errors: fastsag::Error where the device cannot be had or has no use for this preset; DeviceError where it fails.
#include <string>
#include <string_view>

#include "model/accompanist.h"

namespace fastsag::model {

// Prepares the preset for so many rooms on its device; weights that are not there are made by formula.
std::string describe_device(const AccompanistOptions& options, int rooms);
// Of what has been prepared.
std::string describe_device(const DeviceStatus& status, std::string_view preset);

}  // namespace fastsag::model
