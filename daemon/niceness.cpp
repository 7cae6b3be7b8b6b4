#include "daemon/niceness.h"

#include <sys/resource.h>
#include <unistd.h>

namespace fastsag::daemon {

void be_nice(int more) {
  const auto self = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + more);
}

}  // namespace fastsag::daemon
