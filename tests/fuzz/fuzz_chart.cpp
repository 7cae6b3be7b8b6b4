// Any text gives a chart of whole bars, or an Error of one line.
#include <string>

#include "dsp/error.h"
#include "model/chart.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastsag;
  try {
    const auto chart = model::read_chart({reinterpret_cast<const char*>(data), size});
    if (chart.beats.empty() || chart.beats.size() % static_cast<size_t>(chart.beats_per_bar) != 0) __builtin_trap();
  } catch (const Error& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) __builtin_trap();
  }
  return 0;
}
