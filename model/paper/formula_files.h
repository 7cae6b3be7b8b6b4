#pragma once
// Weights by formula (formula.h) in place of files that are not there, for who wants to know how long a preset of the
// paper's form takes, whose weights are their authors'. 1.6 GB at the published size, in the system's folder for
// temporary files.
//
// Errors: fastsag::Error where they cannot be written.
#include <filesystem>
#include <string>

#include "model/preset.h"

namespace fastsag::model {

class FormulaFiles {
 public:
  // `preset` names them from now on; they go with this object.
  explicit FormulaFiles(Preset& preset);
  ~FormulaFiles();
  FormulaFiles(const FormulaFiles&) = delete;
  FormulaFiles& operator=(const FormulaFiles&) = delete;

  const std::string& origin() const { return origin_; }  // of all weights, for a person

 private:
  std::filesystem::path folder_;  // empty: none was needed
  std::string origin_;
};

}  // namespace fastsag::model
