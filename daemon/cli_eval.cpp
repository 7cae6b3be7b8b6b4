// fastsag eval: how well a set of accompaniments fits its voices, and how near it is to the true ones.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "daemon/cli.h"
#include "daemon/eval_music.h"
#include "daemon/eval_pairs.h"
#include "daemon/eval_report.h"
#include "daemon/sound_file.h"
#include "dsp/f0.h"
#include "dsp/resampler.h"
#include "dsp/spectrogram.h"

namespace fastsag::daemon {
namespace {

struct Arguments {
  std::filesystem::path pairs, random_songs;
  std::vector<std::filesystem::path> outputs;
  model::EvaluationOptions options;
  bool json = false;
};

// Of the musical figures: means are cheap to draw anew, distances are not.
constexpr int kMusicResamples = 1000;

struct Sound {
  std::vector<float> samples;
  int sample_rate = 0;
  std::vector<float> at(int rate) const {
    return rate == sample_rate ? samples : dsp::resample(samples, sample_rate, rate);
  }
};

Sound read_all(const std::filesystem::path& file) {
  if (file.empty()) return {{}, dsp::kFigureRate};
  SoundReader sound(file);
  std::vector<float> samples(static_cast<size_t>(sound.samples()));
  samples.resize(sound.read(samples));
  return {std::move(samples), sound.sample_rate()};
}

std::vector<std::filesystem::path> songs_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> songs;
  if (!std::filesystem::is_directory(folder))
    throw UsageError(folder.string() + " is no folder; expected one of sound files");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) songs.push_back(entry.path());
  }
  if (songs.empty()) throw UsageError(folder.string() + " is empty; expected sound files");
  std::ranges::sort(songs);
  return songs;
}

// For each pair another one's accompaniment: one cycle through all in random order, so that nobody keeps their own
// (Sattolo 1986).
std::vector<std::filesystem::path> other_songs(const std::vector<EvalPair>& pairs, uint64_t seed) {
  std::vector<std::filesystem::path> songs;
  for (const EvalPair& pair : pairs) songs.push_back(pair.truth);
  if (songs.size() < 2) return {};
  std::mt19937_64 random(seed);
  for (size_t i = songs.size() - 1; i > 0; --i) std::swap(songs[i], songs[random() % i]);
  return songs;
}

std::vector<std::filesystem::path> drawn_songs(std::vector<std::filesystem::path> songs, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t i = songs.size() - 1; i > 0; --i) std::swap(songs[i], songs[random() % (i + 1)]);
  std::vector<std::filesystem::path> drawn;
  for (size_t i = 0; i < count; ++i) drawn.push_back(songs[i % songs.size()]);
  return drawn;
}

// Up to three other recordings' accompaniments, spread over the set; windows of one recording are named SONG@WINDOW.
std::vector<std::filesystem::path> partners(const std::vector<EvalPair>& pairs, size_t of) {
  const auto recording = [](const EvalPair& pair) { return pair.name.substr(0, pair.name.rfind('@')); };
  std::vector<std::filesystem::path> others, chosen;
  for (size_t k = 1; k < pairs.size(); ++k) {
    const EvalPair& other = pairs[(of + k) % pairs.size()];
    if (recording(other) != recording(pairs[of])) others.push_back(other.truth);
  }
  const size_t count = std::min<size_t>(3, others.size());
  for (size_t i = 0; i < count; ++i) chosen.push_back(others[i * others.size() / count]);
  return chosen;
}

void show_progress(const char* what, double done) {
  if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\r%s %3.0f %%%s", what, 100 * done, done >= 1 ? "\n" : "");
}

void write_file(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path partial = file.string() + ".partial";
  {
    std::ofstream out(partial);
    out << text;
    if (!out.flush()) throw Error("cannot write " + partial.string());
  }
  std::filesystem::rename(partial, file);
}

// Songs that cannot be read are left out as pairs are.
std::vector<std::filesystem::path> readable(std::vector<std::filesystem::path> songs, EvalPairs& read) {
  std::erase_if(songs, [&](const auto& song) {
    try {
      SoundReader sound(song);
      return false;
    } catch (const Error& error) {
      read.remarks.push_back({song.filename().string(), error.what()});
      return true;
    }
  });
  if (songs.empty()) throw UsageError("there is no random song that can be read");
  return songs;
}

MusicClip music_clip(const EvalPair& pair, const Sound& voice, const Sound& truth, const Sound& ours,
                     const std::vector<std::filesystem::path>& others) {
  MusicClip clip{.name = pair.name,
                 .voice = voice.at(dsp::kFigureRate),
                 .truth = truth.at(dsp::kFigureRate),
                 .ours = ours.at(dsp::kFigureRate),
                 .voice_24k = voice.at(dsp::kF0Rate)};
  for (const auto& other : others) clip.others.push_back(read_all(other).at(dsp::kFigureRate));
  const MakersReport made = makers_report(pair.ours);
  clip.joins_s = made.joins_s;
  clip.real_time_factor = made.real_time_factor;
  return clip;
}

