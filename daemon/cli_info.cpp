// fastsag info: what is in a weights file, or what a preset takes of a GPU.
#include <cstdio>

#include "daemon/cli.h"
#include "dsp/error.h"
#include "model/device_info.h"
#include "model/info.h"

namespace fastsag::daemon {

void add_info(CLI::App& app) {
  auto* command = app.add_subcommand(
      "info", "What a weights file holds: parts, tensors, how it was made; or what a preset takes of a GPU");
  auto file = std::make_shared<std::string>();
  auto options = std::make_shared<model::AccompanistOptions>();
  auto rooms = std::make_shared<int>(32);
  options->preset = "paper";
  auto* named = command->add_option("FILE", *file, "A .safetensors file");
  auto* device = command->add_option("--device", options->device, "cuda, cuda:1: the memory of each CUDA graph there");
  command->add_option("--preset", options->preset, "Of what, on the device")->capture_default_str()->needs(device);
  command->add_option("--rooms", *rooms, "Rooms at once, on the device")
      ->check(CLI::Range(1, 32))
      ->capture_default_str()
      ->needs(device);
  device->excludes(named);
  command->callback([file, options, rooms, device] {
    if (device->count() == 0 && file->empty()) throw Error("nothing was asked for; expected a FILE, or --device cuda");
    const std::string text = file->empty() ? model::describe_device(*options, *rooms) : model::describe_file(*file);
    std::fputs(text.c_str(), stdout);
  });
}

}  // namespace fastsag::daemon
