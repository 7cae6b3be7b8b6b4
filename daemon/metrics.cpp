#include "daemon/metrics.h"

#include <nlohmann/json.hpp>
#include <sstream>

namespace fastsag::daemon {
namespace {

class Text {
 public:
  // The values of the same name follow.
  void metric(const std::string& name, const char* type, const char* help) {
    name_ = "fastsag_" + name;
    out_ << "# HELP " << name_ << ' ' << help << "\n# TYPE " << name_ << ' ' << type << '\n';
  }
  template <class T>
  void value(const T& value, const std::string& labels = "") {
    out_ << name_ << (labels.empty() ? "" : "{" + labels + "}") << ' ' << value << '\n';
  }
  template <class T>
  void one(const std::string& name, const char* type, const char* help, const T& number) {
    metric(name, type, help);
    value(number);
  }
  std::string str() const { return out_.str(); }

 private:
  std::ostringstream out_;
  std::string name_;
};

// A label's text is escaped as JSON's is: quotes, backslashes, line ends.
std::string label(const char* name, const std::string& text) {
  return std::string(name) + "=" + nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string metrics_text(const EngineStatus& status, const Health& health) {
  const model::DeviceStatus& device = status.device;
  Text text;
  text.one("healthy", "gauge", "1: windows are as old as they should be.", health.ok ? 1 : 0);
  text.one("rooms", "gauge", "Rooms that are open.", status.rooms);
  text.one("windows_total", "counter", "Windows made.", status.windows);
  text.one("windows_dropped_total", "counter", "Of those, windows that came too late.", status.dropped);
  text.one("windows_failed_total", "counter", "Windows that the model could not make.", status.errors);
  text.metric("generate_seconds", "gauge", "How long the last 256 batches took.");
  text.value(status.generate_p50_ms / 1000, "quantile=\"0.5\"");
  text.value(status.generate_p95_ms / 1000, "quantile=\"0.95\"");
  text.value(status.generate_p99_ms / 1000, "quantile=\"0.99\"");
  text.metric("playing", "gauge", "1: the preset that plays, and where.");
  text.value(1, label("preset", status.preset) + "," + label("device", device.device));
  text.metric("fallback", "gauge", "1: the device failed, why, and the CPU plays in its place.");
  if (!device.fallback.empty()) text.value(1, label("why", device.fallback));
  text.one("fallbacks_total", "counter", "Times that the device failed.", device.fallbacks);
  text.one("returns_total", "counter", "Times that it came back.", device.returns);
  text.metric("batches_total", "counter", "Batches on the device, as CUDA graphs or an operator at a time.");
  text.value(device.replayed, "how=\"replayed\"");
  text.value(device.eager, "how=\"eager\"");
  text.metric("graph_bytes", "gauge", "Device memory that the graph of so many rooms added.");
  for (const auto& graph : device.graphs) text.value(graph.bytes, "rooms=\"" + std::to_string(graph.rooms) + "\"");
  text.metric("eager", "gauge", "1: graphs could not be had, and why.");
  if (!device.why_eager.empty()) text.value(1, label("why", device.why_eager));
  return text.str();
}

}  // namespace fastsag::daemon
