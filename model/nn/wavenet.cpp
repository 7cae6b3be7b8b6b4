#include "model/nn/wavenet.h"

namespace fastsag::model {
namespace {

// Zeros on both sides keep the length, whatever the dilation.
torch::nn::Conv1d conv1d(int64_t channels, int64_t kernel, int64_t dilation = 1) {
  return torch::nn::Conv1d(
      torch::nn::Conv1dOptions(channels, channels, kernel).dilation(dilation).padding(dilation * (kernel - 1) / 2));
}

}  // namespace

WaveNetBlockImpl::WaveNetBlockImpl(int64_t channels, int64_t dilation, bool skip)
    : conv(register_module("conv", conv1d(channels, 3, dilation))),
      res_conv(register_module("res_conv", conv1d(channels, 1))) {
  if (skip) skip_conv = register_module("skip_conv", conv1d(channels, 1));
}

torch::Tensor WaveNetBlockImpl::forward(const torch::Tensor& x) {
  const torch::Tensor c = conv(x);
  return torch::tanh(c) * torch::sigmoid(c) + res_conv(x);
}

WaveNetImpl::WaveNetImpl(int64_t channels, int64_t stacks, int64_t blocks)
    : init_conv(register_module("init_conv", conv1d(channels, 3))),
      final_conv(register_module("final_conv", conv1d(channels, 1))),
      columns_(static_cast<size_t>(blocks)) {
  torch::nn::ModuleList all;
  for (int64_t s = 0; s < stacks; ++s) {
    torch::nn::ModuleList list;
    for (int64_t i = 0; i < blocks; ++i) {
      const WaveNetBlock block(channels, int64_t{1} << i, s + 1 == stacks);
      columns_[static_cast<size_t>(i)].push_back(block);
      list->push_back(block);
    }
    const auto stack = std::make_shared<torch::nn::Module>();
    stack->register_module("blocks", list);
    all->push_back(stack);
  }
  register_module("stacks", all);
}

torch::Tensor WaveNetImpl::forward(const torch::Tensor& x) {
  const torch::Tensor start = init_conv(x);
  torch::Tensor sum;
  for (auto& column : columns_) {  // a column at a time: its activations stay in the cache
    torch::Tensor h = start;
    for (auto& block : column) h = block(h);
    const torch::Tensor skip = column.back()->skip_conv(h);
    sum = sum.defined() ? sum + skip : skip;
  }
  return final_conv(sum);
}

}  // namespace fastsag::model
