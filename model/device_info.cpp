#include "model/device_info.h"

#include <array>
#include <cstdio>

#include "model/paper/accompanist.h"
#include "model/paper/formula_files.h"
#include "model/preset.h"
#include "model/torch_device.h"

namespace fastsag::model {
namespace {

std::string row(const std::string& rooms, int64_t bytes) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%7s %9.1f\n", rooms.c_str(), static_cast<double>(bytes) * 1e-6);
  return text.data();
}

}  // namespace

std::string describe_device(const DeviceStatus& status, std::string_view preset) {
  std::string text = "preset " + std::string(preset) + " on " + status.device;
  if (status.graphs.empty()) {
    text += status.device == "cpu" ? ": no CUDA graphs there\n" : ": no CUDA graphs, an operator at a time\n";
  } else {
    text +=
        ": a CUDA graph for each batch; MB of device memory that each adds to those of more rooms\n  rooms        MB\n";
    int64_t all = 0;
    for (const auto& graph : status.graphs) {
      text += row(std::to_string(graph.rooms), graph.bytes);
      all += graph.bytes;
    }
    text += row("all", all);
  }
  if (!status.why_eager.empty()) text += "not as a graph: " + status.why_eager + "\n";
  if (!status.remark.empty()) text += status.remark + "\n";
  return text;
}

std::string describe_device(const AccompanistOptions& options, int rooms) {
  Preset preset = load_preset(options.preset, options.preset_dir);
  if (preset.form != "paper") {  // which knows no accelerator
    const auto accompanist = load_accompanist(options);
    return describe_device(accompanist->device_status(), preset.name);
  }
  if (torch_device(options.device).is_cpu()) return describe_device(DeviceStatus{}, preset.name);
  const FormulaFiles files(preset);
  PaperAccompanist accompanist(preset, options);
  accompanist.prepare(rooms);
  return "weights: " + files.origin() + "\n" + describe_device(accompanist.device_status(), preset.name);
}

}  // namespace fastsag::model
