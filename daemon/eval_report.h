#pragma once
// What `fastsag eval` measured, for people (Markdown) and for programs (JSON).
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "daemon/eval_music.h"
#include "daemon/eval_pairs.h"
#include "model/evaluate.h"

namespace fastsag::daemon {

nlohmann::json to_json(const model::EvaluationReport& report, const model::EvaluationOptions& options);
std::string to_markdown(const model::EvaluationReport& report, const model::EvaluationOptions& options);

nlohmann::json to_json(const MusicReport& report);
std::string to_markdown(const MusicReport& report);

nlohmann::json to_json(std::span<const EvalRemark> remarks);
std::string to_markdown(std::span<const EvalRemark> remarks);  // a list; empty where there are none

}  // namespace fastsag::daemon
