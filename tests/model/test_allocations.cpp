// The lite preset has what it needs: windows of a song ask the heap for nothing once the first have been made.
#include <gtest/gtest.h>

#include <random>

#include "dsp/heap_count.h"
#include "model/allocation_count.h"
#include "model/lite/accompanist.h"
#include "tests/support/sung.h"

namespace fastsag::model::allocations_test {
namespace {

constexpr int kHop = kSampleRate, kContext = 9 * kSampleRate / 10, kReserve = 3 * kSampleRate / 2;

// A song of quarters and eighths at 100 bpm, with a rest now and then.
std::vector<float> song(double seconds) {
  std::mt19937 random(5);
  std::vector<test::SungNote> notes;
  for (double at = .6; at < seconds - 2;) {
    const double length = random() % 3 == 0 ? .6 : .3;
    if (random() % 6 > 0) notes.push_back({at, length - .04, 57. + 2. * static_cast<double>(random() % 8)});
    at += length;
  }
  return test::sung(notes, seconds, {.vibrato = .2});
}

// A room that is written hop after hop, each window with what the one before left: `delayed`, as the engine asks.
class Room {
 public:
  Room(LiteAccompanist& accompanist, std::span<const float> voice) : accompanist_(accompanist), voice_(voice) {}

  WindowRequest request() const {
    WindowRequest asked{.voice = voice_.subspan(static_cast<size_t>(end_ - accompanist_.window_samples()),
                                                static_cast<size_t>(accompanist_.window_samples())),
                        .voice_end = end_,
                        .write_begin = end_ - kContext - kHop,
                        .write_end = end_ - kContext + kReserve,
                        .known_end = end_ - kContext - kHop,
                        .controls = controls};
    if (written_.empty()) return asked;
    asked.past = &plan_;
    asked.memory = memory_;
    asked.played = written_;
    asked.played_end = asked.known_end;
    return asked;
  }
  bool more() const { return end_ <= std::ssize(voice_); }
  void write(const WindowRequest& asked) { accompanist_.generate({&asked, 1}, {&result_, 1}); }
  void remember() {
    plan_ = result_.plan;
    memory_ = result_.memory;
    written_.insert(written_.end(), result_.audio.begin(), result_.audio.begin() + kHop);
    end_ += kHop;
  }
  const WindowResult& result() const { return result_; }
  Controls controls;

 private:
  LiteAccompanist& accompanist_;
  std::span<const float> voice_;
  int64_t end_ = 10 * kSampleRate;
  Plan plan_;
  std::shared_ptr<const RoomMemory> memory_;
  std::vector<float> written_;
  WindowResult result_;
};

class LiteWindows : public testing::Test {
 protected:
  LiteWindows() { accompanist_.prepare(1); }
  LiteAccompanist accompanist_{load_preset("lite", FASTSAG_SOURCE "/configs/presets"), {.threads = 1}};
};

class LiteStyles : public LiteWindows, public testing::WithParamInterface<Ensemble> {};

TEST_P(LiteStyles, AskNothingOfTheHeap) {
  if (!dsp::counts_heap()) GTEST_SKIP() << "a sanitizer owns malloc in this build";
  constexpr int kWarmUp = 12;  // until every buffer has met a window as full as they come
  const std::vector<float> voice = song(40);
  Room room(accompanist_, voice);
  room.controls.style = GetParam();
  ASSERT_TRUE(accompanist_.can_play(GetParam()));
  const TensorAllocations tensors(torch::kCPU);
  size_t notes = 0;
  for (int window = 0; room.more(); ++window, room.remember()) {
    const WindowRequest asked = room.request();
    const int64_t tensors_before = tensors.count(), heap_before = dsp::heap_allocations();
    room.write(asked);
    const int64_t heap = dsp::heap_allocations() - heap_before, made = tensors.count() - tensors_before;
    notes += room.result().plan.notes.size();
    if (window < kWarmUp) continue;
    EXPECT_EQ(heap, 0) << "window " << window;
    EXPECT_EQ(made, 0) << "window " << window;
  }
  EXPECT_GT(notes, 300u) << "it had something to write: 10 notes a window";
}

INSTANTIATE_TEST_SUITE_P(All, LiteStyles, testing::Values(Ensemble::piano, Ensemble::band, Ensemble::strings),
                         [](const auto& style) { return std::string(name_of(style.param)); });

TEST_F(LiteWindows, AreTheSameWithoutTheMemoryOfTheRoom) {
  const std::vector<float> voice = song(20);
  Room room(accompanist_, voice);
  int compared = 0;
  for (; room.more(); room.remember()) {
    WindowRequest asked = room.request();
    if (asked.memory) {
      WindowResult anew;
      const auto memory = std::exchange(asked.memory, nullptr);
      accompanist_.generate({&asked, 1}, {&anew, 1});
      asked.memory = memory;
      room.write(asked);
      const Plan &a = room.result().plan, &b = anew.plan;
      EXPECT_EQ(room.result().audio, anew.audio);
      EXPECT_EQ(a.notes, b.notes);
      EXPECT_EQ(a.chords, b.chords);
      EXPECT_EQ(a.key, b.key);
      EXPECT_EQ(a.pulse, b.pulse);
      EXPECT_EQ(a.singer_db, b.singer_db);
      EXPECT_GT(std::ranges::max(anew.audio), 1e-3f) << "there is something to compare";
      ++compared;
    } else {
      room.write(asked);
    }
  }
  EXPECT_EQ(compared, 10);
}

}  // namespace
}  // namespace fastsag::model::allocations_test
