#include "model/nn/note_reader.h"

#include <algorithm>
#include <cmath>

#include "dsp/variants.h"
#include "model/lite/steps.h"
#include "model/nn/temporal_fast.h"

namespace fastsag::model {
namespace {

constexpr int64_t kReach = 2;                                        // of convolutions over five steps
constexpr int64_t kMostTokens = kWindowSteps * (kNotesPerStep + 1);  // of a window

// out[j] = table[how many steps j lies before `step`].
FASTSAG_VARIANTS void look_up(const float* table, const int* steps, int step, int64_t count, float* out) {
  for (int64_t j = 0; j < count; ++j) {
    const int apart = step - steps[j];
    out[j] = table[apart < 0 ? 0 : apart];
  }
}

}  // namespace

struct PackedNotes::Weights {
  struct Layer {
    Norm norm_attention, norm_feed;
    Dense qkv, join, wide, narrow;
  };

  Weights(const NoteWeights& w, Precision precision)
      : width(w.enter->weight.size(0)),
        heads(w.heads),
        part(width / heads),
        enter(w.enter, precision),
        near(w.near, precision),
        far(w.far, precision),
        interval(floats_of(w.interval)),
        pitch(floats_of(w.pitch)),
        length(floats_of(w.length)),
        velocity(floats_of(w.velocity)),
        chosen(floats_of(w.chosen)),
        distance(floats_of(w.distance.t())),
        norm(w.norm),
        to_interval(w.to_interval, precision),
        to_length(w.to_length, precision),
        to_velocity(w.to_velocity, precision) {
    for (const auto& layer : w.layers)
      layers.push_back({Norm(layer.norm_attention), Norm(layer.norm_feed), Dense(layer.qkv, precision),
                        Dense(layer.join, precision), Dense(layer.wide, precision), Dense(layer.narrow, precision)});
    const std::vector<float> rates = rope_rates(part / 2);
    for (int step = 0; step < kWindowSteps; ++step)
      for (const float rate : rates) {
        cosines.push_back(std::cos(static_cast<float>(step) * rate));
        sines.push_back(std::sin(static_cast<float>(step) * rate));
      }
  }

  int64_t width, heads, part;
  Dense enter, near, far;
  std::vector<float> interval, pitch, length, velocity, chosen;  // [..][width]
  std::vector<float> distance;                                   // [heads][steps + 1]
  std::vector<Layer> layers;
  Norm norm;
  Dense to_interval, to_length, to_velocity;
  std::vector<float> cosines, sines;  // [step][part / 2]
};

class PackedNotes::Reader final : public NoteReader {
 public:
  explicit Reader(const Weights& weights)
      : w_(weights), width_(weights.width), part_(weights.part), memory_(weights.layers.size()) {
    state_.resize(static_cast<size_t>(width_));
    // Reads the most that there can be, so that no window has to make room.
    begin(std::vector<float>(kWindowSteps * kNoteConditions), kMostTokens);
    read(std::vector<NoteToken>(kMostTokens));
    logits_.resize(
        static_cast<size_t>(std::max({w_.to_interval.outputs(), w_.to_length.outputs(), w_.to_velocity.outputs()})));
  }

  void begin(std::span<const float> conditions, int64_t tokens) override {
    workspace_.reset();
    const int64_t steps = std::ssize(conditions) / kNoteConditions;
    conditions_.resize(static_cast<size_t>(steps * width_));
    const Margined x(workspace_, steps, width_, kReach);
    w_.enter(workspace_, conditions, x.inner, Then::silu);
    std::ranges::copy(x.inner, conditions_.begin());
    const Dense::Rows seen{x.all.data(), steps, width_, width_};
    w_.near(workspace_, seen, conditions_.data(), width_, Then::add_silu);
    std::ranges::copy(conditions_, x.inner.begin());
    w_.far(workspace_, seen, conditions_.data(), width_, Then::add_silu);
    steps_.clear();
    room_ = whole_blocks(tokens);
    for (Memory& layer : memory_) {
      layer.keys.resize(static_cast<size_t>(room_ * width_));
      layer.values.resize(static_cast<size_t>(room_ * width_));
    }
  }

  void read(std::span<const NoteToken> tokens) override {
    for (; std::ssize(tokens) > kAtOnce; tokens = tokens.subspan(kAtOnce)) read_part(tokens.first(kAtOnce));
    read_part(tokens);
  }

  std::span<float> intervals() override { return said(w_.to_interval, state_); }
  std::span<float> lengths(int interval) override { return said(w_.to_length, of_note(interval)); }
  std::span<float> velocities(int interval) override { return said(w_.to_velocity, of_note(interval)); }

 private:
  // Of a long past so many at a time, whose numbers stay in the cache; of whole tiles, so that they are the same
  // numbers.
  static constexpr int64_t kAtOnce = 16 * kQueryTile;

  void read_part(std::span<const NoteToken> tokens) {
    workspace_.reset();
    const int64_t count = std::ssize(tokens), before = std::ssize(steps_);
    const auto x = workspace_.floats(count * width_);
    for (int64_t t = 0; t < count; ++t) embed(tokens[static_cast<size_t>(t)], x.data() + t * width_);
    for (const NoteToken& token : tokens) steps_.push_back(token.step);
    for (size_t i = 0; i < memory_.size(); ++i) forward(w_.layers[i], memory_[i], x, before);
    w_.norm(x.last(static_cast<size_t>(width_)), state_);
  }

  struct Memory {
    std::vector<float> keys, values;  // [head] as AttentionArgs has them, [room][width]
  };

