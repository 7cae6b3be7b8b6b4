#pragma once
// One client of the WebSocket server: who it is, and the audio that waits for it.
//
// Threads: the network thread.
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "daemon/transport.h"

namespace fastsag::daemon {

struct WsRoom;

enum class Role { singer, listener };

struct WsSession {
  // Ten seconds of 20 ms frames at 48 kHz (1 MB) may wait here, as a lump of voice can make due at once; beyond, the
  // oldest go.
  static constexpr size_t kSocketBytes = 64 * 1024;
  static constexpr size_t kWaitingFrames = 500;

  ConnectionId id = 0;
  Role role = Role::listener;
  std::shared_ptr<WsRoom> room;
  std::optional<uint32_t> voice_rate;  // Hz, as `start` said or as the first frame had it
  std::chrono::steady_clock::time_point last_frame_error{};
  int64_t bad_frames = 0;
  int64_t lost_frames = 0;
  std::deque<std::shared_ptr<const std::string>> waiting;

  void queue(std::shared_ptr<const std::string> frame) {
    waiting.push_back(std::move(frame));
    while (waiting.size() > kWaitingFrames) {
      waiting.pop_front();
      ++lost_frames;
    }
  }
  void flush(Transport& transport) {
    while (!waiting.empty() && transport.buffered_bytes(id) < kSocketBytes) {
      transport.send_binary(id, *waiting.front());
      waiting.pop_front();
    }
  }
};

// The question's part of an address, as far as this server asks: room and role.
struct WsAddress {
  std::string room = "main";
  Role role = Role::singer;
};
// nullopt: a name that is no name, or another role.
std::optional<WsAddress> parse_address(const std::string& query);

// Whether the client may come in; true where no token is set.
bool authorised(const HttpRequest& request, const std::string& token);
// A page may only speak for its own server, unless its origin is allowed by name.
bool origin_allowed(const HttpRequest& request, const std::vector<std::string>& allowed);

}  // namespace fastsag::daemon
