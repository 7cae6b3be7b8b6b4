#pragma once
// Who goes first where the cores are not enough: audio callbacks and the network keep the process' own priority,
// windows are made below it, and a device's model is loaded below these.
//
// A niceness is a thread's own on Linux, and threads inherit it from the one that starts them: so do the OpenMP workers
// of LibTorch, which the first window of a thread starts.
namespace fastsag::daemon {

inline constexpr int kGenerationNiceness = 5, kLoadingNiceness = 10;  // more than the process' own

// The calling thread and those that it starts from now on are nicer by so much. It cannot be taken back without
// privileges.
void be_nice(int more);

}  // namespace fastsag::daemon
