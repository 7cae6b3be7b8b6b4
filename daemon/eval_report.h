#pragma once
// What `fastsag eval` measured, for people (Markdown) and for programs (JSON).
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/evaluate.h"

namespace fastsag::daemon {

nlohmann::json to_json(const model::EvaluationReport& report, const model::EvaluationOptions& options);
std::string to_markdown(const model::EvaluationReport& report, const model::EvaluationOptions& options);

}  // namespace fastsag::daemon
