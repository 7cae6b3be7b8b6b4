#pragma once
// What a call says when it fails.
#include <functional>
#include <string>

#include "dsp/error.h"

namespace fastsag::test {

// The message of the fastsag::Error that it throws; "" where it throws none.
inline std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace fastsag::test
