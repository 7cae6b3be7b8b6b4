#include <cstdio>

#include "daemon/cli.h"
#include "model/info.h"

namespace fastsag::daemon {

void add_info(CLI::App& app) {
  auto* command = app.add_subcommand("info", "What a weights file holds: parts, tensors, how it was made");
  auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "A .safetensors file")->required();
  command->callback([file] { std::fputs(model::describe_file(*file).c_str(), stdout); });
}

}  // namespace fastsag::daemon
