#include "model/train/left_out.h"

#include <cstdio>
#include <mutex>
#include <set>

namespace fastsag::model {

void leave_out(const std::string& why) {
  static std::mutex mutex;
  static std::set<std::string> told;
  const std::lock_guard lock(mutex);
  if (told.insert(why).second) std::fprintf(stderr, "left out: %s\n", why.c_str());
}

}  // namespace fastsag::model
