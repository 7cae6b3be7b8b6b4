// Any text gives a message or a fault whose answer is itself valid JSON.
#include <nlohmann/json.hpp>

#include "protocol/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastsag::protocol;
  const auto parsed = parse_client({reinterpret_cast<const char*>(data), size});
  if (const auto* fault = std::get_if<Fault>(&parsed))
    if (!nlohmann::json::accept(to_json(*fault))) __builtin_trap();
  return 0;
}
