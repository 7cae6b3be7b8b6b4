#pragma once
// One block of the paper's model on tensors from a file, so that anyone can compare it with their own: the same tensors
// in, the same weights (a file's, or the formula's), and look at what comes out.
//
// Errors: ProbeError where what was asked for is wrong (block, option, tensors of the input); fastsag::Error where it
// failed (weights that do not fit, numbers that are none, a disk that is full). The output is there whole or not at
// all.
#include <filesystem>
#include <map>
#include <string>

#include "dsp/error.h"

namespace fastsag::model {

struct ProbeRequest {
  std::string block;
  std::filesystem::path in, out;  // .safetensors
  std::string weights;            // a file of tools/convert_checkpoint, "formula", or "formula:PREFIX" (formula.h)
  std::map<std::string, std::string> options;
};

class ProbeError : public Error {
 public:
  using Error::Error;
};

void probe(const ProbeRequest& request);

// What each block takes, gives and may be told, a line a block.
std::string probe_blocks();

}  // namespace fastsag::model
