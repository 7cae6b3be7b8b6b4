#include "model/flop_counter.h"

#include <torch/torch.h>

#include <string_view>

namespace fastsag::model {
namespace {

thread_local double* counting = nullptr;

double product(const torch::Tensor& a, const torch::Tensor& b) {
  return 2 * static_cast<double>(a.numel()) * static_cast<double>(b.size(-1));
}

// Each weight is used once for every place of the output; of a transposed one, for every place of the input.
double convolution(at::ArrayRef<const c10::IValue> in) {
  const torch::Tensor x = in[0].toTensor(), weight = in[1].toTensor();
  const auto stride = in[3].toIntVector(), padding = in[4].toIntVector(), dilation = in[5].toIntVector();
  auto places = static_cast<double>(x.size(0));
  for (size_t d = 0; d < stride.size(); ++d) {
    const auto dim = static_cast<int64_t>(d) + 2;
    const int64_t reach = dilation[d] * (weight.size(dim) - 1) + 1;
    const bool transposed = in[6].toBool();
    places *= static_cast<double>(transposed ? x.size(dim) : (x.size(dim) + 2 * padding[d] - reach) / stride[d] + 1);
  }
  return 2 * static_cast<double>(weight.numel()) * places;
}

double attention(const torch::Tensor& query, const torch::Tensor& key) {
  return 4 * static_cast<double>(query.numel()) * static_cast<double>(key.size(-2));
}

}  // namespace

FlopCounter::FlopCounter() {
  counting = &flop_;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&FlopCounter::count).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

FlopCounter::~FlopCounter() {
  at::removeCallback(handle_);
  counting = nullptr;
}

std::unique_ptr<at::ObserverContext> FlopCounter::count(const at::RecordFunction& call) {
  const std::string_view name = call.name();
  const auto in = call.inputs();
  if (name == "aten::convolution")
    *counting += convolution(in);
  else if (name == "aten::mm" || name == "aten::bmm")
    *counting += product(in[0].toTensor(), in[1].toTensor());
  else if (name == "aten::addmm" || name == "aten::baddbmm")
    *counting += product(in[1].toTensor(), in[2].toTensor());
  else if (name == "aten::_scaled_dot_product_flash_attention_for_cpu")
    *counting += attention(in[0].toTensor(), in[1].toTensor());
  return nullptr;
}

}  // namespace fastsag::model
