#pragma once
// The commands of `fastsag`, one a file: each adds itself to the parser, and its callback does the work.
//
// Errors: fastsag::Error while working (exit 1), UsageError where something wrong was asked for (exit 2).
#include <CLI/CLI.hpp>

#include "dsp/error.h"

namespace fastsag::daemon {

class UsageError : public Error {
 public:
  using Error::Error;
};

void add_bench(CLI::App& app);
void add_devices(CLI::App& app);
void add_eval(CLI::App& app);
void add_hear(CLI::App& app);
void add_info(CLI::App& app);
void add_probe(CLI::App& app);
void add_render(CLI::App& app);

}  // namespace fastsag::daemon
