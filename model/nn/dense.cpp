#include "model/nn/dense.h"

#include "model/race.h"

namespace fastsag::model {
namespace {

// Near a tie it is bf16, so that one machine does not choose now this and now that, for the bytes differ.
Precision measure() {
  if (!row_loops().dense_half) return Precision::single;
  constexpr int64_t kRows = 128, kInputs = 192, kOutputs = 384;
  constexpr int kRounds = 12;
  constexpr double kTie = 1.15;
  const torch::Tensor matrix = torch::full({kInputs, kOutputs}, .01f);
  const Dense single(matrix, {}, Precision::single), half(matrix, {}, Precision::half);
  const std::vector<float> x(kRows * kInputs, .5f);
  std::vector<float> out(kRows * kOutputs);
  Workspace workspace;
  const auto multiply = [&](const Dense& dense) {
    workspace.reset();
    dense(workspace, x, out);
  };
  const auto [single_s, half_s] = best_in_turn(
      kRounds, [&] { multiply(single); }, [&] { multiply(half); });
  return half_s < kTie * single_s ? Precision::half : Precision::single;
}

}  // namespace

Precision fastest_precision() {
  static const Precision kFastest = measure();
  return kFastest;
}

std::vector<float> floats_of(const torch::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const torch::Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat).contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

Dense::Dense(const torch::Tensor& matrix, const torch::Tensor& bias, Precision precision, int64_t taps)
    : taps_(taps), inputs_(matrix.size(0) / taps), outputs_(matrix.size(1)), precision_(precision) {
  if (!row_loops().dense_half) precision_ = Precision::single;
  bias_ = floats_of(bias);
  const int64_t columns = row_loops().columns;
  bias_.resize(static_cast<size_t>((outputs_ + columns - 1) / columns * columns));
  pack(matrix);
}

Dense::Dense(const torch::nn::Linear& linear, Precision precision, int64_t taps)
    : Dense(linear->weight.t(), linear->bias, precision, taps) {}

Dense::Dense(const torch::nn::Conv1d& conv, Precision precision)
    : Dense(conv->weight.permute({2, 1, 0}).reshape({-1, conv->weight.size(0)}), conv->bias, precision,
            conv->weight.size(2)) {}

// [block of columns][tap][feature][column], features in pairs where they are halves.
void Dense::pack(const torch::Tensor& matrix) {
  const int64_t columns = row_loops().columns, blocks = std::ssize(bias_) / columns;
  const bool half = precision_ == Precision::half;
  const int64_t wide = half ? (inputs_ + 1) / 2 * 2 : inputs_;
  namespace F = torch::nn::functional;
  torch::Tensor w = matrix.detach().to(torch::kCPU, torch::kFloat).view({taps_, inputs_, outputs_});
  w = F::pad(w, F::PadFuncOptions({0, blocks * columns - outputs_, 0, wide - inputs_}));
  w = w.view({taps_, wide, blocks, columns}).permute({2, 0, 1, 3});
  if (!half) {
    weights_ = floats_of(w);
    return;
  }
  const torch::Tensor pairs =
      w.reshape({blocks, taps_, wide / 2, 2, columns}).transpose(3, 4).to(torch::kBFloat16).contiguous();
  const auto* bits = static_cast<const uint16_t*>(pairs.const_data_ptr());
  halves_.assign(bits, bits + pairs.numel());
}

void Dense::operator()(Workspace& workspace, const Rows& rows, float* out, int64_t out_stride, Then then) const {
  const bool half = precision_ == Precision::half;
  const DenseArgs args{rows.x,
                       rows.count,
                       rows.stride,
                       taps_,
                       rows.tap_stride,
                       inputs_,
                       half ? static_cast<const void*>(halves_.data()) : weights_.data(),
                       bias_.data(),
                       out,
                       out_stride,
                       outputs_,
                       then};
  if (!half) return row_loops().dense(args);
  const int64_t all_rows = rows.count + (taps_ - 1) * (rows.tap_stride / rows.stride);
  row_loops().dense_half(args, workspace.halves(all_rows * ((inputs_ + 1) / 2 * 2)).data());
}

void Dense::operator()(Workspace& workspace, std::span<const float> x, std::span<float> out, Then then) const {
  (*this)(workspace, {x.data(), std::ssize(x) / inputs_, inputs_}, out.data(), outputs_, then);
}

Norm::Norm(const torch::nn::LayerNorm& norm) : gain(floats_of(norm->weight)), shift(floats_of(norm->bias)) {}

void Norm::operator()(std::span<const float> x, std::span<float> out) const {
  const int64_t features = std::ssize(gain);
  row_loops().norm(
      {x.data(), out.data(), std::ssize(x) / features, features, features, features, gain.data(), shift.data()});
}

}  // namespace fastsag::model
