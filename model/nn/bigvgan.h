#pragma once
// BigVGAN, the paper's vocoder: a mel becomes sound through six stages of upsampling and residual blocks. Inference
// only: weights are folded (no weight norm), parameter names are those of the published generator.
//
// prepare() gives it a faster way through the same numbers (bigvgan_fast.h; on a GPU bigvgan_cuda.h), which forward()
// takes from then on wherever no gradient is asked for.
//
// Shapes/units: mel [B][100][T], natural log (not normalised) -> audio [B][1][256 T] in [-1, 1].
// Source: Lee et al. 2023 (BigVGAN); REFERENCE.md section 11.
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/nn/snake.h"
#include "model/nn/way.h"

namespace fastsag::model {

struct BigVganSizes {
  int64_t bands = 100;
  int64_t channels = 1536;                          // halved by every stage
  std::vector<int64_t> rates = {4, 4, 2, 2, 2, 2};  // kernels are twice that
  std::vector<int64_t> block_kernels = {3, 7, 11}, dilations = {1, 3, 5};
};

enum class BigVganVersion {
  v1,  // "bigvgan_24khz_100band", the paper's: final bias, tanh
  v2,  // "bigvgan_v2_24khz_100band_256x": neither; clamped to [-1, 1]
};

// For each dilation: x += conv2(act2(conv1(act1(x)))).
class AmpBlockImpl : public torch::nn::Module {
 public:
  AmpBlockImpl(int64_t channels, int64_t kernel, const std::vector<int64_t>& dilations);
  torch::Tensor forward(torch::Tensor x);

  std::vector<torch::nn::Conv1d> convs1, convs2;
  std::vector<SnakeActivation> activations;  // two for each dilation
};
TORCH_MODULE(AmpBlock);

class BigVganFast;
class BigVganCuda;

class BigVganImpl : public torch::nn::Module {
 public:
  explicit BigVganImpl(BigVganVersion version = BigVganVersion::v1, BigVganSizes sizes = {});
  ~BigVganImpl() override;
  torch::Tensor forward(const torch::Tensor& mel);

  // Frames [first, first + frames) of forward(mel), computed from no more of the mel than they depend on.
  torch::Tensor render(const torch::Tensor& mel, int64_t first, int64_t frames);
  int64_t reach() const;  // frames on either side that a frame of sound depends on
  int64_t hop() const;    // samples a frame

  // Takes the weights as they are now; again after they change. kFloat, or kBFloat16; where the CPU has none
  // (has_bf16(), kernels.h) that is kFloat too.
  void prepare(torch::ScalarType type = torch::kFloat, NetWay way = NetWay::own);
  void unprepare();  // for comparing the two ways

  // Where given, sees what each part made, named as the module is; for comparing two runs.
  std::function<void(const std::string& name, const torch::Tensor& value)> tap;

  BigVganVersion version;
  BigVganSizes sizes;
  torch::nn::Conv1d conv_pre, conv_post = nullptr;
  std::vector<torch::nn::ConvTranspose1d> ups;
  std::vector<AmpBlock> blocks;  // block_kernels.size() a stage
  SnakeActivation activation_post = nullptr;

 private:
  torch::Tensor seen(const std::string& name, torch::Tensor value) const;
  torch::Tensor plain(const torch::Tensor& mel);

  std::shared_ptr<BigVganFast> fast_;
  std::shared_ptr<BigVganCuda> cuda_;
};
TORCH_MODULE(BigVgan);

}  // namespace fastsag::model
