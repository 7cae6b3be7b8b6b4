#pragma once
// The accompaniment of a room by absolute position, and where slices are joined. One thread writes slices ahead of
// those who play; each reader has a cursor of its own and always gets a full block at once:
//
//   slice          |begin ------ fresh ------ final_end| ---- reserve (stale) ---- fade-out| gap (zeros)
//   next slice                            begin|<crossfade>----- fresh ------
//
// A slice is joined to what would have been played at its begin, the older slice's reserve, by an equal-power crossfade
// that knows how alike the two are; where nothing would have been played it fades in (not at the start of the song).
// A slice is refused, and counted as dropped, when a reader has already played past its begin: late slices are not
// queued. Reserves shorter than the crossfade fade out before the next slice fades in: audible as a dip, not as a
// click.
//
// Threads: one writer (write, reset), up to kMaxReaders readers, each on one thread at a time; counters from anywhere.
// Real-time: readers are wait-free, no allocation. The writer is not for the audio callback (it may throw).
// A reader that jumps (or whose song is reset) hears what it had fade out while the new place fades in.
// Never torn: slices are kept whole and published by one compare-and-swap, which a reader that got there first undoes.
// So a block is of one state of the timeline, and the next block continues it, without any margin of time.
// Units: samples at the room's rate. Errors: write() throws fastsag::Error for a slice that contradicts itself.
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace fastsag::dsp {

struct Slice {
  int64_t begin = 0;
  int64_t final_end = 0;           // normally the begin of the next slice
  std::span<const float> samples;  // from begin; what lies beyond final_end is the reserve
};

class Timeline {
 public:
  static constexpr int kMaxReaders = 4;
  static constexpr double kCrossfadeSeconds = 0.03, kFadeInSeconds = 0.01, kFadeOutSeconds = 0.02;

  // Keeps `capacity` positions behind the newest slice, as long as reserves are no longer than slices and they are of
  // no more than 250 slices.
  Timeline(int64_t capacity, int sample_rate);

  // Writer.
  bool write(const Slice& slice);    // false: too late, dropped
  void reset(int64_t position = 0);  // a new song that starts here: forgets every slice
  int64_t final_end() const { return final_end_.load(std::memory_order_acquire); }  // of the newest slice
  int64_t reserve_end() const { return reserve_end_.load(std::memory_order_acquire); }
  int64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  int64_t written() const { return written_.load(std::memory_order_relaxed); }  // slices accepted

  // Readers.
  int add_reader();  // its id; throws fastsag::Error when there are kMaxReaders already
  void remove_reader(int id);
  struct Read {
    int64_t fresh = 0;    // samples of a slice proper
    int64_t stale = 0;    // of a reserve: the next slice is late
    int64_t gap = 0;      // zeros: the reserve is used up, or the position is too far behind
    int64_t waiting = 0;  // zeros before the first slice
  };
  Read read(int id, int64_t begin, std::span<float> out);  // the counts add up to out.size()

 private:
  // One slice as it is kept: position p is samples_[(offset + p - begin) & mask_]. Never changed once published.
  // A reset is a segment that begins before every position and holds nothing.
  struct Segment {
    int64_t begin, final_end, reserve_end, offset;
  };
  struct SharedSegment {
    std::atomic<int64_t> begin, final_end, reserve_end, offset;
  };
  struct View;  // the segments that matter from a position on, as of one published state
  // What a reader remembers between its blocks.
  struct Player {
    int64_t next = kBeforeAll;  // the position after the last block
    int64_t segment_count = 0;  // the state that the last block was of
    int64_t old_next = 0;       // where the sound before the last jump would go on, and in which state
    int64_t old_segment_count = 0;
    int64_t faded = kAfterAll;  // samples since the jump
  };
  static constexpr int64_t kMaxSegments = 256;
  static constexpr int64_t kBeforeAll = std::numeric_limits<int64_t>::min() / 2;
  static constexpr int64_t kAfterAll = std::numeric_limits<int64_t>::max() / 2;
  static constexpr int64_t kFree = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kNotReadYet = kFree + 1;

  int64_t settle(int64_t block_end);
  View view(int64_t segment_count, int64_t position) const;
  Read play(const View& view, int64_t begin, std::span<float> out, int64_t next_begin) const;
  void smooth_jump(Player& player, int64_t segment_count, int64_t begin, std::span<float> out) const;
  std::vector<float> joined_head(const Slice& slice) const;
  void store(const Segment& segment, std::span<const float> head, std::span<const float> samples);
  bool publish(int64_t begin);
  bool passed(int64_t position) const;

  const int64_t crossfade_, fade_in_, fade_out_;
  std::vector<float> samples_;  // slices one after the other, whatever their positions; a power of two
  const int64_t mask_;
  std::array<SharedSegment, kMaxSegments> segments_{};  // number i lies at i % kMaxSegments
  std::atomic<int64_t> storing_segment_{-1};            // the number of the segment being stored
  std::atomic<int64_t> storing_samples_{0};             // the offset at which it will end
  std::atomic<uint64_t> state_{0};                      // segment count, attempt, pending: see publish()
  std::atomic<int64_t> pending_begin_{0};
  std::atomic<int64_t> last_reset_{-1};  // the number of its segment
  std::atomic<int64_t> start_{0};
  std::array<std::atomic<int64_t>, kMaxReaders> cursors_;
  std::array<Player, kMaxReaders> players_;
  std::atomic<int64_t> final_end_{0}, reserve_end_{0}, dropped_{0}, written_{0};
  int64_t used_ = 0;  // offset of the next slice (writer)
};

}  // namespace fastsag::dsp
