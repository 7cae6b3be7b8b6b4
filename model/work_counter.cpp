#include "model/work_counter.h"

#include <torch/torch.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

namespace fastsag::model {
namespace {

using Values = at::ArrayRef<const c10::IValue>;

// Those in one piece; another is made of matrix products.
constexpr std::string_view kAttentions[] = {
    "aten::_scaled_dot_product_flash_attention_for_cpu", "aten::_scaled_dot_product_flash_attention",
    "aten::_scaled_dot_product_efficient_attention", "aten::_scaled_dot_product_cudnn_attention"};

thread_local CountedWork* counting = nullptr;

double bytes_of(const c10::IValue& value) {
  return value.isTensor() && value.toTensor().defined() ? static_cast<double>(value.toTensor().nbytes()) : 0;
}

// Of a matrix product of arguments `first` and `first` + 1.
CountedWork product(Values in, size_t first, bool weights) {
  const torch::Tensor a = in[first].toTensor(), b = in[first + 1].toTensor();
  CountedWork work{.flop = 2 * static_cast<double>(a.numel()) * static_cast<double>(b.size(-1))};
  for (size_t i = 0; i < first + 2; ++i)
    (weights && i != first ? work.weight_bytes : work.value_bytes) += bytes_of(in[i]);
  return work;
}

// Each weight is used once for every place of the output; of a transposed one, for every place of the input.
CountedWork convolution(Values in) {
  const torch::Tensor x = in[0].toTensor(), weight = in[1].toTensor();
  const auto stride = in[3].toIntVector(), padding = in[4].toIntVector(), dilation = in[5].toIntVector();
  auto places = static_cast<double>(x.size(0));
  for (size_t d = 0; d < stride.size(); ++d) {
    const auto dim = static_cast<int64_t>(d) + 2;
    const int64_t reach = dilation[d] * (weight.size(dim) - 1) + 1;
    const bool transposed = in[6].toBool();
    places *= static_cast<double>(transposed ? x.size(dim) : (x.size(dim) + 2 * padding[d] - reach) / stride[d] + 1);
  }
  return {2 * static_cast<double>(weight.numel()) * places, bytes_of(in[1]) + bytes_of(in[2]), bytes_of(in[0])};
}

CountedWork attention(Values in) {
  const torch::Tensor query = in[0].toTensor(), key = in[1].toTensor();
  return {4 * static_cast<double>(query.numel()) * static_cast<double>(key.size(-2)), 0,
          bytes_of(in[0]) + bytes_of(in[1]) + bytes_of(in[2])};
}

// Without its output.
std::optional<CountedWork> work_of(const at::RecordFunction& call) {
  const std::string_view name = call.name();
  const Values in = call.inputs();
  if (name == "aten::convolution") return convolution(in);
  if (name == "aten::mm") return product(in, 0, true);
  if (name == "aten::bmm") return product(in, 0, false);
  if (name == "aten::addmm") return product(in, 1, true);
  if (name == "aten::baddbmm") return product(in, 1, false);
  if (std::ranges::find(kAttentions, name) != std::end(kAttentions)) return attention(in);
  return {};
}

struct Counted final : at::ObserverContext {};

}  // namespace

WorkCounter::WorkCounter() {
  counting = &work_;
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&WorkCounter::begin, &WorkCounter::end)
                                           .needsInputs(true)
                                           .needsOutputs(true)
                                           .scopes({at::RecordScope::FUNCTION}));
}

WorkCounter::~WorkCounter() {
  at::removeCallback(handle_);
  counting = nullptr;
}

std::unique_ptr<at::ObserverContext> WorkCounter::begin(const at::RecordFunction& call) {
  const std::optional<CountedWork> work = work_of(call);
  if (!work) return nullptr;
  *counting += *work;
  return std::make_unique<Counted>();
}

void WorkCounter::end(const at::RecordFunction& call, at::ObserverContext* context) {
  if (context && !call.outputs().empty()) counting->value_bytes += bytes_of(call.outputs()[0]);
}

}  // namespace fastsag::model
