#include "model/nn/note_generator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "model/lite/chance.h"

namespace fastsag::model {
namespace {

using torch::Tensor;
namespace nn = torch::nn;

Tensor turn(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  const auto halves = x.chunk(2, -1);
  return torch::cat({halves[0] * cosine - halves[1] * sine, halves[0] * sine + halves[1] * cosine}, -1);
}

// Cosine and sine [batch, 1, tokens, half] of the turn that belongs to each token's step.
std::pair<Tensor, Tensor> rope(const Tensor& step, int64_t half) {
  const Tensor rate = torch::tensor(rope_rates(half));
  const Tensor angle = (step.to(torch::kFloat).unsqueeze(-1) * rate.to(step.device())).unsqueeze(1);
  return {angle.cos(), angle.sin()};
}

// A note that would double what is sung now or within a beat: 20 validation windows, 2 seeds: dbl .04 -> .025, cons3_x
// .355 -> .345; twice the penalty cost more harmony (.32) than it brought (.02).
constexpr int kDoublingSteps = 4;
constexpr float kDoublingPenalty = 1.2f;  // nats
// Onsets between the 8ths are made rarer, in nats: on a grid that was only heard, and without bars, too many of them
// hide where the beat is (beatF of 4 runs .43 -> .52; more onsets on the beat did nothing).
constexpr float kBetweenEighths = 1.5f;

// Draws from softmax(logits / temperature), the unlikely tail beyond top_p left out. -infinity is never drawn.
int draw(std::span<float> logits, const SamplingOptions& options, Chance& chance) {
  std::array<int, kIntervals + 1> all;
  size_t possible = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > -std::numeric_limits<float>::infinity()) all[possible++] = static_cast<int>(i);
  const auto order = std::span(all).first(possible);
  const auto value = [&](int i) { return logits[static_cast<size_t>(i)]; };
  std::ranges::sort(order, [&](int a, int b) { return value(a) != value(b) ? value(a) > value(b) : a < b; });
  double sum = 0;
  const float highest = value(order.front());
  for (const int i : order)
    sum += logits[static_cast<size_t>(i)] = std::exp((value(i) - highest) / std::max(options.temperature, 1e-3f));
  double kept = 0;
  size_t count = 0;
  while (count < order.size() && kept < options.top_p * sum) kept += value(order[count++]);
  double left = chance.uniform() * kept;
  for (size_t i = 0; i < count; ++i)
    if ((left -= value(order[i])) < 0) return order[i];
  return order[count - 1];
}

int root_at(std::span<const StepChord> chords, int step) { return chords[static_cast<size_t>(step)].root; }

}  // namespace

dsp::Pooled<NoteToken> note_sequence(std::span<const ScoreNote> score, std::span<const StepChord> chords, int begin,
                                     int end) {
  dsp::Pooled<NoteToken> tokens;
  auto note = std::ranges::lower_bound(score, begin, {}, &ScoreNote::step);
  for (int step = begin; step < end; ++step) {
    tokens.push_back({step, kEndOfStep});
    for (; note != score.end() && note->step == step; ++note)
      tokens.push_back(
          {step, interval_class(note->pitch, root_at(chords, step)), note->pitch - 20, note->length, note->velocity});
  }
  return tokens;
}

NoteTokens tensors_of(std::span<const NoteToken> tokens) {
  const auto row = [tokens](int NoteToken::*field) {
    std::vector<int64_t> values;
    for (const NoteToken& token : tokens) values.push_back(token.*field);
    return torch::tensor(values, torch::kLong).unsqueeze(0);
  };
  return {row(&NoteToken::step), row(&NoteToken::interval), row(&NoteToken::pitch), row(&NoteToken::length),
          row(&NoteToken::velocity)};
}

NoteTokens note_tokens(std::span<const ScoreNote> score, std::span<const StepChord> chords, int begin, int end) {
  return tensors_of(note_sequence(score, chords, begin, end));
}

