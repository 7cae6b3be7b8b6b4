#include "model/nn/dense.h"

#include "model/race.h"

namespace fastsag::model {
namespace {

// A window's products: many rows, mostly; and a note's, whose rows come one by one and each need all of a network that
// no core's own cache may hold in floats.
class Products {
 public:
  explicit Products(Precision precision)
      : wide_(torch::full({192, 384}, .01f), {}, precision),
        note_(16, Dense(torch::full({128, 384}, .01f), {}, precision)) {}

  void operator()() {
    workspace_.reset();
    const auto x = workspace_.zeros(128 * 192), out = workspace_.floats(128 * 384);
    for (int i = 0; i < 4; ++i) wide_(workspace_, x, out);
    for (const Dense& dense : note_) dense(workspace_, x.first(128), out.first(384));
  }

 private:
  Dense wide_;
  std::vector<Dense> note_;
  Workspace workspace_;
};

// Near a tie it is what has fewer bits, so that one machine does not choose now this and now that, for the bytes
// differ.
Precision measure() {
  constexpr int kRounds = 12;
  constexpr double kTie = 1.15;
  Products single(Precision::single), mixed(Precision::mixed), half(Precision::half);
  const auto [single_s, mixed_s, half_s] = best_in_turn(kRounds, single, mixed, half);
  if (row_loops().dense_half && half_s < kTie * std::min(single_s, mixed_s)) return Precision::half;
  return mixed_s < kTie * single_s ? Precision::mixed : Precision::single;
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
  if (precision_ == Precision::half && !row_loops().dense_half) precision_ = Precision::mixed;
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

// [block of columns][tap][feature][column], of halves with features in pairs.
void Dense::pack(const torch::Tensor& matrix) {
  const int64_t columns = row_loops().columns, blocks = std::ssize(bias_) / columns;
  namespace F = torch::nn::functional;
  torch::Tensor w = matrix.detach().to(torch::kCPU, torch::kFloat).view({taps_, inputs_, outputs_});
  w = F::pad(w, F::PadFuncOptions({0, blocks * columns - outputs_}));
  w = w.view({taps_, inputs_, blocks, columns}).permute({2, 0, 1, 3});
  if (precision_ != Precision::single) w = w.to(torch::kBFloat16);
  if (precision_ != Precision::half) weights_ = floats_of(w);
  if (precision_ == Precision::single) return;
  const int64_t pairs = (inputs_ + 1) / 2;
  w = F::pad(w, F::PadFuncOptions({0, 0, 0, 2 * pairs - inputs_}));
  w = w.reshape({blocks, taps_, pairs, 2, columns}).transpose(3, 4).contiguous();
  const auto* bits = static_cast<const uint16_t*>(w.const_data_ptr());
  halves_.assign(bits, bits + w.numel());
}

void Dense::operator()(Workspace& workspace, const Rows& rows, float* out, int64_t out_stride, Then then) const {
  constexpr int64_t kFew = 6;
  const bool floats = precision_ == Precision::single || (precision_ == Precision::mixed && rows.count >= kFew);
  const DenseArgs args{rows.x,
                       rows.count,
                       rows.stride,
                       taps_,
                       rows.tap_stride,
                       inputs_,
                       floats ? static_cast<const void*>(weights_.data()) : halves_.data(),
                       bias_.data(),
                       out,
                       out_stride,
                       outputs_,
                       then};
  if (floats) return row_loops().dense(args);
  if (precision_ == Precision::mixed) return row_loops().dense_mixed(args);
  const Workspace::Scope scope(workspace);
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
