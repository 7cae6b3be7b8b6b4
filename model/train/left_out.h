#pragma once
// What a corpus holds and the trainer cannot use: a broken, silent or unpaired file is no reason to train on nothing.
//
// Threads: any.
#include <string>

namespace fastsag::model {

// Tells it on standard error, each reason once a process. why: what was found in which file, and what to do.
void leave_out(const std::string& why);

}  // namespace fastsag::model