void run(const Arguments& arguments) {
  for (const auto& file : arguments.outputs) {
    if (file.extension() != ".json" && file.extension() != ".md") {
      throw UsageError("cannot tell the format of " + file.string() + "; expected a name that ends in .json or .md");
    }
  }
  const auto& options = arguments.options;
  const bool distances = !options.mert.empty() || !options.embedder.empty();
  if (!distances && !options.vocoder.empty())
    throw UsageError("--vocoder is for Frechet distances only; expected --mert FILE or --embedder FILE with it");
  EvalPairs read;
  try {
    read = check_sounds(read_pairs(arguments.pairs));
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  const auto& pairs = read.pairs;
  const bool elsewhere = !arguments.random_songs.empty();
  const auto random = elsewhere
                          ? drawn_songs(readable(songs_in(arguments.random_songs), read), pairs.size(), options.seed)
                          : other_songs(pairs, options.seed);
  const bool mixes = std::ranges::none_of(pairs, [](const EvalPair& pair) { return pair.vocals.empty(); });
  const auto evaluator = distances ? model::make_evaluator(options, std::ssize(pairs)) : nullptr;
  MusicTable music;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Sound voice = read_all(pairs[i].vocals), truth = read_all(pairs[i].truth), ours = read_all(pairs[i].ours);
    music.add(music_clip(pairs[i], voice, truth, ours, elsewhere ? std::vector{random[i]} : partners(pairs, i)));
    if (evaluator) {
      const auto at = [](const Sound& sound) { return sound.at(model::kEvaluationRate); };
      const std::vector<float> vocals_24k = mixes ? at(voice) : std::vector<float>();
      const std::vector<float> truth_24k = at(truth), ours_24k = at(ours);
      // A random song in nothing but a mix needs a voice.
      const bool control = !random.empty() && (elsewhere || mixes);
      std::vector<float> other = control ? at(read_all(random[i])) : std::vector<float>();
      const size_t length = std::min(truth_24k.size(), ours_24k.size());
      while (control && other.size() < length) other.insert(other.end(), other.begin(), other.end());  // sings on
      evaluator->add({pairs[i].name, vocals_24k, truth_24k, ours_24k, other, elsewhere});
    }
    show_progress("listening", static_cast<double>(i + 1) / static_cast<double>(pairs.size()));
  }
  const MusicReport figures = music.report(options.resamples > 0 ? kMusicResamples : 0, options.seed);
  nlohmann::json json = {{"clips", pairs.size()}, {"seconds", figures.seconds}, {"seed", options.seed}};
  std::string markdown = to_markdown(figures);
  if (evaluator) {
    const auto report = evaluator->report([](double done) { show_progress("comparing", done); });
    json = to_json(report, options);
    markdown += "\n" + to_markdown(report, options);
  }
  json["music"] = to_json(figures);
  json["remarks"] = to_json(read.remarks);
  markdown += to_markdown(read.remarks);
  const std::string json_text = json.dump(2) + "\n";
  for (const auto& file : arguments.outputs) write_file(file, file.extension() == ".json" ? json_text : markdown);
  std::fputs(arguments.json ? json_text.c_str() : markdown.c_str(), stdout);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  auto& options = arguments->options;
  auto* command = app.add_subcommand(
      "eval",
      "How well accompaniments fit their voices (harmony, chroma, beats, noise, loudness), and with --mert or "
      "--embedder how near they are to the true ones (Frechet audio distance), beside controls.\n\nPAIRS is a folder "
      "of "
      "NAME_no_vocals.EXT (the true accompaniment), NAME_ours.EXT (the one to be judged) and, there is one, "
      "NAME_vocals.EXT; or a .csv or .json list with columns vocals, no_vocals, ours and "
      "perhaps name, of files relative to it. Pairs that cannot be compared are listed, the rest is used.");
  command->add_option("PAIRS", arguments->pairs, "A folder, or a .csv or .json list")->required();
  command->add_option("--mert", options.mert,
                      "MERT's weights, converted (mert.safetensors): layers 4, 7, 11 and their mean");
  command->add_option(
      "--embedder", options.embedder,
      "A TorchScript module: forward(audio [1][N]) -> [frames][dims]; its attribute sample_rate says at which rate");
  command->add_option("--embedder-rate", options.embedder_rate, "The rate where the embedder does not say")
      ->check(CLI::Range(1000.0, 384000.0));
  command->add_option("--vocoder", options.vocoder,
                      "BigVGAN's weights, converted (bigvgan.safetensors): true accompaniments go through it first");
  command->add_option("--random-songs", arguments->random_songs,
                      "Accompaniments from elsewhere as another song's; else those of the other pairs");
  command
      ->add_option("--bootstrap", options.resamples,
                   "Resamples for the intervals of distances, of sets of up to " + std::to_string(model::kSmallSet) +
                       " pairs; 0: no intervals at all")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Of random songs and intervals")->capture_default_str();
  command->add_option("--device", options.device, "cpu, cuda or cuda:N")->capture_default_str();
  command->add_option("-o,--output", arguments->outputs, "Also write there (.json or .md); may be given twice")
      ->allow_extra_args(false);
  command->add_flag("--json", arguments->json, "Print JSON in place of Markdown");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fastsag::daemon
