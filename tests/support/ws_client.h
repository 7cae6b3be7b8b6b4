#pragma once
// A WebSocket client for tests: blocking, with a thread of its own for receiving. C++17 (WebSocket++).
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fastsag::test {

class WsClient {
 public:
  struct Message {
    bool binary = false;
    std::string data;
    std::chrono::steady_clock::time_point when;
  };
  struct Options {
    std::vector<std::string> subprotocols = {"fastsag.v1"};
    std::vector<std::pair<std::string, std::string>> headers;
  };
  // Returns connected, or with closed() true.
  WsClient(const std::string& url, const Options& options);
  explicit WsClient(const std::string& url) : WsClient(url, Options()) {}
  ~WsClient();

  void send_text(const std::string& text);
  void send_binary(const std::string& bytes);
  // The next message that `wanted` accepts (others are dropped), or an empty one when none came in time.
  Message wait(const std::function<bool(const Message&)>& wanted, std::chrono::milliseconds patience);
  // The text message of this type.
  std::string wait_type(const std::string& type, std::chrono::milliseconds patience = std::chrono::seconds(10));
  // What came since the last call.
  std::vector<Message> take();
  bool closed() const;
  bool wait_closed(std::chrono::milliseconds patience);
  int http_status() const;         // of a refused handshake
  void pause_reading(bool pause);  // a client that stops reading
  void vanish();                   // without a goodbye

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct HttpAnswer {
  int status = 0;
  std::string headers, body;
};
HttpAnswer http_get(int port, const std::string& path);

}  // namespace fastsag::test
