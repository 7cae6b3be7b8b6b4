#include "daemon/clock.h"

#include <thread>

namespace fastsag::daemon {

Nanoseconds SystemClock::now() const { return std::chrono::steady_clock::now().time_since_epoch(); }

void SystemClock::sleep_for(Nanoseconds duration) { std::this_thread::sleep_for(duration); }

}  // namespace fastsag::daemon
