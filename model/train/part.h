#pragma once
// What the trainer trains, one network at a time. Parts share no parameters, so the paper's sum of losses (semantic +
// prior + diffusion) comes apart: each part is stepped by its own optimiser, and any subset can be trained.
//
// Threads: one process a core, one thread a process; ranks agree by all-reduced gradients.
// Repeatable: a batch is a function of (seed, step, rank), so a resumed run goes on as if it had never stopped.
#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace fastsag::model {

struct PartOptions {
  int64_t steps = 1000;
  double learning_rate = 2e-3;
  double beta1 = 0.9, beta2 = 0.98;
  double weight_decay = 0;
  int64_t warmup = 50;         // steps, linear; cosine to nothing afterwards
  bool constant_rate = false;  // after the warm-up, in place of the cosine
  double ema = 0.998;          // 0: none, the last weights are validated and released
  double clip = 1;             // gradient norm, of each of Part::clipped(); 0: none
};

struct BatchKey {
  uint64_t seed = 0;
  int64_t step = 0;
  int rank = 0;
  int64_t piece = 0;  // of the batch: Part::pieces()
};

class Part {
 public:
  virtual ~Part() = default;
  virtual std::string name() const = 0;
  virtual std::string prefix() const { return name(); }  // of its released tensors; empty: as the module names them
  virtual torch::nn::Module& module() = 0;
  virtual PartOptions options() const = 0;
  virtual int64_t batch() const { return 1; }  // windows a step and process, for the progress line
  // A batch may come in pieces, whose gradients add up: then memory holds one at a time.
  virtual int64_t pieces() const { return 1; }
  // Parameters whose names begin so are clipped together, apart from the others; a parameter of no group is not
  // clipped.
  virtual std::vector<std::string> clipped() const { return {""}; }
  // The loss of the batch that belongs to this key; also what is worth logging ("loss" is added by the trainer).
  // Of a piece: its share of both, so that the sum over the pieces is the batch's.
  virtual torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) = 0;
  // Figures on songs that were not trained on. The trainer has put the EMA weights in and switched to eval.
  virtual std::map<std::string, double> validate() = 0;
};

// A part that is one network and learns it from songs that the process holds once.
template <class Net, class Songs>
class NetPart : public Part {
 public:
  std::string name() const override { return name_; }
  torch::nn::Module& module() override { return *net_; }
  int64_t batch() const override { return batch_; }
  Net net() { return net_; }

 protected:
  NetPart(std::string name, std::shared_ptr<const Songs> songs, int64_t batch, Net net = Net())
      : songs_(std::move(songs)), batch_(batch), net_(std::move(net)), name_(std::move(name)) {}

  const std::shared_ptr<const Songs> songs_;
  const int64_t batch_;
  Net net_;

 private:
  const std::string name_;
};

}  // namespace fastsag::model
