#pragma once
// A GraphStream without a GPU: what it records it runs again.
#include <limits>
#include <stdexcept>
#include <string>

#include "model/device_graph.h"

namespace fastsag::test {

class HostStream final : public model::GraphStream {
 public:
  static constexpr int64_t kBytes = 1000;  // that each recording says it took

  void run(const model::Work& work) override {
    ++runs;
    work();
  }
  std::unique_ptr<model::Recording> record(const model::Work& work) override {
    if (!refuses.empty()) throw std::runtime_error(refuses);
    auto made = std::make_unique<Again>();
    made->work = work;
    made->bytes = kBytes;
    return made;
  }
  void replay(model::Recording& recording) override {
    ++replays;
    if (fails) fails();
    recording.replay();
  }
  void copy(torch::Tensor to, const torch::Tensor& from) override {
    ++copies;
    to.copy_(from);
  }
  void wait() override {}
  torch::Tensor pinned(at::IntArrayRef shape) override {
    if (c10::multiply_integers(shape) > memory)
      throw c10::OutOfMemoryError({"function", "file", 1}, "CUDA out of memory. Tried to allocate 1 GiB");
    return torch::zeros(shape);
  }
  int warm_ups() const override { return 1; }

  std::string refuses;                                   // in place of recording
  model::Work fails;                                     // before a replay
  int64_t memory = std::numeric_limits<int64_t>::max();  // floats that it has at once
  int runs = 0, replays = 0, copies = 0;

 private:
  struct Again final : model::Recording {
    void replay() override { work(); }
    model::Work work;
  };
};

}  // namespace fastsag::test
