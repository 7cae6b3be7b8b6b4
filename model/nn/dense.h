#pragma once
// A matrix that rows are multiplied by, packed once for the loops of rows.h: linear layers and convolutions over time,
// for inference on the CPU.
//
// Threads: const members from any; each thread brings a Workspace.
#include <torch/torch.h>

#include <string_view>
#include <vector>

#include "model/nn/rows.h"
#include "model/nn/workspace.h"

namespace fastsag::model {

// What is multiplied: floats; weights of bfloat16 and floats; both in bfloat16 (where a processor has no instruction
// for that: mixed). Sums are floats. Where rows are few, reading weights takes most of the time, so half as many bytes.
enum class Precision { single, mixed, half };
constexpr std::string_view name_of(Precision precision) {
  return precision == Precision::single ? "fp32" : precision == Precision::mixed ? "mixed" : "bf16";
}

// What is fastest here, measured once a process on products of the usual sizes.
Precision fastest_precision();

class Dense {
 public:
  Dense() = default;
  // matrix [taps * inputs][outputs], bias [outputs] or undefined.
  Dense(const torch::Tensor& matrix, const torch::Tensor& bias, Precision precision, int64_t taps = 1);
  Dense(const torch::nn::Linear& linear, Precision precision, int64_t taps = 1);  // inputs tap after tap
  Dense(const torch::nn::Conv1d& conv, Precision precision);                      // of one group

  struct Rows {
    const float* x;
    int64_t count, stride, tap_stride = 0;
  };
  void operator()(Workspace& workspace, const Rows& rows, float* out, int64_t out_stride,
                  Then then = Then::store) const;
  // Rows that lie close together, in and out.
  void operator()(Workspace& workspace, std::span<const float> x, std::span<float> out, Then then = Then::store) const;

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }

 private:
  void pack(const torch::Tensor& matrix);

  int64_t taps_ = 1, inputs_ = 0, outputs_ = 0;
  Precision precision_ = Precision::single;
  std::vector<float> weights_, bias_;
  std::vector<uint16_t> halves_;  // mixed has both, of the same numbers
};

// Layer norm over features, whose gain and shift may be none.
struct Norm {
  explicit Norm(const torch::nn::LayerNorm& norm);
  void operator()(std::span<const float> x, std::span<float> out) const;
  std::vector<float> gain, shift;
};

std::vector<float> floats_of(const torch::Tensor& tensor);

}  // namespace fastsag::model
