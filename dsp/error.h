#pragma once
// What every part throws at set-up: a message for a person, which says what was found, where, what was expected and
// what to do. Never thrown on a real-time path.
#include <stdexcept>
#include <string>

namespace fastsag {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace fastsag
