#pragma once
// Windows of the paper's form on a GPU: for batches of 1, 2, 4 .. rooms, tensors that stay where they are and graphs
// over them (device_graph.h), so that a batch costs one copy in, two launches (to the mel, from it) and one copy out.
//
// Fewer rooms than a batch holds leave its last rows as they were; more are written batch after batch. Where nothing
// was prepared that is done when it is first asked for. A size that the device's memory does not hold is left out
// (DeviceStatus::remark); only a single room must fit.
// Sound is made in slices of kSliceFrames, as rooms ask for them; every slice after the first costs a launch and two
// copies more. A lone room may ask for its whole window at once.
//
// Threads: the generation thread. Errors: a window's own where its numbers are none; what the device throws.
#include <torch/torch.h>

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/accompanist.h"
#include "model/device_graph.h"
#include "model/paper/networks.h"
#include "model/paper/vocoder.h"
#include "model/paper/window.h"

namespace fastsag::model {

inline constexpr int64_t kSliceFrames = 256;  // 2.7 s: a hop of a second and its reserve

// The block whose numbers for a row of the batch are none, in words; empty: there is none. Asks the device.
std::string failure_of(const PaperMade& made, int64_t row);

class PaperBatches {
 public:
  // All of them outlive it.
  PaperBatches(const Preset& preset, torch::Device device, PaperNetworks& networks, Vocoder& vocoder,
               GraphStream& stream);
  ~PaperBatches();

  void prepare(int most);
  // One sound a window.
  void generate(std::span<const PaperWindow> windows, std::span<PaperSound> sounds);
  const DeviceStatus& status() const { return status_; }
  int most() const { return most_; }  // rooms that are made in one turn

 private:
  class Batch;

  void make(int rooms);
  Batch& batch(int rooms);
  void write(Batch& batch, std::span<const PaperWindow> windows, std::span<PaperSound> sounds);
  void write_slices(Batch& batch, std::span<const PaperWindow> windows, std::span<PaperSound> sounds);

  const PaperSizes sizes_;
  const torch::Device device_;
  PaperNetworks& networks_;
  Vocoder& vocoder_;
  GraphStream& stream_;
  std::vector<std::unique_ptr<Batch>> batches_;  // of ascending size
  int most_ = kLargestBatch;
  DeviceStatus status_;
};

}  // namespace fastsag::model
