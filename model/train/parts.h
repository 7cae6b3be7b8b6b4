#pragma once
// The parts by name, the lite model's and the paper's: the one place that knows them all.
#include <memory>
#include <string>
#include <vector>

#include "model/train/corpus.h"
#include "model/train/part.h"
#include "model/train/train_config.h"

namespace fastsag::model {

std::vector<std::string> part_names();
// The parts that the configuration names, in that order. Throws fastsag::Error where the corpus lacks what one needs.
std::vector<std::unique_ptr<Part>> make_parts(const TrainConfig& config, const std::vector<Corpus>& corpora);

}  // namespace fastsag::model
