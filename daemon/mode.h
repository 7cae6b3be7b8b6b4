#pragma once
// The wire's modes are the engine's.
#include "protocol/mode.h"

namespace fastsag::daemon {

using protocol::Mode;
using protocol::mode_name;
using protocol::parse_mode;

}  // namespace fastsag::daemon
