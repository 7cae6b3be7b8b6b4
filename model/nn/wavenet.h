#pragma once
// FastSAG's WaveNet: from the voice's features to the accompaniment's, and from a condition to the prior mel. Not
// causal, no condition on time, and its blocks are not chained within a stack: block i reads block i of the stack
// before, so the net is `blocks` columns, column i of dilation 2^i all the way.
//
// Shapes: [B][channels][T] -> the same. Column i sees 1 + stacks * 2^i frames to each side.
// Source: REFERENCE.md section 4; van den Oord et al. 2016 for the gate.
#include <torch/torch.h>

namespace fastsag::model {

// One convolution feeds both halves of the gate. `skip`: has the 1x1 of the last stack.
class WaveNetBlockImpl : public torch::nn::Module {
 public:
  WaveNetBlockImpl(int64_t channels, int64_t dilation, bool skip);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Conv1d conv, res_conv, skip_conv{nullptr};
};
TORCH_MODULE(WaveNetBlock);

class WaveNetImpl : public torch::nn::Module {
 public:
  WaveNetImpl(int64_t channels, int64_t stacks, int64_t blocks);
  torch::Tensor forward(const torch::Tensor& x);

  WaveNetBlock block(int64_t stack, int64_t column) const { return columns_[column][stack]; }
  torch::nn::Conv1d init_conv, final_conv;

 private:
  std::vector<std::vector<WaveNetBlock>> columns_;
};
TORCH_MODULE(WaveNet);

}  // namespace fastsag::model
