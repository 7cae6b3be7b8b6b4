#pragma once
// Work over tensors that stay where they are, recorded once and then replayed with one launch: a CUDA graph.
//
// A GraphStream is where work runs. On a GPU it is a high-priority stream of its own, whose recordings share one pool
// of memory; tests have one on the host. Work leaves what it made in tensors that outlive it: a replay fills those of
// the recording again.
//
// Threads: one, the generation thread. A recording must not be replayed while another of its stream is under way.
// Errors: what cannot be recorded runs an operator at a time instead, why_eager() says so; what fails while it runs
// goes out as it came.
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fastsag::model {

using Work = std::function<void()>;

class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
  int64_t bytes = 0;  // of device memory that it added
};

class GraphStream {
 public:
  virtual ~GraphStream() = default;
  virtual void run(const Work& work) = 0;  // an operator at a time; returns before the device is done
  // For work that ran before, so that whatever is chosen or allocated at the first run has been. Throws where it cannot
  // be recorded.
  virtual std::unique_ptr<Recording> record(const Work& work) = 0;
  virtual void replay(Recording& recording) = 0;                   // as run()
  virtual void copy(torch::Tensor to, const torch::Tensor& from);  // as run(); between the host, pinned, and the device
  virtual void wait() = 0;                                         // until the device is done
  virtual torch::Tensor pinned(at::IntArrayRef shape) = 0;         // float, on the host, from where the device reads
  virtual int warm_ups() const = 0;  // runs before recording: in the first cuDNN tries its ways
};

// Of that GPU. Errors: c10::Error where there is none, or the program was built without CUDA.
std::unique_ptr<GraphStream> cuda_stream(torch::Device device);

class DeviceGraph {
 public:
  DeviceGraph(GraphStream& stream, Work work);
  void run();  // as GraphStream::run()
  bool recorded() const { return recording_ != nullptr; }
  int64_t bytes() const { return recording_ ? recording_->bytes : 0; }
  const std::string& why_eager() const { return why_eager_; }

 private:
  GraphStream& stream_;
  Work work_;
  std::unique_ptr<Recording> recording_;
  std::string why_eager_;
};

// Rooms that a batch is made for: 1, 2, 4 .. 32, up to the first that holds `most`.
inline constexpr int kLargestBatch = 32;
std::vector<int> batch_sizes(int most);
// The first of them (ascending, not empty) that holds `rooms`, else the largest: the rest waits for its turn.
int batch_for(const std::vector<int>& sizes, int rooms);

}  // namespace fastsag::model
