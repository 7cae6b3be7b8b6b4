#pragma once
// The blocks that can be probed: what each takes, gives and may be told, and how it is run.
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/probe_input.h"

namespace fastsag::model {

struct ProbeBlock {
  std::string name, takes, gives, about;
  std::vector<std::string> options;
  NamedTensors (*run)(const ProbeInput& input);
};

const std::vector<ProbeBlock>& all_probe_blocks();

}  // namespace fastsag::model