NoteLayerImpl::NoteLayerImpl(const NoteGeneratorOptions& options) : heads_(options.heads) {
  const int64_t d = options.width;
  norm_attention_ = register_module("norm_attention", nn::LayerNorm(nn::LayerNormOptions({d})));
  norm_feed_ = register_module("norm_feed", nn::LayerNorm(nn::LayerNormOptions({d})));
  qkv_ = register_module("qkv", nn::Linear(d, 3 * d));
  join_ = register_module("join", nn::Linear(d, d));
  wide_ = register_module("wide", nn::Linear(d, 4 * d));
  narrow_ = register_module("narrow", nn::Linear(4 * d, d));
}

Tensor NoteLayerImpl::forward(const Tensor& input, const Tensor& mask, const Tensor& cosine, const Tensor& sine,
                              Tensor* keys, Tensor* values, int64_t cached) {
  const auto batch = input.size(0), tokens = input.size(1), d = input.size(2), part = d / heads_;
  const auto qkv =
      qkv_->forward(norm_attention_->forward(input)).view({batch, tokens, 3, heads_, part}).permute({2, 0, 3, 1, 4});
  const Tensor q = turn(qkv[0], cosine, sine);
  Tensor k = turn(qkv[1], cosine, sine), v = qkv[2];
  if (keys) {
    keys->narrow(2, cached, tokens).copy_(k);
    values->narrow(2, cached, tokens).copy_(v);
    k = keys->narrow(2, 0, cached + tokens);
    v = values->narrow(2, 0, cached + tokens);
  }
  const Tensor scores = torch::matmul(q * (1 / std::sqrt(static_cast<double>(part))), k.transpose(-2, -1)) + mask;
  const Tensor attended = torch::matmul(torch::softmax(scores, -1), v.to(scores.scalar_type()));
  const Tensor x = input + join_->forward(attended.transpose(1, 2).reshape({batch, tokens, d}));
  return x + narrow_->forward(torch::gelu(wide_->forward(norm_feed_->forward(x))));
}

NoteGeneratorImpl::NoteGeneratorImpl(const NoteGeneratorOptions& options) : options_(options) {
  const int64_t d = options.width;
  enter_ = register_module("enter", nn::Linear(kNoteConditions, d));
  near_ = register_module("near", nn::Conv1d(nn::Conv1dOptions(d, d, 5).padding(2)));
  far_ = register_module("far", nn::Conv1d(nn::Conv1dOptions(d, d, 5).padding(2)));
  const auto embedding = [&](const char* name, int64_t count, int64_t width, double spread) {
    auto table = register_module(name, nn::Embedding(count, width));
    torch::NoGradGuard no_grad;
    table->weight.normal_(0, spread);
    return table;
  };
  interval_ = embedding("interval", kIntervals + 1, d, 0.3);
  pitch_ = embedding("pitch", kHighestPitch - kLowestPitch + 2, d, 0.3);
  length_ = embedding("length", static_cast<int64_t>(kLengths.size()), d, 0.3);
  velocity_ = embedding("velocity", kVelocities, d, 0.3);
  chosen_ = embedding("chosen", kIntervals + 1, d, 0.3);
  distance_ = embedding("distance", kWindowSteps + 1, options.heads, 0.02);
  layers_ = register_module("layers", nn::ModuleList());
  for (int64_t i = 0; i < options.layers; ++i) layers_->push_back(NoteLayer(options));
  norm_ = register_module("norm", nn::LayerNorm(nn::LayerNormOptions({d})));
  to_interval_ = register_module("to_interval", nn::Linear(d, kIntervals + 1));
  to_length_ = register_module("to_length", nn::Linear(d, static_cast<int64_t>(kLengths.size())));
  to_velocity_ = register_module("to_velocity", nn::Linear(d, kVelocities));
}

Tensor NoteGeneratorImpl::condition(const Tensor& conditions) {
  Tensor x = torch::silu(enter_->forward(conditions)).transpose(1, 2);
  x = x + torch::silu(near_->forward(x));
  x = x + torch::silu(far_->forward(x));
  return x.transpose(1, 2);
}

