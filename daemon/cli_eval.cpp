// fastsag eval: how near a set of accompaniments is to the true ones.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "daemon/cli.h"
#include "daemon/eval_pairs.h"
#include "daemon/eval_report.h"
#include "daemon/sound_file.h"
#include "dsp/resampler.h"

namespace fastsag::daemon {
namespace {

struct Arguments {
  std::filesystem::path pairs, random_songs;
  std::vector<std::filesystem::path> outputs;
  model::EvaluationOptions options;
  bool json = false;
};

std::vector<float> read_all(const std::filesystem::path& file) {
  SoundReader sound(file);
  std::vector<float> samples(static_cast<size_t>(sound.samples()));
  samples.resize(sound.read(samples));
  if (sound.sample_rate() == model::kEvaluationRate) return samples;
  return dsp::resample(samples, sound.sample_rate(), model::kEvaluationRate);
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

void run(const Arguments& arguments) {
  if (arguments.options.mert.empty() && arguments.options.embedder.empty()) {
    throw UsageError("nothing to compare by: give --mert FILE, --embedder FILE, or both");
  }
  for (const auto& file : arguments.outputs) {
    if (file.extension() != ".json" && file.extension() != ".md") {
      throw UsageError("cannot tell the format of " + file.string() + "; expected a name that ends in .json or .md");
    }
  }
  std::vector<EvalPair> pairs;
  try {
    pairs = read_pairs(arguments.pairs);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  const bool elsewhere = !arguments.random_songs.empty();
  const auto random = elsewhere ? drawn_songs(songs_in(arguments.random_songs), pairs.size(), arguments.options.seed)
                                : other_songs(pairs, arguments.options.seed);
  const bool mixes = std::ranges::none_of(pairs, [](const EvalPair& pair) { return pair.vocals.empty(); });
  const auto evaluator = model::make_evaluator(arguments.options, static_cast<int64_t>(pairs.size()));
  for (size_t i = 0; i < pairs.size(); ++i) {
    const std::vector<float> vocals = mixes ? read_all(pairs[i].vocals) : std::vector<float>();
    const std::vector<float> truth = read_all(pairs[i].truth), ours = read_all(pairs[i].ours);
    // A random song in nothing but a mix needs a voice.
    const bool control = !random.empty() && (elsewhere || mixes);
    std::vector<float> other = control ? read_all(random[i]) : std::vector<float>();
    const size_t length = std::min(truth.size(), ours.size());
    while (control && other.size() < length) other.insert(other.end(), other.begin(), other.end());  // sings on
    evaluator->add({pairs[i].name, vocals, truth, ours, other, elsewhere});
    show_progress("listening", static_cast<double>(i + 1) / static_cast<double>(pairs.size()));
  }
  const auto report = evaluator->report([](double done) { show_progress("comparing", done); });
  const std::string json = to_json(report, arguments.options).dump(2) + "\n";
  const std::string markdown = to_markdown(report, arguments.options);
  for (const auto& file : arguments.outputs) write_file(file, file.extension() == ".json" ? json : markdown);
  std::fputs(arguments.json ? json.c_str() : markdown.c_str(), stdout);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  auto& options = arguments->options;
  auto* command = app.add_subcommand(
      "eval",
      "How near accompaniments are to the true ones: Frechet audio distance.\n\nPAIRS is a folder of "
      "NAME_no_vocals.EXT (the true accompaniment), NAME_ours.EXT (the one to be judged) and, where mixes are to "
      "be compared too, NAME_vocals.EXT; or a .csv or .json list with columns vocals, no_vocals, ours and "
      "perhaps name, of files relative to it. Everything is brought to 24 kHz mono and cut into windows of 10 s.");
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
                      "Accompaniments from elsewhere as RandSong; else those of the other pairs, in mixes only");
  command
      ->add_option(
          "--bootstrap", options.resamples,
          "Resamples for the interval of sets of up to " + std::to_string(model::kSmallSet) + " pairs; 0: none")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Of RandSong and the interval")->capture_default_str();
  command->add_option("--device", options.device, "cpu, cuda or cuda:N")->capture_default_str();
  command->add_option("-o,--output", arguments->outputs, "Also write there (.json or .md); may be given twice")
      ->allow_extra_args(false);
  command->add_flag("--json", arguments->json, "Print JSON in place of Markdown");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fastsag::daemon
