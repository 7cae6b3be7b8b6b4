#include "daemon/command.h"

#include <algorithm>
#include <cmath>

#include "daemon/room_state.h"

namespace fastsag::daemon {

struct CommandPort::Token {
  explicit Token(moodycamel::ConcurrentQueue<Command>& queue) : producer(queue) {}
  moodycamel::ProducerToken producer;
};

CommandPort::CommandPort(std::shared_ptr<RoomState> state)
    : state_(std::move(state)), token_(std::make_unique<Token>(state_->commands)) {}
CommandPort::CommandPort(CommandPort&&) noexcept = default;
CommandPort::~CommandPort() {
  token_.reset();  // it refers to the queue
}

bool CommandPort::send(const Command& command) {
  if (const auto* gain = std::get_if<SetGain>(&command)) {
    state_->gain_db.store(std::isfinite(gain->db) ? std::clamp(gain->db, -120.0f, 24.0f) : 0.0f,
                          std::memory_order_relaxed);
    return true;
  }
  if (const auto* mute = std::get_if<SetMute>(&command)) {
    state_->mute.store(mute->mute, std::memory_order_relaxed);
    return true;
  }
  return state_->commands.try_enqueue(token_->producer, command);
}

}  // namespace fastsag::daemon
