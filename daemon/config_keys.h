#pragma once
// The table of everything that can be configured: config.cpp reads by it, and so do its error messages.
#include <toml++/toml.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config.h"

namespace fastsag::daemon {

struct ConfigKey {
  std::string_view section, name;
  std::string expected;                                 // for a person: "a number from 0.2 to 4"
  std::function<bool(Config&, const toml::node&)> set;  // false: not such a value, nothing changed
  std::function<std::string(const Config&)> get;        // to compare
  bool is_text = false;                                 // --set takes the value as it stands
  bool follows_reload = false;                          // a SIGHUP is enough
};

std::span<const ConfigKey> config_keys();

}  // namespace fastsag::daemon
