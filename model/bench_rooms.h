#pragma once
// Rooms as the daemon runs them in `delayed` mode: one window a hop, each with the plan and the sound of the one
// before. Everybody sings the same tune, no two of them at the same place of it.
//
// Source: daemon/window_maker.cpp (what a window is asked for), window_schedule.h (slices). Threads: one.
#include <cstdint>
#include <vector>

#include "model/accompanist.h"

namespace fastsag::model {

struct RoomsRequest {
  int rooms = 1;
  double hop_s = 1;
  Ensemble style = Ensemble::piano;
};

class BenchRooms {
 public:
  // Ready for the first window of 10 s of voice; prepare() was called for so many rooms.
  BenchRooms(Accompanist& accompanist, const RoomsRequest& request);
  // The next window of every room: what is asked, one generate(), what is remembered of it.
  void ask();
  void generate() { accompanist_.generate(requests_, results_); }
  void remember();

 private:
  struct Room {
    int64_t sung_from = 0;  // place in the tune where its song begins
    Plan plan;
    std::shared_ptr<const RoomMemory> memory;
    std::vector<float> written;  // up to ten seconds, ends where the next window's played sound does
  };
  WindowRequest request(size_t index) const;
  void remember(Room& room, WindowResult& result);

  Accompanist& accompanist_;
  const int64_t hop_, reserve_;
  std::vector<float> voice_;
  std::vector<Room> rooms_;
  Controls controls_;
  std::vector<WindowRequest> requests_;
  std::vector<WindowResult> results_;
  int64_t slice_end_;
  bool first_ = true;
};

}  // namespace fastsag::model
