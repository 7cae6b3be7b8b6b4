#pragma once
// HTTP and WebSocket on one port, by connection number: everything of WebSocket++ and nothing of rooms.
// C++17, because WebSocket++ 0.8.2 is; so byte strings are std::string here.
//
// Threads: run() is the network thread; every callback comes from it, and every member but post(), stop() and port()
// is for it alone. post() and stop() may be called from anywhere.
// Errors: the constructor throws std::runtime_error (port in use, no such address), in words for a person.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fastsag::daemon {

using ConnectionId = uint64_t;

struct HttpRequest {
  std::string method, path;  // the path without its query
  std::string query;
  std::string authorization, origin, host;
  std::vector<std::string> subprotocols;  // WebSocket only
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Whether a WebSocket may be opened; where not, the answer.
struct Handshake {
  bool accept = false;
  std::string subprotocol;
  HttpResponse refusal;
};

struct TransportCallbacks {
  std::function<HttpResponse(const HttpRequest&)> http;
  std::function<Handshake(const HttpRequest&)> handshake;
  std::function<void(ConnectionId, const HttpRequest&)> open;
  std::function<void(ConnectionId, const std::string& text)> text;
  std::function<void(ConnectionId, const std::string& bytes)> binary;
  std::function<void(ConnectionId)> close;
};

class Transport {
 public:
  // Listens at once. Port 0: the system chooses one.
  Transport(const std::string& host, int port, size_t max_message_bytes, TransportCallbacks callbacks);
  ~Transport();

  int port() const;
  void run();
  void stop();  // closes every connection, then run() returns
  void post(std::function<void()> work);
  // Calls `work` again and again until stop().
  void every(std::chrono::milliseconds period, std::function<void()> work);

  void send_text(ConnectionId id, const std::string& text);
  void send_binary(ConnectionId id, const std::string& bytes);
  size_t buffered_bytes(ConnectionId id) const;
  void close(ConnectionId id, const std::string& reason);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fastsag::daemon
