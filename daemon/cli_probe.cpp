#include "daemon/cli.h"
#include "model/probe.h"

namespace fastsag::daemon {

void add_probe(CLI::App& app) {
  auto* command = app.add_subcommand("probe", "Runs one block of the paper's model on tensors of your own");
  auto request = std::make_shared<model::ProbeRequest>();
  auto options = std::make_shared<std::vector<std::string>>();
  command->add_option("BLOCK", request->block, "Which one: see below")->required();
  command->add_option("IN", request->in, "A .safetensors file with what the block takes, by name")->required();
  command->add_option("OUT", request->out, "The .safetensors file to write")->required();
  command->add_option("--weights", request->weights, "A file of tools/convert_checkpoint, formula, or formula:PREFIX");
  command->add_option("--option", *options, "key=value, for blocks that have any; may be repeated")
      ->allow_extra_args(false);
  command->footer("Blocks, with what they take and give:\n" + model::probe_blocks());
  command->callback([request, options] {
    for (const std::string& option : *options) {
      const size_t equals = option.find('=');
      if (equals == std::string::npos) throw UsageError("--option " + option + ": expected key=value");
      request->options[option.substr(0, equals)] = option.substr(equals + 1);
    }
    try {
      model::probe(*request);
    } catch (const model::ProbeError& error) {
      throw UsageError(error.what());
    }
  });
}

}  // namespace fastsag::daemon