  void embed(const NoteToken& token, float* x) const {
    std::copy_n(conditions_.data() + token.step * width_, width_, x);
    const auto add = [&](const std::vector<float>& table, int row) {
      row_loops().add_row(x, table.data() + row * width_, 1, width_);
    };
    add(w_.interval, token.interval);
    add(w_.pitch, token.pitch);
    add(w_.length, token.length);
    add(w_.velocity, token.velocity);
  }

  // Queries or keys of all heads, turned by their step.
  void turn(float* x, int step) const {
    const int64_t half = part_ / 2;
    const float *const cosine = w_.cosines.data() + step * half, *const sine = w_.sines.data() + step * half;
    for (float *near = x, *far = x + half; near < x + width_; near += part_, far += part_)
      for (int64_t i = 0; i < half; ++i) {
        const float turned = near[i] * cosine[i] - far[i] * sine[i];
        far[i] = near[i] * sine[i] + far[i] * cosine[i];
        near[i] = turned;
      }
  }

  void forward(const Weights::Layer& layer, Memory& memory, std::span<float> x, int64_t before) {
    const Workspace::Scope scope(workspace_);
    const int64_t count = std::ssize(x) / width_;
    const auto normed = workspace_.floats(count * width_), qkv = workspace_.floats(count * 3 * width_);
    const auto seen = workspace_.floats(count * width_);
    layer.norm_attention(x, normed);
    layer.qkv(workspace_, normed, qkv);
    for (int64_t t = 0; t < count; ++t) {
      const int64_t token = before + t;
      float* const own = qkv.data() + t * 3 * width_;
      const int step = steps_[static_cast<size_t>(token)];
      turn(own, step);
      turn(own + width_, step);
      for (int64_t head = 0; head < w_.heads; ++head) {
        float* const key = memory.keys.data() + head * room_ * part_ + key_place(token, 0, part_);
        for (int64_t c = 0; c < part_; ++c) key[c * kKeyBlock] = own[width_ + head * part_ + c];
      }
      std::copy_n(own + 2 * width_, width_, memory.values.data() + token * width_);
    }
    for (int64_t t = 0; t < count; t += kQueryTile)
      attend(memory, qkv.subspan(static_cast<size_t>(t * 3 * width_)), before + t,
             std::min<int64_t>(kQueryTile, count - t), seen.data() + t * width_);
    layer.join(workspace_, seen, x, Then::add);
    layer.norm_feed(x, normed);
    const auto wide = workspace_.floats(count * layer.wide.outputs());
    layer.wide(workspace_, normed, wide, Then::gelu);
    layer.narrow(workspace_, wide, x, Then::add);
  }

  // Tokens `first` .. `first + count` ask those up to their own.
  void attend(const Memory& memory, std::span<const float> queries, int64_t first, int64_t count, float* seen) {
    constexpr float kNever = -1e30f;
    const int64_t keys = first + count;
    const Workspace::Scope scope(workspace_);
    const auto bias = workspace_.floats(count * keys), scores = workspace_.floats(kQueryTile * room_);
    for (int64_t head = 0, c = 0; head < w_.heads; ++head, c += part_) {
      const float* const by_distance = w_.distance.data() + head * (kWindowSteps + 1);
      for (int64_t i = 0; i < count; ++i) {
        const int step = steps_[static_cast<size_t>(first + i)];
        float* const own = bias.data() + i * keys;
        look_up(by_distance, steps_.data(), step, first + i + 1, own);
        std::fill(own + first + i + 1, own + keys, kNever);
      }
      row_loops().attend({queries.data() + c, memory.keys.data() + c * room_, memory.values.data() + c, seen + c, count,
                          keys, part_, 3 * width_, width_, width_, 1 / std::sqrt(static_cast<float>(part_)),
                          bias.data(), scores.data()});
    }
  }

  std::span<const float> of_note(int interval) {
    const auto sum = workspace_.floats(width_);
    std::ranges::copy(state_, sum.begin());
    row_loops().add_row(sum.data(), w_.chosen.data() + interval * width_, 1, width_);
    return sum;
  }
  std::span<float> said(const Dense& head, std::span<const float> state) {
    const auto logits = std::span(logits_).first(static_cast<size_t>(head.outputs()));
    head(workspace_, state, logits);
    return logits;
  }

  const Weights& w_;
  const int64_t width_, part_;
  std::vector<Memory> memory_;             // a layer each
  std::vector<float> conditions_, state_;  // [steps][width]; [width], after the last token
  std::vector<float> logits_;
  std::vector<int> steps_;  // of the tokens that were read
  int64_t room_ = 0;        // for tokens
  Workspace workspace_;
};

PackedNotes::PackedNotes(const NoteWeights& weights, Precision precision)
    : weights_(std::make_unique<const Weights>(weights, precision)) {}
PackedNotes::~PackedNotes() = default;

PackedNotes::Loan PackedNotes::lend() {
  const std::scoped_lock lock(mutex_);
  if (idle_.empty()) return {new Reader(*weights_), {this}};
  Loan loan(idle_.back().release(), {this});
  idle_.pop_back();
  return loan;
}

void PackedNotes::GiveBack::operator()(NoteReader* reader) const {
  const std::scoped_lock lock(to->mutex_);
  to->idle_.emplace_back(reader);
}

std::vector<float> rope_rates(int64_t half) {
  std::vector<float> rates;
  for (int64_t i = 0; i < half; ++i)
    rates.push_back(std::pow(1000.f, -static_cast<float>(i) / static_cast<float>(half)));
  return rates;
}

}  // namespace fastsag::model
