#include "model/probe.h"

#include <algorithm>

#include "model/probe_blocks.h"

namespace fastsag::model {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

const ProbeBlock& find_block(const std::string& name) {
  std::vector<std::string> names;
  for (const ProbeBlock& block : all_probe_blocks()) {
    if (block.name == name) return block;
    names.push_back(block.name);
  }
  throw ProbeError("unknown block " + name + "; there are " + joined(names));
}

}  // namespace

void probe(const ProbeRequest& request) {
  const ProbeBlock& block = find_block(request.block);
  for (const auto& [key, value] : request.options) {
    if (std::ranges::find(block.options, key) == block.options.end()) {
      throw ProbeError("block " + block.name + " has no option " + key + "; it has " +
                       (block.options.empty() ? "none" : joined(block.options)));
    }
  }
  at::set_num_threads(1);  // the same bytes on every machine, and no waiting for a thread that another program holds up
  const torch::NoGradGuard no_grad;
  const ProbeInput input(request);
  save_tensors(request.out, block.run(input), {{"block", block.name}, {"weights", request.weights}}, Storage::fp32);
}

std::string probe_blocks() {
  std::string text;
  for (const ProbeBlock& block : all_probe_blocks())
    text += "  " + block.name + ": " + block.takes + " -> " + block.gives + " (" + block.about + ")\n";
  return text;
}

}  // namespace fastsag::model
