#pragma once
// What turns a sound into frames of features to be compared: MERT at three layers, or any TorchScript module.
//
// Threads: one thread an object. Shapes/units: audio mono at sample_rate(); one [frames][dims] for each of names().
// Errors: fastsag::Error for files that are not what is expected, and for embedders that break their contract.
#include <torch/torch.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fastsag::model {

class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual double sample_rate() const = 0;
  virtual const std::vector<std::string>& names() const = 0;
  virtual std::vector<torch::Tensor> embed(std::span<const float> audio) = 0;
};

// Layers 4, 7 and 11 of MERT-v1-95M; audio is brought to mean 0 and variance 1, as MERT's own preprocessing does.
// `file` as tools/convert_checkpoint writes it.
std::unique_ptr<Embedder> load_mert_embedder(const std::filesystem::path& file, const std::string& device);

// A TorchScript module: forward(audio [1][N] float) -> [frames][dims] (or [dims], one frame), at the rate of its
// attribute `sample_rate`, which `sample_rate` here replaces where it is not 0.
std::unique_ptr<Embedder> load_script_embedder(const std::filesystem::path& file, double sample_rate,
                                               const std::string& device);

}  // namespace fastsag::model
