#pragma once
// The paper's denoiser: Grad-TTS's U-Net over a two-channel image, mu and the noisy mel. Parameter names are those of
// the published checkpoint below `decoder.estimator.`.
//
// A module as constructed is what the trainer differentiates. prepare() gives it a faster way through the same numbers
// (unet_fast.h; on a GPU unet_cuda.h), which forward() takes from then on wherever no gradient is asked for.
//
// Shapes: x, mu [B][100][W], W a multiple of 4; mask [B or 1][1][W] (1 = frame) or undefined = all; c_noise [B] ->
// [B][100][W], zero outside the mask. Group norms and attention see all of W, so the answer depends on its padding.
// Fits DenoiserNetwork (edm.h).
// Source: Popov et al. 2021 (Grad-TTS); REFERENCE.md section 7.
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <string>

#include "model/nn/way.h"

namespace fastsag::model {

// [B][dim] sines and cosines of 1000 t, frequencies 1 to 1/10000. In double: float's phases are off by 1e-4 there.
torch::Tensor unet_time_embedding(const torch::Tensor& t, int64_t dim);

// conv 3x3 of x * mask, group norm, Mish, mask.
class UNetBlockImpl : public torch::nn::Module {
 public:
  UNetBlockImpl(int64_t in, int64_t out);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask);

  torch::nn::Conv2d conv;
  torch::nn::GroupNorm norm;
};
TORCH_MODULE(UNetBlock);

class UNetResnetImpl : public torch::nn::Module {
 public:
  UNetResnetImpl(int64_t in, int64_t out, int64_t time);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& time);

  torch::nn::Linear mlp;
  UNetBlock block1, block2;
  torch::nn::Conv2d res_conv = nullptr;  // where the widths differ
};
TORCH_MODULE(UNetResnet);

// x + g * attention(x), linear attention over all positions of the image.
class UNetAttentionImpl : public torch::nn::Module {
 public:
  static constexpr int64_t kHeads = 4, kHead = 32;

  explicit UNetAttentionImpl(int64_t channels);
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor gain;
  torch::nn::Conv2d to_qkv, to_out;
};
TORCH_MODULE(UNetAttention);

// Two resnets, an attention, and, but for the last level on the way down, a change of size.
class UNetLevelImpl : public torch::nn::Module {
 public:
  enum class Then { down, up, stay };
  UNetLevelImpl(int64_t in, int64_t out, int64_t time, Then then);

  UNetResnet first, second;
  UNetAttention attention;
  torch::nn::Conv2d down = nullptr;
  torch::nn::ConvTranspose2d up = nullptr;
};
TORCH_MODULE(UNetLevel);

class UNetFast;
class UNetCuda;

class UNetImpl : public torch::nn::Module {
 public:
  explicit UNetImpl(int64_t dim = 64);
  ~UNetImpl() override;
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                        const torch::Tensor& c_noise);

  torch::Tensor time(const torch::Tensor& c_noise);  // [B] -> [B][dim]: what the resnets are told of the level

  // Takes the weights as they are now; again after they change. kFloat, or kBFloat16; where the CPU has none
  // (has_bf16(), kernels.h) that is kFloat too.
  void prepare(torch::ScalarType type = torch::kFloat, NetWay way = NetWay::own);
  void unprepare();                                     // for comparing the two ways
  const UNetCuda* cuda() const { return cuda_.get(); }  // where it is prepared as for a GPU, else null

  // Where given, sees what each part made, named as the module is; for comparing two runs.
  std::function<void(const std::string& name, const torch::Tensor& value)> tap;

  int64_t dim;
  torch::nn::Linear mlp_in, mlp_out;
  std::vector<UNetLevel> downs, ups;
  UNetResnet mid_block1 = nullptr, mid_block2 = nullptr;
  UNetAttention mid_attn = nullptr;
  UNetBlock final_block = nullptr;
  torch::nn::Conv2d final_conv = nullptr;

 private:
  torch::Tensor seen(const std::string& name, torch::Tensor value) const;
  torch::Tensor plain(const torch::Tensor& image, const torch::Tensor& mask, const torch::Tensor& time);

  std::shared_ptr<UNetFast> fast_;
  std::shared_ptr<UNetCuda> cuda_;
};
TORCH_MODULE(UNet);

// Weights as our own loops and kernels read them.
inline torch::Tensor in_float(const torch::Tensor& weight) { return weight.detach().to(torch::kFloat).contiguous(); }

}  // namespace fastsag::model
