#pragma once
// Counts what convolutions and matrix products cost that this thread asks LibTorch for while the counter lives: a
// multiplication and an addition are two operations. Everything else (norms, activations) is small beside and left out.
//
// Threads: counts calls of the thread that made it; one at a time a thread.
#include <ATen/record_function.h>

#include <memory>

namespace fastsag::model {

class FlopCounter {
 public:
  FlopCounter();
  ~FlopCounter();
  FlopCounter(const FlopCounter&) = delete;
  FlopCounter& operator=(const FlopCounter&) = delete;
  double flop() const { return flop_; }

 private:
  static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& call);

  at::CallbackHandle handle_;
  double flop_ = 0;
};

}  // namespace fastsag::model
