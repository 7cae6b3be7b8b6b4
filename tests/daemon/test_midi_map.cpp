#include "daemon/midi_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastsag::daemon {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<MidiPress> presses(MidiMapper& mapper, std::vector<uint8_t> message) { return mapper.presses(message); }

constexpr auto kNote = MidiTrigger::Kind::note;
constexpr auto kControl = MidiTrigger::Kind::control;

TEST(MidiMapper, ANoteStandsForItsCommandWhenItIsStruck) {
  MidiMapper mapper({.mute = MidiTrigger{kNote, 60, {}}, .next_seed = MidiTrigger{kNote, 36, 10}});
  EXPECT_THAT(presses(mapper, {0x90, 60, 100}), ElementsAre(MidiPress{MidiAction::mute, 100}));
  EXPECT_THAT(presses(mapper, {0x95, 60, 1}), ElementsAre(MidiPress{MidiAction::mute, 1})) << "on any channel";
  EXPECT_THAT(presses(mapper, {0x90, 60, 0}), IsEmpty()) << "velocity 0 is a release";
  EXPECT_THAT(presses(mapper, {0x80, 60, 100}), IsEmpty());
  EXPECT_THAT(presses(mapper, {0x90, 61, 100}), IsEmpty());
  EXPECT_THAT(presses(mapper, {0xb0, 60, 100}), IsEmpty()) << "a controller of that number is something else";
  EXPECT_THAT(presses(mapper, {0x99, 36, 90}), ElementsAre(MidiPress{MidiAction::next_seed, 90}));
  EXPECT_THAT(presses(mapper, {0x90, 36, 90}), IsEmpty()) << "channel 10 alone was asked for";
}

TEST(MidiMapper, AControllerIsPressedWhenItComesTo64) {
  MidiMapper mapper({.tap = MidiTrigger{kControl, 64, {}}});
  EXPECT_THAT(presses(mapper, {0xb0, 64, 127}), ElementsAre(MidiPress{MidiAction::tap, 127}));
  EXPECT_THAT(presses(mapper, {0xb0, 64, 120}), IsEmpty()) << "still held";
  EXPECT_THAT(presses(mapper, {0xb1, 64, 70}), ElementsAre(MidiPress{MidiAction::tap, 70}))
      << "another channel's pedal";
  EXPECT_THAT(presses(mapper, {0xb0, 64, 0}), IsEmpty());
  EXPECT_THAT(presses(mapper, {0xb0, 64, 63}), IsEmpty());
  EXPECT_THAT(presses(mapper, {0xb0, 64, 64}), ElementsAre(MidiPress{MidiAction::tap, 64}));
}

TEST(MidiMapper, TheLevelFollowsEveryValue) {
  MidiMapper mapper({.level = MidiTrigger{kControl, 7, {}}});
  for (const uint8_t value : std::initializer_list<uint8_t>{127, 100, 99, 3, 0})
    EXPECT_THAT(presses(mapper, {0xb0, 7, value}), ElementsAre(MidiPress{MidiAction::level, value}));
}

TEST(MidiMapper, OneKeyMayMeanTwoThingsAndBrokenMessagesNone) {
  MidiMapper mapper({.mute = MidiTrigger{kNote, 1, {}}, .mode = MidiTrigger{kNote, 1, {}}});
  EXPECT_THAT(presses(mapper, {0x90, 1, 5}),
              ElementsAre(MidiPress{MidiAction::mute, 5}, MidiPress{MidiAction::mode, 5}));
  for (const std::vector<uint8_t>& broken :
       {std::vector<uint8_t>{}, {0x90}, {0x90, 1}, {0x90, 1, 200}, {0x90, 200, 1}, {0xf8}, {0x90, 1, 1, 1}})
    EXPECT_THAT(mapper.presses(broken), IsEmpty());
}

TEST(LevelDb, FollowsMidisLawOfVolume) {
  EXPECT_FLOAT_EQ(level_db(100), 0) << "the usual rest of a fader";
  EXPECT_NEAR(level_db(127), 4.15f, 0.01f);
  EXPECT_NEAR(level_db(50), -12.04f, 0.01f) << "half the way is 12 dB less";
  EXPECT_FLOAT_EQ(level_db(0), -120);
}

}  // namespace
}  // namespace fastsag::daemon
