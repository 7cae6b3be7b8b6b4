#pragma once
// Browsers and other clients of the wire (protocol/PROTOCOL.md): the page, /healthz, and a WebSocket a singer or
// listener.
//
// Threads: the control thread constructs, starts and stops it; one network thread does everything else. Audio is
// encoded once a room and shared by its clients; a client that reads too slowly loses its oldest frames, and nobody
// waits for it.
#include <memory>

#include "daemon/service.h"

namespace fastsag::daemon {

class WsServer final : public Service {
 public:
  // The engine outlives the server.
  WsServer(Engine& engine, const Config& config);
  ~WsServer() override;

  std::string start() override;
  void stop() override;
  void reload(const Config& config) override;
  int port() const;

 private:
  class Hall;  // rooms and sessions; lives on the network thread
  std::unique_ptr<Hall> hall_;
};

}  // namespace fastsag::daemon