Tensor NoteGeneratorImpl::embed(const Tensor& conditions, const NoteTokens& tokens) {
  const Tensor index = tokens.step.unsqueeze(-1).expand({-1, -1, conditions.size(2)});
  return conditions.gather(1, index) + interval_->forward(tokens.interval) + pitch_->forward(tokens.pitch) +
         length_->forward(tokens.length) + velocity_->forward(tokens.velocity);
}

NoteLogits NoteGeneratorImpl::forward(const Tensor& conditions, const NoteTokens& tokens, const Tensor& chosen) {
  const auto count = tokens.step.size(1);
  Tensor x = embed(condition(conditions), tokens);
  const auto [cosine, sine] = rope(tokens.step, options_.width / options_.heads / 2);
  const Tensor apart = (tokens.step.unsqueeze(2) - tokens.step.unsqueeze(1)).clamp(0, kWindowSteps);
  const Tensor later = torch::ones({count, count}, x.options().dtype(torch::kBool)).triu(1);
  const Tensor mask = distance_->forward(apart).permute({0, 3, 1, 2}).masked_fill(later, -1e9);
  for (const auto& layer : *layers_) x = layer->as<NoteLayer>()->forward(x, mask, cosine, sine, nullptr, nullptr, 0);
  const Tensor h = norm_->forward(x), of_note = h + chosen_->forward(chosen);
  return {to_interval_->forward(h), to_length_->forward(of_note), to_velocity_->forward(of_note)};
}

// The net's state after the last of these tokens; all of them are remembered in the cache.
Tensor NoteGeneratorImpl::hidden(NoteCache& cache, const NoteTokens& tokens) {
  const int64_t count = tokens.step.size(1), all = cache.size + count;
  Tensor x = embed(cache.conditions, tokens);
  const auto [cosine, sine] = rope(tokens.step, options_.width / options_.heads / 2);
  cache.step.narrow(0, cache.size, count).copy_(tokens.step[0]);
  const Tensor apart = (tokens.step[0].unsqueeze(1) - cache.step.narrow(0, 0, all).unsqueeze(0)).clamp(0, kWindowSteps);
  Tensor mask = distance_->forward(apart).permute({2, 0, 1}).unsqueeze(0);
  if (count > 1)
    mask = mask.masked_fill(torch::ones({count, all}, x.options().dtype(torch::kBool)).triu(cache.size + 1), -1e9);
  for (size_t i = 0; i < layers_->size(); ++i)
    x = layers_->ptr<NoteLayerImpl>(i)->forward(x, mask, cosine, sine, &cache.keys[i], &cache.values[i], cache.size);
  cache.size = all;
  return norm_->forward(x.narrow(1, count - 1, 1))[0][0];
}

class NoteGeneratorImpl::PlainReader final : public NoteReader {
 public:
  explicit PlainReader(NoteGeneratorImpl& net) : net_(net), device_(net.enter_->weight.device()) {}

  void begin(std::span<const float> conditions, int64_t tokens) override {
    const Tensor rows =
        torch::tensor(std::vector<float>(conditions.begin(), conditions.end())).view({1, -1, kNoteConditions});
    cache_.conditions = net_.condition(rows.to(device_));
    cache_.step = torch::zeros({tokens}, torch::dtype(torch::kLong).device(device_));
    const int64_t heads = net_.options_.heads, part = net_.options_.width / heads;
    for (int64_t i = 0; i < net_.options_.layers; ++i)
      for (auto* store : {&cache_.keys, &cache_.values})
        store->push_back(torch::empty({1, heads, tokens, part}, torch::device(device_)));
  }
  void read(std::span<const NoteToken> tokens) override {
    const NoteTokens t = tensors_of(tokens);
    state_ = net_.hidden(cache_, {t.step.to(device_), t.interval.to(device_), t.pitch.to(device_), t.length.to(device_),
                                  t.velocity.to(device_)});
  }
  std::span<float> intervals() override { return logits_ = floats_of(net_.to_interval_(state_)); }
  std::span<float> lengths(int interval) override { return logits_ = floats_of(net_.to_length_(of_note(interval))); }
  std::span<float> velocities(int interval) override {
    return logits_ = floats_of(net_.to_velocity_(of_note(interval)));
  }

