// fastsag render: a recording in, the recording with its accompaniment out, faster than real time.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/cli.h"
#include "daemon/durations.h"
#include "daemon/plan_file.h"
#include "daemon/render.h"
#include "daemon/sound_file.h"
#include "model/chord_reader.h"

namespace fastsag::daemon {
namespace {

struct Arguments {
  RenderOptions render;
  model::AccompanistOptions model;
  std::string mode = "delayed", style = "piano", key;
  std::filesystem::path chart, notes;
  bool json = false;
};

void show_progress(double done) {
  constexpr int kWidth = 40;
  static int shown = -1;
  const int filled = static_cast<int>(done * kWidth), percent = static_cast<int>(done * 100);
  if (percent == shown) return;
  shown = percent;
  std::fprintf(stderr, "\r[%s%s] %3d %%%s", std::string(static_cast<size_t>(filled), '#').c_str(),
               std::string(static_cast<size_t>(kWidth - filled), ' ').c_str(), percent, done >= 1 ? "\n" : "");
}

nlohmann::json to_json(const Arguments& arguments, const RenderReport& report) {
  std::vector<double> window_ms;
  Durations durations;
  for (const double window_s : report.window_s) {
    window_ms.push_back(std::round(window_s * 1e5) / 100);
    durations.add(window_s);
  }
  const auto loudness = [](double lufs) { return std::isfinite(lufs) ? nlohmann::json(lufs) : nlohmann::json(); };
  const double sample_s = 1.0 / report.room.sample_rate;
  return {{"voice", arguments.render.voice.string()},
          {"mix", arguments.render.mix.string()},
          {"preset", arguments.model.preset},
          {"mode", arguments.mode},
          {"style", arguments.style},
          {"seed", arguments.render.room.seed},
          {"sample_rate", report.room.sample_rate},
          {"voice_s", report.voice_s},
          {"wall_s", report.wall_s},
          {"real_time_factor", report.wall_s / report.voice_s},
          {"windows", report.room.windows},
          {"dropped", report.room.dropped},
          {"errors", report.room.errors},
          {"stale", report.room.stale},
          {"stale_s", static_cast<double>(report.room.stale_samples) * sample_s},
          {"gaps", report.room.gaps},
          {"gap_s", static_cast<double>(report.room.gap_samples) * sample_s},
          {"delay_ms", report.room.delay_ms},
          {"lead_ms", report.room.lead_ms},
          {"voice_lufs", loudness(report.voice_lufs)},
          {"accompaniment_lufs", loudness(report.accompaniment_lufs)},
          {"joins", report.joins.joins},
          {"join_jump", report.joins.ratio()},
          {"join_s", report.join_s},
          {"window_p50_ms", durations.percentile(0.5) * 1000},
          {"window_p95_ms", durations.percentile(0.95) * 1000},
          {"window_ms", window_ms}};
}

// Its notes that the style plays.
std::shared_ptr<const model::Plan> score_of(const std::filesystem::path& file, const std::string& style) {
  model::Plan score = load_plan(file);
  const auto left_out = std::erase_if(score.notes, [ensemble = *model::ensemble_of(style)](const model::Note& note) {
    return !model::plays(ensemble, note.channel);
  });
  if (left_out > 0)
    std::fprintf(stderr, "fastsag: style %s does not play %zu of the notes of %s: those of other channels\n",
                 style.c_str(), left_out, file.c_str());
  return std::make_shared<const model::Plan>(std::move(score));
}

void steer(Arguments& arguments) {
  if (!arguments.key.empty()) {
    arguments.render.key = model::read_key(arguments.key);
    if (!arguments.render.key)
      throw Error("--key \"" + arguments.key + "\" is no key; expected " + std::string(model::kKeysAre));
  }
  if (!arguments.chart.empty())
    arguments.render.chart = std::make_shared<const model::Chart>(model::load_chart(arguments.chart));
  if (!arguments.notes.empty()) arguments.render.room.score = score_of(arguments.notes, arguments.style);
}

void run(Arguments& arguments) {
  try {
    SoundReader probe(arguments.render.voice);
    check_sound_name(arguments.render.mix);
    if (!arguments.render.accompaniment.empty()) check_sound_name(arguments.render.accompaniment);
    steer(arguments);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  arguments.render.room.mode = *parse_mode(arguments.mode);
  arguments.render.room.reserve_s = arguments.render.room.hop_s + 0.5;
  arguments.model.threads = 1;  // the same bytes every time
  if (isatty(STDERR_FILENO) && !arguments.json) arguments.render.progress = show_progress;
  const auto accompanist = model::load_accompanist(arguments.model);
  arguments.render.style = *model::ensemble_of(arguments.style);
  try {
    model::check_style(*accompanist, arguments.render.style);
    const RenderOptions& asked = arguments.render;
    if (!accompanist->has_plan() &&
        (asked.temperature || asked.density || asked.loudness || asked.key || asked.chart || asked.room.score))
      throw Error("preset " + std::string(accompanist->preset()) + " " + std::string(model::kNeedsPlan));
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  const RenderReport report = render(*accompanist, arguments.render);
  if (arguments.json) {
    std::printf("%s\n", to_json(arguments, report).dump(2).c_str());
  } else {
    std::printf("%s: %.1f s of voice in %.1f s (%.1f times real time), %lld windows, accompaniment at %.1f LUFS\n",
                arguments.render.mix.c_str(), report.voice_s, report.wall_s, report.voice_s / report.wall_s,
                static_cast<long long>(report.room.windows), report.accompaniment_lufs);
  }
  if (report.room.errors > 0)
    throw Error("the model failed in " + std::to_string(report.room.errors) +
                " windows; the accompaniment has holes there");
}

}  // namespace

void add_render(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  auto& render = arguments->render;
  auto* command = app.add_subcommand("render", "Makes the accompaniment to a recorded voice");
  command->add_option("VOCAL", render.voice, "The recording: any sound file")->required();
  command->add_option("-o,--output", render.mix, "Voice and accompaniment together (.wav, .flac, .ogg)")->required();
  command->add_option("--accompaniment", render.accompaniment, "The accompaniment alone, also aligned to the voice");
  command->add_option("--plan", render.plan, "Chords and notes as JSON");
  command->add_option("--preset", arguments->model.preset, "The model: a preset's name or the path of a .toml file")
      ->capture_default_str();
  command->add_option("--mode", arguments->mode, "Where windows are written: behind the voice, or ahead of it")
      ->check(CLI::IsMember({"delayed", "live"}))
      ->capture_default_str();
  command->add_option("--style", arguments->style, "Who plays: piano; band (with bass and drums); strings (with a bed)")
      ->check(CLI::IsMember(std::vector<std::string>(model::kEnsembles.begin(), model::kEnsembles.end())))
      ->capture_default_str();
  command->add_option("--hop", render.room.hop_s, "Seconds a window adds")
      ->check(CLI::Range(0.2, 4.0))
      ->capture_default_str();
  command->add_option("--steps", arguments->model.steps, "Denoiser evaluations; the preset's where not given")
      ->check(CLI::Range(0, 1000));
  command->add_option("--seed", render.room.seed, "Another number, another accompaniment")->capture_default_str();
  command->add_option("--bpm", render.bpm, "The tempo, with a beat at the beginning; heard where not given")
      ->check(CLI::Range(30.0, 300.0));
  command->add_option("--temperature", render.temperature, "Of the choice of notes: 0.2 plain .. 1.5 adventurous")
      ->check(CLI::Range(0.2, 1.5));
  command->add_option("--density", render.density, "Fewer or more notes than usual: -1 .. 1")
      ->check(CLI::Range(-1.0, 1.0));
  command->add_option("--loudness", render.loudness, "Softer or louder played than usual: -1 .. 1")
      ->check(CLI::Range(-1.0, 1.0));
  command->add_option("--key", arguments->key, "A key to stay in, as F#m; heard where not given");
  command->add_option("--chart", arguments->chart,
                      "A ChordPro file with bars, whose chords are played; bar 1 is at the beginning with --bpm, else "
                      "at the first sung note");
  auto* notes = command->add_option(
      "--notes", arguments->notes,
      "Notes to play in place of the model's own: a JSON file as --plan writes it (MIDI files are not "
      "read); the style says which channels");
  for (const char* steers : {"--chart", "--key", "--bpm", "--temperature", "--density", "--loudness"})
    notes->excludes(command->get_option(steers));
  command->add_option("--device", arguments->model.device, "cpu, cuda or cuda:N")->capture_default_str();
  command->add_flag("--json", arguments->json, "Print one JSON object");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fastsag::daemon
