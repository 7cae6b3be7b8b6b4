#pragma once
// A room as the network sees it: its singer, its listeners, and the accompaniment encoded once for all of them.
//
// Threads: the network thread, but for the plan, which the engine hands over through Transport::post.
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/engine.h"
#include "daemon/room.h"
#include "daemon/ws_session.h"
#include "protocol/message.h"

namespace fastsag::daemon {

struct WsRoom {
  // Live accompaniment is read this far ahead of the voice, to be there before its moment over any usual line.
  static constexpr double kAheadS = 0.4;
  static constexpr int kFrameMs = 20;

  WsRoom(std::shared_ptr<Room> engine_room, double hop_seconds, bool is_ours);

  std::shared_ptr<Room> room;
  double hop_s;
  // Of who plays now; the server keeps them true.
  std::string preset;
  std::vector<std::string> styles;  // that it can play
  bool has_plan = true;             // that key, chart, temperature, density and loudness steer
  bool ours;  // else the stage's: its singer stands at the sound card, and it is not ours to close
  CommandPort commands;
  std::unique_ptr<RoomOutput> output;
  Subscription plans;
  std::map<ConnectionId, WsSession*> sessions;
  WsSession* singer = nullptr;
  std::chrono::steady_clock::time_point empty_since{};
  uint32_t sequence = 0;

  // What `start` and `set` ask for.
  void apply(const protocol::Start& start);
  // A set with a key or chart that is none changes nothing: the answer says why.
  std::optional<protocol::Fault> apply(const protocol::Set& set);
  // Frames that are due, encoded once; to every session's queue, and on.
  void publish(Transport& transport);
  void send_all(Transport& transport, const std::string& text) const;

  protocol::Hello hello() const;
  protocol::Status status(const EngineStatus& engine) const;
  protocol::PlanMessage plan_message(const model::Plan& plan) const;

 private:
  std::vector<float> block_;
  model::Pulse pulse_;  // as the singer set it; period 0 where the model's own is wanted
};

}  // namespace fastsag::daemon
