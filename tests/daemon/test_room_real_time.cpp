// What an audio callback calls never allocates, frees or locks, whatever happens to the room meanwhile.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "daemon/engine.h"
#include "tests/support/allocation_guard.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"

namespace fastsag::daemon {
namespace {

using namespace std::chrono_literals;

TEST(RoomRealTime, TheCallbackNeitherAllocatesNorLocks) {
  if (!test::allocation_guard_works()) GTEST_SKIP() << "a sanitizer holds malloc";
  test::FakeClock clock;
  test::FakeAccompanist accompanist;
  Engine engine(accompanist, clock, {.assumed_generation_s = 0.1});
  engine.prepare();
  const auto room = engine.open_room("a");
  const auto output = room->open_output({.ahead = 512});
  const auto monitor = room->open_output({.ahead = 0, .gain = false});
  auto port = room->command_port();
  std::array<float, 256> voice, block;
  for (size_t i = 0; i < voice.size(); ++i) voice[i] = 0.2f * std::sin(0.0245437f * static_cast<float>(i));
  for (int i = 0; i < 3000; ++i) {
    {
      test::RealTimeScope scope("callback");
      if (i % 700 == 699) room->voice().push_lost(512);
      room->voice().push(voice);
      if (i == 1000) port.send(SetMode{Mode::live});
      if (i == 2000) port.send(SetMode{Mode::delayed});
      if (i % 500 == 0) port.send(SetGain{static_cast<float>(i) / 500 - 3});
      if (i % 400 == 0) port.send(NextSeed{});
      output->play(block);
      if (monitor->available() >= 256) {
        const auto read = monitor->read(block);
        monitor->read_voice(read, block);
      }
    }
    clock.advance(5333us);
    engine.step();
  }
  EXPECT_GE(room->status().windows, 12) << "16 s, and it played all along";
  EXPECT_EQ(room->status().gaps, 0);
}

}  // namespace
}  // namespace fastsag::daemon
