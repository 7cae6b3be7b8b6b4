#pragma once
// Counts the work of convolutions and matrix products that this thread asks LibTorch for while the counter lives.
//
// flop: a multiplication and an addition are two. bytes: every such operator reads its weights and its input and writes
// its output once, in the types that they have. Everything else (norms, activations, copies) is left out of both: its
// arithmetic is small, and a good program does it in passing.
// Threads: counts calls of the thread that made it; one at a time a thread.
#include <ATen/record_function.h>

#include <memory>

namespace fastsag::model {

struct CountedWork {
  double flop = 0;
  double weight_bytes = 0, value_bytes = 0;  // the latter: of inputs and outputs
  double bytes() const { return weight_bytes + value_bytes; }

  CountedWork& operator+=(const CountedWork& more) {
    flop += more.flop, weight_bytes += more.weight_bytes, value_bytes += more.value_bytes;
    return *this;
  }
  CountedWork operator-(const CountedWork& less) const {
    return {flop - less.flop, weight_bytes - less.weight_bytes, value_bytes - less.value_bytes};
  }
  // Of so many times the length: the weights stay the same.
  CountedWork longer(double times) const { return {flop * times, weight_bytes, value_bytes * times}; }
  // Of so many runs, one after another.
  CountedWork repeated(double times) const { return {flop * times, weight_bytes * times, value_bytes * times}; }
};

class WorkCounter {
 public:
  WorkCounter();
  ~WorkCounter();
  WorkCounter(const WorkCounter&) = delete;
  WorkCounter& operator=(const WorkCounter&) = delete;
  const CountedWork& work() const { return work_; }

 private:
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& call);
  static void end(const at::RecordFunction& call, at::ObserverContext* context);

  at::CallbackHandle handle_;
  CountedWork work_;
};

}  // namespace fastsag::model
