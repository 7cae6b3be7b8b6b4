#include "model/eval/embedder.h"

#include <torch/script.h>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "model/paper/published.h"

namespace fastsag::model {
namespace {

constexpr int64_t kLayers[] = {4, 7, 11};

torch::Tensor batch_of_one(std::span<const float> audio) {
  torch::Tensor tensor = torch::empty({1, static_cast<int64_t>(audio.size())});
  std::copy(audio.begin(), audio.end(), tensor.data_ptr<float>());
  return tensor;
}

class MertEmbedder final : public Embedder {
 public:
  MertEmbedder(const std::filesystem::path& file, const std::string& device) : device_(device) {
    for (const int64_t layer : kLayers) names_.push_back("MERT layer " + std::to_string(layer));
    mert_ = load_mert(file, kLayers[std::size(kLayers) - 1]);
    mert_->to(device_);
  }

  double sample_rate() const override { return dsp::kMelSampleRate; }
  const std::vector<std::string>& names() const override { return names_; }

  std::vector<torch::Tensor> embed(std::span<const float> audio) override {
    const torch::InferenceMode no_grad;
    torch::Tensor x = batch_of_one(audio).to(device_);
    x = (x - x.mean()) / (x.var(false) + 1e-7).sqrt();
    const std::vector<torch::Tensor> states = mert_->forward(x);
    std::vector<torch::Tensor> features;
    for (const int64_t layer : kLayers) features.push_back(states.at(static_cast<size_t>(layer))[0].cpu());
    return features;
  }

 private:
  torch::Device device_;
  std::vector<std::string> names_;
  Mert mert_{nullptr};
};

class ScriptEmbedder final : public Embedder {
 public:
  ScriptEmbedder(const std::filesystem::path& file, double rate, const std::string& device)
      : file_(file), rate_(rate), device_(device) {
    if (!std::filesystem::is_regular_file(file)) throw Error("no such file: " + file.string());
    try {
      module_ = torch::jit::load(file.string(), device_);
    } catch (const c10::Error&) {
      throw Error(file.string() +
                  " is no TorchScript module that can be loaded; make one with torch.jit.script(module).save(" +
                  file.filename().string() + ")");
    }
    module_.eval();
    if (rate_ == 0 && module_.hasattr("sample_rate")) rate_ = module_.attr("sample_rate").toScalar().toDouble();
    if (!(rate_ >= 1000 && rate_ <= 384000)) {
      throw Error(file.string() +
                  " does not say which sample rate it wants (attribute sample_rate); give --embedder-rate");
    }
    names_ = {file.stem().string()};
  }

  double sample_rate() const override { return rate_; }
  const std::vector<std::string>& names() const override { return names_; }

  std::vector<torch::Tensor> embed(std::span<const float> audio) override {
    const torch::InferenceMode no_grad;
    c10::IValue made;
    try {
      made = module_.forward({batch_of_one(audio).to(device_)});
    } catch (const std::exception& error) {
      const std::string words = error.what();
      throw Error(file_.string() + " failed on " + std::to_string(audio.size()) + " samples: " + words.substr(0, 400));
    }
    if (!made.isTensor()) refuse("a " + made.tagKind());
    torch::Tensor features = made.toTensor().detach().to(torch::kCPU, torch::kFloat32);
    if (features.dim() == 1) features = features.unsqueeze(0);
    if (features.dim() != 2) refuse("a tensor of " + std::to_string(features.dim()) + " dimensions");
    return {features};
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(file_.string() + " gave " + what + "; expected forward(audio [1][N]) -> [frames][dims]");
  }

  std::filesystem::path file_;
  double rate_;
  torch::Device device_;
  torch::jit::Module module_;
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Embedder> load_mert_embedder(const std::filesystem::path& file, const std::string& device) {
  return std::make_unique<MertEmbedder>(file, device);
}

std::unique_ptr<Embedder> load_script_embedder(const std::filesystem::path& file, double sample_rate,
                                               const std::string& device) {
  return std::make_unique<ScriptEmbedder>(file, sample_rate, device);
}

}  // namespace fastsag::model
