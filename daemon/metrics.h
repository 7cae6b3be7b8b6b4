#pragma once
// What /metrics says, in Prometheus' text format. Units: seconds, bytes, counts since the start.
//
// Threads: pure.
#include <string>

#include "daemon/engine.h"

namespace fastsag::daemon {

std::string metrics_text(const EngineStatus& status, const Health& health);

}  // namespace fastsag::daemon