 private:
  Tensor of_note(int interval) { return state_ + net_.chosen_->weight[interval]; }

  NoteGeneratorImpl& net_;
  torch::Device device_;
  NoteCache cache_;
  Tensor state_;
  std::vector<float> logits_;
};

void NoteGeneratorImpl::prepare(Precision precision) {
  NoteWeights weights{options_.heads,
                      enter_,
                      near_,
                      far_,
                      interval_->weight,
                      pitch_->weight,
                      length_->weight,
                      velocity_->weight,
                      chosen_->weight,
                      distance_->weight,
                      {},
                      norm_,
                      to_interval_,
                      to_length_,
                      to_velocity_};
  for (const auto& layer : *layers_) weights.layers.push_back(layer->as<NoteLayer>()->weights());
  packed_ = std::make_shared<PackedNotes>(weights, precision);
}

dsp::Pooled<ScoreNote> NoteGeneratorImpl::sample(std::span<const float> conditions, std::span<const StepChord> chords,
                                                 std::span<const ScoreNote> prefix, int prefix_begin, int begin,
                                                 int end, std::span<const int64_t> positions,
                                                 const SamplingOptions& options, std::span<const int> sung,
                                                 std::span<const uint16_t> allowed) {
  torch::InferenceMode inference;
  std::optional<PlainReader> plain;
  PackedNotes::Loan packed;
  if (packed_) packed = packed_->lend();
  NoteReader& reader = packed ? *packed : plain.emplace(*this);
  reader.begin(conditions, std::ssize(prefix) + (begin - prefix_begin) + (end - begin) * (kNotesPerStep + 1));
  dsp::Pooled<ScoreNote> out;
  for (int step = begin; step < end; ++step) {
    const int root = root_at(chords, step);
    const auto first = step == begin ? prefix_begin : step;
    reader.read(note_sequence(prefix, chords, first, step + 1));
    int lowest = std::max(0, interval_class(kLowestPitch, root));
    const int highest = interval_class(kHighestPitch, root);
    const unsigned classes = allowed.empty() ? 0xfff : allowed[static_cast<size_t>(step)];
    for (int number = 0; number < kNotesPerStep; ++number) {
      Chance chance(
          {options.seed, static_cast<uint64_t>(positions[static_cast<size_t>(step)]), static_cast<uint64_t>(number)});
      const std::span<float> logits = reader.intervals();
      for (int i = 0; i < kIntervals; ++i)
        if (i < lowest || i > highest || !(classes >> (i + 10 + root) % 12 & 1))
          logits[static_cast<size_t>(i)] = -std::numeric_limits<float>::infinity();
      for (int soon = step; soon < std::min<int>(step + kDoublingSteps, static_cast<int>(sung.size())); ++soon) {
        const int pitch = sung[static_cast<size_t>(soon)], told = soon > step ? sung[static_cast<size_t>(soon) - 1] : 0;
        const int interval = interval_class(pitch, root);
        if (pitch > 0 && pitch != told && interval >= 0 && interval < kIntervals)
          logits[static_cast<size_t>(interval)] -= kDoublingPenalty;
      }
      if (number == 0 && step % 2 == 1) logits[kEndOfStep] += kBetweenEighths;
      const int interval = draw(logits, options, chance);
      if (interval == kEndOfStep) break;
      ScoreNote note{step, interval + 10 + root, 0, 0};
      note.length = draw(reader.lengths(interval), options, chance);
      note.velocity = draw(reader.velocities(interval), options, chance);
      out.push_back(note);
      lowest = interval + 1;
      const NoteToken written{step, interval, note.pitch - 20, note.length, note.velocity};
      reader.read({&written, 1});
    }
  }
  return out;
}

}  // namespace fastsag::model
