#include "model/nn/note_reader.h"

#include <cmath>
#include <complex>

#include "model/lite/steps.h"
#include "model/nn/temporal_fast.h"

namespace fastsag::model {
namespace {

class PackedNoteReader final : public NoteReader {
 public:
  PackedNoteReader(const NoteWeights& w, Precision precision)
      : width_(w.enter->weight.size(0)),
        heads_(w.heads),
        part_(width_ / heads_),
        enter_(w.enter, precision),
        near_(w.near, precision),
        far_(w.far, precision),
        interval_(floats_of(w.interval)),
        pitch_(floats_of(w.pitch)),
        length_(floats_of(w.length)),
        velocity_(floats_of(w.velocity)),
        chosen_(floats_of(w.chosen)),
        distance_(floats_of(w.distance.t())),
        norm_(w.norm),
        to_interval_(w.to_interval, precision),
        to_length_(w.to_length, precision),
        to_velocity_(w.to_velocity, precision),
        state_(static_cast<size_t>(width_)) {
    for (const auto& layer : w.layers)
      layers_.push_back({Norm(layer.norm_attention), Norm(layer.norm_feed), Dense(layer.qkv, precision),
                         Dense(layer.join, precision), Dense(layer.wide, precision), Dense(layer.narrow, precision)});
    const std::vector<float> rates = rope_rates(part_ / 2);
    for (int step = 0; step < kWindowSteps; ++step)
      for (const float rate : rates) turns_.push_back(std::polar(1.f, static_cast<float>(step) * rate));
  }

  void begin(std::span<const float> conditions, int64_t tokens) override {
    workspace_.reset();
    const int64_t steps = std::ssize(conditions) / kNoteConditions;
    conditions_.resize(static_cast<size_t>(steps * width_));
    const Margined x(workspace_, steps, width_, kReach);
    enter_(workspace_, conditions, x.inner, Then::silu);
    std::ranges::copy(x.inner, conditions_.begin());
    const Dense::Rows seen{x.all.data(), steps, width_, width_};
    near_(workspace_, seen, conditions_.data(), width_, Then::add_silu);
    std::ranges::copy(conditions_, x.inner.begin());
    far_(workspace_, seen, conditions_.data(), width_, Then::add_silu);
    steps_.clear();
    room_ = (tokens + kKeyMultiple - 1) / kKeyMultiple * kKeyMultiple;
    for (Layer& layer : layers_) {
      layer.keys.resize(static_cast<size_t>(room_ * width_));
      layer.values.resize(static_cast<size_t>(tokens * width_));
    }
  }

  void read(std::span<const NoteToken> tokens) override {
    workspace_.reset();
    const int64_t count = std::ssize(tokens);
    const auto x = workspace_.floats(count * width_);
    for (int64_t t = 0; t < count; ++t) embed(tokens[static_cast<size_t>(t)], x.data() + t * width_);
    const size_t before = steps_.size();
    for (const NoteToken& token : tokens) steps_.push_back(token.step);
    for (Layer& layer : layers_) forward(layer, x, before);
    norm_(x.last(static_cast<size_t>(width_)), state_);
  }

  std::vector<float> intervals() override { return said(to_interval_, state_); }
  std::vector<float> lengths(int interval) override { return said(to_length_, of_note(interval)); }
  std::vector<float> velocities(int interval) override { return said(to_velocity_, of_note(interval)); }

 private:
  static constexpr int64_t kReach = 2;  // of convolutions over five steps

  struct Layer {
    Norm norm_attention, norm_feed;
    Dense qkv, join, wide, narrow;
    std::vector<float> keys, values;  // [width][room], [tokens][width]
  };

  void embed(const NoteToken& token, float* x) const {
    std::copy_n(conditions_.data() + token.step * width_, width_, x);
    const auto add = [&](const std::vector<float>& table, int row) {
      row_loops().add_row(x, table.data() + row * width_, 1, width_);
    };
    add(interval_, token.interval);
    add(pitch_, token.pitch);
    add(length_, token.length);
    add(velocity_, token.velocity);
  }

