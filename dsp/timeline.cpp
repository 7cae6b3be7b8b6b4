#include "dsp/timeline.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <string>

#include "dsp/crossfade.h"
#include "dsp/error.h"

namespace fastsag::dsp {
namespace {

// state_: segment count in the upper half, then the number of the attempt (so that a compare-and-swap cannot take one
// attempt for another), and in the lowest bit whether one is pending.
constexpr int64_t segment_count_of(uint64_t state) { return static_cast<int64_t>(state >> 32); }
constexpr bool is_pending(uint64_t state) { return state & 1; }
constexpr uint64_t settled(uint64_t state) { return state & ~uint64_t{1}; }
constexpr uint64_t next_attempt(uint64_t state) {
  return (state & ~uint64_t{0xffffffff}) | ((state + 2) & 0xfffffffe) | 1;
}
constexpr uint64_t with_one_more_segment(uint64_t state) { return settled(state) + (uint64_t{1} << 32); }

int64_t to_samples(double seconds, int sample_rate) { return std::llround(seconds * sample_rate); }

// 1 at x = 0, 0 at x = 1, flat at both ends.
float fade_out_gain(int64_t x, int64_t length) {
  return 0.5f + 0.5f * std::cos(std::numbers::pi_v<float> * static_cast<float>(x) / static_cast<float>(length));
}

}  // namespace

struct Timeline::View {
  std::array<Segment, kMaxSegments> segments;  // newest first; the last begins at or before the position asked for
  int size = 0;
  bool forgotten = false;  // none does, because the older ones are not kept any more
};

Timeline::Timeline(int64_t capacity, int sample_rate)
    : crossfade_(to_samples(kCrossfadeSeconds, sample_rate)),
      fade_in_(to_samples(kFadeInSeconds, sample_rate)),
      fade_out_(to_samples(kFadeOutSeconds, sample_rate)),
      samples_(std::bit_ceil(static_cast<size_t>(2 * std::max(capacity, crossfade_)))),
      mask_(std::ssize(samples_) - 1) {
  for (auto& cursor : cursors_) cursor = kFree;
}

// ---- Writer ----

bool Timeline::write(const Slice& slice) {
  const int64_t size = std::ssize(slice.samples);
  if (slice.final_end <= slice.begin || slice.final_end > slice.begin + size || size > std::ssize(samples_) / 2)
    throw Error("timeline: a slice of " + std::to_string(size) + " samples from " + std::to_string(slice.begin) +
                ", final to " + std::to_string(slice.final_end) +
                "; expected begin < final end <= begin + samples, and " + "no more than " +
                std::to_string(std::ssize(samples_) / 2) + " samples");
  if (!passed(slice.begin)) {
    store({slice.begin, slice.final_end, slice.begin + size, used_}, joined_head(slice), slice.samples);
    if (publish(slice.begin)) {
      used_ += size;
      final_end_.store(slice.final_end, std::memory_order_release);
      reserve_end_.store(slice.begin + size, std::memory_order_release);
      written_.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
  }
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void Timeline::reset(int64_t position) {
  const uint64_t state = state_.load();
  store({kBeforeAll, kBeforeAll, kBeforeAll, used_}, {}, {});
  start_.store(position);
  last_reset_.store(segment_count_of(state));
  for (auto& cursor : cursors_) {
    int64_t was = cursor.load();
    while (was != kFree && !cursor.compare_exchange_weak(was, kNotReadYet)) {
    }
  }
  state_.store(with_one_more_segment(state));
  final_end_.store(position, std::memory_order_release);
  reserve_end_.store(position, std::memory_order_release);
}

bool Timeline::passed(int64_t position) const {
  return std::ranges::any_of(cursors_, [position](const auto& cursor) { return cursor.load() > position; });
}

// The first samples of a slice, joined to what would be played there without it.
std::vector<float> Timeline::joined_head(const Slice& slice) const {
  const int64_t size = std::ssize(slice.samples);
  std::vector<float> head(slice.samples.begin(), slice.samples.begin() + std::min(crossfade_, size));
  std::vector<float> old_tail(head.size());
  const View old = view(segment_count_of(state_.load()), slice.begin);
  const Read found = play(old, slice.begin, old_tail, slice.begin);
  if (found.fresh + found.stale > 0) {
    crossfade(old_tail, head, head);
  } else if (slice.begin != start_.load()) {
    const int64_t length = std::min(fade_in_, size);
    for (int64_t i = 0; i < length; ++i) head[static_cast<size_t>(i)] *= 1 - fade_out_gain(i, length);
  }
  return head;
}

// Into a place that no published segment uses, or one so old that its readers will notice (as in RingBuffer: release
// and acquire on every value, so that whoever sees a new one also sees its announcement).
void Timeline::store(const Segment& segment, std::span<const float> head, std::span<const float> samples) {
  const int64_t number = segment_count_of(state_.load());
  storing_segment_.store(number, std::memory_order_relaxed);
  auto& shared = segments_[static_cast<size_t>(number % kMaxSegments)];
  shared.begin.store(segment.begin, std::memory_order_release);
  shared.final_end.store(segment.final_end, std::memory_order_release);
  shared.reserve_end.store(segment.reserve_end, std::memory_order_release);
  shared.offset.store(segment.offset, std::memory_order_release);

  storing_samples_.store(segment.offset + std::ssize(samples), std::memory_order_relaxed);
  for (size_t i = 0; i < samples.size(); ++i)
    std::atomic_ref(samples_[static_cast<size_t>((segment.offset + static_cast<int64_t>(i)) & mask_)])
        .store(i < head.size() ? head[i] : samples[i], std::memory_order_release);
}

// A slice may only appear while no reader has passed its begin, and readers do not wait. So the writer first announces
// the begin (pending), then looks at the cursors, then publishes by compare-and-swap; a reader first moves its cursor,
// then looks for an announcement, and if its block reaches beyond the announced begin it takes the announcement back by
// compare-and-swap (settle()). All of it is sequentially consistent: one of the two always sees the other, and whoever
// swaps first has decided.
bool Timeline::publish(int64_t begin) {
  uint64_t pending = next_attempt(state_.load());
  pending_begin_.store(begin);
  state_.store(pending);
  if (passed(begin)) {
    state_.compare_exchange_strong(pending, settled(pending));
    return false;
  }
  return state_.compare_exchange_strong(pending, with_one_more_segment(pending));
}

// ---- Readers ----

int Timeline::add_reader() {
  for (int id = 0; id < kMaxReaders; ++id) {
    int64_t expected = kFree;
    if (cursors_[static_cast<size_t>(id)].compare_exchange_strong(expected, kNotReadYet)) {
      players_[static_cast<size_t>(id)] = {};
      return id;
    }
  }
  throw Error("timeline: " + std::to_string(kMaxReaders) + " readers already; remove one first");
}

void Timeline::remove_reader(int id) { cursors_[static_cast<size_t>(id)].store(kFree); }

Timeline::Read Timeline::read(int id, int64_t begin, std::span<float> out) {
  const int64_t end = begin + std::ssize(out);
  cursors_[static_cast<size_t>(id)].store(end);
  const int64_t segment_count = settle(end);
  const Read result = play(view(segment_count, begin), begin, out, kAfterAll);
  auto& player = players_[static_cast<size_t>(id)];
  smooth_jump(player, segment_count, begin, out);
  player.next = end;
  player.segment_count = segment_count;
  return result;
}

// How many segments are published for a block that ends here. One attempt is enough: a write that starts after the one
// taken back or missed here sees this reader's cursor before it announces anything.
int64_t Timeline::settle(int64_t block_end) {
  uint64_t state = state_.load();
  if (is_pending(state) && pending_begin_.load() < block_end) state_.compare_exchange_strong(state, settled(state));
  return segment_count_of(state);
}

Timeline::View Timeline::view(int64_t segment_count, int64_t position) const {
  View view;
  for (int64_t number = segment_count - 1; number >= 0; --number) {
    const auto& shared = segments_[static_cast<size_t>(number % kMaxSegments)];
    const Segment segment{
        shared.begin.load(std::memory_order_acquire), shared.final_end.load(std::memory_order_acquire),
        shared.reserve_end.load(std::memory_order_acquire), shared.offset.load(std::memory_order_acquire)};
    if (number <= storing_segment_.load(std::memory_order_relaxed) - kMaxSegments) {
      view.forgotten = true;
      break;
    }
    view.segments[static_cast<size_t>(view.size++)] = segment;
    if (segment.begin <= position) break;
  }
  return view;
}

// What is heard of a view: at each position the newest segment that has begun. Its end fades out unless a newer one
// takes over in time for a whole crossfade. `next_begin` is such a newer one that is about to be written. The fade-out
// is shorter than the crossfade, so a slice that is in time for one comes before any reader is in the other.
Timeline::Read Timeline::play(const View& view, int64_t begin, std::span<float> out, int64_t next_begin) const {
  Read read;
  const int64_t end = begin + std::ssize(out);
  const auto overlap = [](int64_t from, int64_t to) { return std::max<int64_t>(0, to - from); };
  std::ranges::fill(out, 0.0f);
  for (int64_t from = begin; from < end;) {
    int64_t to = end, first_takeover = next_begin;
    int i = 0;
    for (; i < view.size && view.segments[static_cast<size_t>(i)].begin > from; ++i) {
      to = std::min(to, view.segments[static_cast<size_t>(i)].begin);
      first_takeover = std::min(first_takeover, view.segments[static_cast<size_t>(i)].begin);
    }
    if (i == view.size || view.segments[static_cast<size_t>(i)].begin == kBeforeAll) {
      (view.forgotten && i == view.size ? read.gap : read.waiting) += to - from;
      from = to;
      continue;
    }
    const Segment segment = view.segments[static_cast<size_t>(i)];
    const int64_t sound_end = std::clamp(segment.reserve_end, from, to);
    const auto offset = [&](int64_t position) { return segment.offset + position - segment.begin; };
    for (int64_t p = from; p < sound_end; ++p)
      out[static_cast<size_t>(p - begin)] =
          std::atomic_ref(const_cast<float&>(samples_[static_cast<size_t>(offset(p) & mask_)]))
              .load(std::memory_order_acquire);
    const int64_t overwritten = storing_samples_.load(std::memory_order_relaxed) - std::ssize(samples_) - offset(from);
    const int64_t sound_begin = std::clamp(from + overwritten, from, sound_end);
    std::fill(out.begin() + (from - begin), out.begin() + (sound_begin - begin), 0.0f);
    if (first_takeover + crossfade_ > segment.reserve_end) {
      const int64_t length = std::min(fade_out_, segment.reserve_end - segment.begin);
      const int64_t fade_begin = segment.reserve_end - length;
      for (int64_t p = std::max(fade_begin, sound_begin); p < sound_end; ++p)
        out[static_cast<size_t>(p - begin)] *= fade_out_gain(p - fade_begin, length);
    }
    const int64_t fresh = overlap(sound_begin, std::min(segment.final_end, sound_end));
    read.fresh += fresh;
    read.stale += sound_end - sound_begin - fresh;
    read.gap += sound_begin - from + to - sound_end;
    from = to;
  }
  return read;
}

// Where a block does not continue the last one, what was heard fades out under it.
void Timeline::smooth_jump(Player& player, int64_t segment_count, int64_t begin, std::span<float> out) const {
  const int64_t last_reset = last_reset_.load();
  const bool was_reset = player.segment_count <= last_reset && last_reset < segment_count;
  const bool first = player.next == kBeforeAll;
  if (first ? begin != start_.load() : begin != player.next || was_reset) {
    player.old_next = player.next;
    player.old_segment_count = first ? 0 : player.segment_count;
    player.faded = 0;
  }
  std::array<float, 256> old;
  for (int64_t i = 0; i < std::ssize(out) && player.faded < fade_out_;) {
    const int64_t count = std::min({std::ssize(out) - i, fade_out_ - player.faded, std::ssize(old)});
    play(view(player.old_segment_count, player.old_next), player.old_next,
         std::span(old).first(static_cast<size_t>(count)), kAfterAll);
    for (int64_t k = 0; k < count; ++k) {
      const float gain = fade_out_gain(player.faded + k, fade_out_);
      auto& sample = out[static_cast<size_t>(i + k)];
      sample = gain * old[static_cast<size_t>(k)] + (1 - gain) * sample;
    }
    player.old_next += count;
    player.faded += count;
    i += count;
  }
}

}  // namespace fastsag::dsp
