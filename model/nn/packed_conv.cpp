#include "model/nn/packed_conv.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace fastsag::model {
namespace {

using Ints = std::vector<int64_t>;
using Scalars = torch::List<std::optional<at::Scalar>>;

// An operator that has no C++ function; nullopt where this LibTorch has none of that name.
std::optional<c10::OperatorHandle> find(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchema({name, overload});
}

torch::Tensor call(const c10::OperatorHandle& operation, torch::jit::Stack arguments) {
  operation.callBoxed(arguments);
  return arguments.at(0).toTensor();
}

struct Operators {
  std::optional<c10::OperatorHandle> pack = find("mkldnn::_reorder_convolution_weight");
  std::optional<c10::OperatorHandle> run = find("mkldnn::_convolution_pointwise");
  std::optional<c10::OperatorHandle> plus = find("mkldnn::_convolution_pointwise", "binary");
  std::optional<c10::OperatorHandle> add = find("mkldnn::_convolution_pointwise_", "binary");
  std::optional<c10::OperatorHandle> pack_transposed = find("mkldnn::_reorder_convolution_transpose_weight");
  std::optional<c10::OperatorHandle> run_transposed = find("mkldnn::_convolution_transpose_pointwise");
  bool all() const { return pack && run && plus && add && pack_transposed && run_transposed; }
};
const Operators& operators() {
  static const Operators found;
  return found;
}

// Settings of a convolution along the height and width of an image; of a 1-d one, along the width alone.
template <size_t D>
Ints both(const torch::ExpandingArray<D>& values, int64_t of_height) {
  return D == 2 ? Ints{(*values)[0], (*values)[D - 1]} : Ints{of_height, (*values)[0]};
}

}  // namespace

template <size_t D>
PackedConv::PackedConv(const torch::Tensor& weight, const torch::Tensor& bias,
                       const torch::nn::detail::ConvNdOptions<D>& options, torch::ScalarType type)
    : weight_((D == 1 ? weight.unsqueeze(2) : weight).detach().to(type).contiguous(at::MemoryFormat::ChannelsLast)),
      stride_(both<D>(options.stride(), 1)),
      padding_(both<D>(std::get<torch::ExpandingArray<D>>(options.padding()), 0)),
      dilation_(both<D>(options.dilation(), 1)),
      transposed_(options.transposed()) {
  if (bias.defined()) bias_ = bias.detach().to(type).clone();
}

PackedConv::PackedConv(const torch::nn::Conv1d& conv, torch::ScalarType type)
    : PackedConv(conv->weight, conv->bias, conv->options, type) {}
PackedConv::PackedConv(const torch::nn::Conv2d& conv, torch::ScalarType type)
    : PackedConv(conv->weight, conv->bias, conv->options, type) {}
PackedConv::PackedConv(const torch::nn::ConvTranspose1d& conv, torch::ScalarType type)
    : PackedConv(conv->weight, conv->bias, conv->options, type) {}
PackedConv::PackedConv(const torch::nn::ConvTranspose2d& conv, torch::ScalarType type)
    : PackedConv(conv->weight, conv->bias, conv->options, type) {}

// The best layout depends on the image's size; with another size later the result is the same, a little slower.
void PackedConv::pack(const torch::Tensor& x) {
  const Ints none = {0, 0}, size = x.sizes().vec();
  packed_ = transposed_
                ? call(*operators().pack_transposed, {weight_, padding_, none, stride_, dilation_, int64_t{1}, size})
                : call(*operators().pack, {weight_, padding_, stride_, dilation_, int64_t{1}, size});
  weight_.reset();
}

torch::Tensor PackedConv::operator()(const torch::Tensor& x) {
  if (!operators().all()) {
    return transposed_ ? at::conv_transpose2d(x, weight_, bias_, stride_, padding_, Ints{0, 0}, 1, dilation_)
                       : at::conv2d(x, weight_, bias_, stride_, padding_, dilation_);
  }
  if (!packed_.defined()) pack(x);
  const std::optional<torch::Tensor> bias = bias_.defined() ? std::optional(bias_) : std::nullopt;
  const std::optional<std::string> no_algorithm;
  if (transposed_) {
    return call(*operators().run_transposed, {x, packed_, bias, padding_, Ints{0, 0}, stride_, dilation_, int64_t{1},
                                              std::string("none"), Scalars(), no_algorithm});
  }
  return call(*operators().run, {x, packed_, bias, padding_, stride_, dilation_, int64_t{1}, std::string("none"),
                                 Scalars(), no_algorithm});
}

torch::Tensor PackedConv::plus(const torch::Tensor& x, const torch::Tensor& other) {
  if (!operators().all()) return (*this)(x).add_(other);
  if (!packed_.defined()) pack(x);
  const std::optional<torch::Tensor> bias = bias_.defined() ? std::optional(bias_) : std::nullopt;
  const std::optional<std::string> none;
  return call(*operators().plus, {x, other, packed_, bias, padding_, stride_, dilation_, int64_t{1}, std::string("add"),
                                  std::optional<at::Scalar>(), none, Scalars(), none});
}

void PackedConv::add_to(torch::Tensor& sum, const torch::Tensor& x) {
  if (!operators().all()) {
    sum.add_((*this)(x));
    return;
  }
  if (!packed_.defined()) pack(x);
  const std::optional<torch::Tensor> bias = bias_.defined() ? std::optional(bias_) : std::nullopt;
  const std::optional<std::string> none;
  call(*operators().add, {sum, x, packed_, bias, padding_, stride_, dilation_, int64_t{1}, std::string("add"),
                          std::optional<at::Scalar>(), none, Scalars(), none});
}

}  // namespace fastsag::model
