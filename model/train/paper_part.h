#pragma once
// FastSAG of the paper's form in training: semantic WaveNet, prior WaveNet, U-Net (and the Perceiver) as one part,
// whose three losses are summed, with the published recipe as its own options.
//
// Its released tensors have the published names, so model/paper/accompanist.h loads the file as it is. The network's
// sizes, front end and condition are those of the preset that the recipe names: what is trained is what will run.
// Source: REFERENCE.md sections 9 and 10.
#include <optional>

#include "model/paper/front_end.h"
#include "model/train/paper_examples.h"
#include "model/train/part.h"
#include "model/train/prefetch.h"
#include "model/train/train_config.h"

namespace fastsag::model {

// The published state dict: semantic_encoder.*, mixed_encoder.*, decoder.estimator.*.
class PaperNetImpl : public torch::nn::Module {
 public:
  explicit PaperNetImpl(const PaperSizes& sizes);
  Condition condition;
  UNet unet;
};
TORCH_MODULE(PaperNet);

class PaperPart : public Part {
 public:
  PaperPart(const std::filesystem::path& corpus, const PaperRecipe& recipe, int64_t batch = 28);
  std::string name() const override { return "paper"; }
  std::string prefix() const override { return ""; }
  torch::nn::Module& module() override { return *net_; }
  PaperNet net() { return net_; }
  PartOptions options() const override;
  int64_t batch() const override { return batch_; }
  int64_t pieces() const override { return (batch_ + at_once_ - 1) / at_once_; }
  std::vector<std::string> clipped() const override { return {"mixed_encoder.", "decoder."}; }
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  std::map<std::string, double> validate() override;

 private:
  PaperExamples draw(const BatchKey& key) const;
  PaperLosses losses(PaperExamples examples);

  StemCorpus corpus_;
  Preset preset_;
  PaperTask task_;
  int64_t batch_, at_once_;
  PaperNet net_;
  std::unique_ptr<FrontEnd> network_;  // where features come from a network: made when the device is known
  PaperExamples now_, held_out_;       // the batch whose pieces are asked for; what is validated on
  Prefetch<PaperExamples> coming_;     // the last member: its threads use the others
};

}  // namespace fastsag::model