  // One head's query or key, turned by its step; `apart` from one number to the next.
  void turn(const float* x, int step, float* out, int64_t apart = 1) const {
    const std::complex<float>* const by = turns_.data() + step * part_ / 2;
    for (int64_t i = 0; i < part_ / 2; ++i) {
      const std::complex<float> turned = std::complex<float>(x[i], x[i + part_ / 2]) * by[i];
      out[i * apart] = turned.real();
      out[(i + part_ / 2) * apart] = turned.imag();
    }
  }

  void forward(Layer& layer, std::span<float> x, size_t before) {
    const int64_t count = std::ssize(x) / width_;
    const auto normed = workspace_.floats(count * width_), qkv = workspace_.floats(count * 3 * width_);
    const auto seen = workspace_.floats(count * width_), scores = workspace_.floats(kQueryTile * room_);
    const auto query = workspace_.floats(part_), bias = workspace_.floats(std::ssize(steps_));
    layer.norm_attention(x, normed);
    layer.qkv(workspace_, normed, qkv);
    for (int64_t t = 0; t < count; ++t) {
      const size_t token = before + static_cast<size_t>(t);
      const float* const own = qkv.data() + t * 3 * width_;
      for (int64_t head = 0; head < heads_; ++head)
        turn(own + width_ + head * part_, steps_[token],
             layer.keys.data() + head * part_ * room_ + static_cast<int64_t>(token), room_);
      std::copy_n(own + 2 * width_, width_, layer.values.data() + static_cast<int64_t>(token) * width_);
      for (int64_t head = 0; head < heads_; ++head) {
        turn(own + head * part_, steps_[token], query.data());
        const float* const by_distance = distance_.data() + head * (kWindowSteps + 1);
        for (size_t j = 0; j <= token; ++j) bias[j] = by_distance[std::max(0, steps_[token] - steps_[j])];
        row_loops().attend({query.data(), layer.keys.data() + head * part_ * room_, layer.values.data() + head * part_,
                            seen.data() + t * width_ + head * part_, 1, static_cast<int64_t>(token) + 1, part_, width_,
                            room_, width_, width_, 1 / std::sqrt(static_cast<float>(part_)), bias.data(),
                            scores.data()});
      }
    }
    layer.join(workspace_, seen, x, Then::add);
    layer.norm_feed(x, normed);
    const auto wide = workspace_.floats(count * layer.wide.outputs());
    layer.wide(workspace_, normed, wide, Then::gelu);
    layer.narrow(workspace_, wide, x, Then::add);
  }

  std::span<const float> of_note(int interval) {
    const auto sum = workspace_.floats(width_);
    std::ranges::copy(state_, sum.begin());
    row_loops().add_row(sum.data(), chosen_.data() + interval * width_, 1, width_);
    return sum;
  }
  std::vector<float> said(const Dense& head, std::span<const float> state) {
    std::vector<float> logits(static_cast<size_t>(head.outputs()));
    head(workspace_, state, logits);
    return logits;
  }

  int64_t width_, heads_, part_;
  Dense enter_, near_, far_;
  std::vector<float> interval_, pitch_, length_, velocity_, chosen_;  // [..][width]
  std::vector<float> distance_;                                       // [heads][steps + 1]
  std::vector<Layer> layers_;
  Norm norm_;
  Dense to_interval_, to_length_, to_velocity_;
  std::vector<std::complex<float>> turns_;  // [step][part / 2]
  std::vector<float> conditions_, state_;   // [steps][width]; [width], after the last token
  std::vector<int> steps_;                  // of the tokens that were read
  int64_t room_ = 0;                        // for tokens
  Workspace workspace_;
};

}  // namespace

std::vector<float> rope_rates(int64_t half) {
  std::vector<float> rates;
  for (int64_t i = 0; i < half; ++i)
    rates.push_back(std::pow(1000.f, -static_cast<float>(i) / static_cast<float>(half)));
  return rates;
}

std::unique_ptr<NoteReader> packed_note_reader(const NoteWeights& weights, Precision precision) {
  return std::make_unique<PackedNoteReader>(weights, precision);
}

}  // namespace fastsag::model
