#include <boost/asio.hpp>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>

#include "tests/support/ws_client.h"

namespace fastsag::test {
namespace {

struct Config : websocketpp::config::asio_client {
  using type = Config;
  static const websocketpp::log::level elog_level = websocketpp::log::elevel::none;
  static const websocketpp::log::level alog_level = websocketpp::log::alevel::none;
};
using Client = websocketpp::client<Config>;

}  // namespace

struct WsClient::Impl {
  Client client;
  websocketpp::connection_hdl handle;
  std::thread thread;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Message> messages;
  bool open = false, closed = false;
  int http_status = 0;
  bool paused = false;
  std::promise<void> go_on;  // of a client that was told not to read

  Client::connection_ptr connection() {
    websocketpp::lib::error_code error;
    return client.get_con_from_hdl(handle, error);
  }
  void set_closed() {
    const std::lock_guard lock(mutex);
    if (const auto c = connection()) http_status = c->get_response_code();
    closed = true;
    changed.notify_all();
  }
};

WsClient::WsClient(const std::string& url, const Options& options) : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.client.init_asio();
  impl.client.set_open_handler([&impl](websocketpp::connection_hdl) {
    const std::lock_guard lock(impl.mutex);
    impl.open = true;
    impl.changed.notify_all();
  });
  impl.client.set_fail_handler([&impl](websocketpp::connection_hdl) { impl.set_closed(); });
  impl.client.set_close_handler([&impl](websocketpp::connection_hdl) { impl.set_closed(); });
  impl.client.set_message_handler([&impl](websocketpp::connection_hdl, Client::message_ptr message) {
    const std::lock_guard lock(impl.mutex);
    impl.messages.push_back({message->get_opcode() == websocketpp::frame::opcode::binary, message->get_payload(),
                             std::chrono::steady_clock::now()});
    impl.changed.notify_all();
  });
  websocketpp::lib::error_code error;
  const auto connection = impl.client.get_connection(url, error);
  for (const auto& name : options.subprotocols) connection->add_subprotocol(name);
  for (const auto& header : options.headers) connection->append_header(header.first, header.second);
  impl.handle = connection->get_handle();
  impl.client.connect(connection);
  impl.thread = std::thread([&impl] { impl.client.run(); });
  std::unique_lock lock(impl.mutex);
  impl.changed.wait_for(lock, std::chrono::seconds(10), [&impl] { return impl.open || impl.closed; });
}

WsClient::~WsClient() {
  pause_reading(false);
  // On the client's thread: WebSocket++ writes the connection's state there without a lock.
  impl_->client.get_io_service().post([this] {
    websocketpp::lib::error_code error;
    impl_->client.close(impl_->handle, websocketpp::close::status::going_away, "", error);
  });
  if (!wait_closed(std::chrono::seconds(1))) impl_->client.stop();
  impl_->thread.join();
}

void WsClient::send_text(const std::string& text) {
  websocketpp::lib::error_code error;
  impl_->client.send(impl_->handle, text, websocketpp::frame::opcode::text, error);
}

void WsClient::send_binary(const std::string& bytes) {
  websocketpp::lib::error_code error;
  impl_->client.send(impl_->handle, bytes, websocketpp::frame::opcode::binary, error);
}

WsClient::Message WsClient::wait(const std::function<bool(const Message&)>& wanted,
                                 std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  std::unique_lock lock(impl_->mutex);
  while (true) {
    while (!impl_->messages.empty()) {
      Message message = std::move(impl_->messages.front());
      impl_->messages.pop_front();
      if (wanted(message)) return message;
    }
    if (impl_->closed || impl_->changed.wait_until(lock, until) == std::cv_status::timeout)
      if (impl_->messages.empty()) return {};
  }
}

std::string WsClient::wait_type(const std::string& type, std::chrono::milliseconds patience) {
  const std::string mark = "\"type\":\"" + type + "\"";
  return wait([&](const Message& m) { return !m.binary && m.data.find(mark) != std::string::npos; }, patience).data;
}

std::vector<WsClient::Message> WsClient::take() {
  const std::lock_guard lock(impl_->mutex);
  std::vector<Message> all(std::make_move_iterator(impl_->messages.begin()),
                           std::make_move_iterator(impl_->messages.end()));
  impl_->messages.clear();
  return all;
}

bool WsClient::closed() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->closed;
}

bool WsClient::wait_closed(std::chrono::milliseconds patience) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, patience, [this] { return impl_->closed; });
}

int WsClient::http_status() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->http_status;
}

// Its thread waits. (WebSocket++'s own pause, ended while a read is under way, reads twice at once.)
void WsClient::pause_reading(bool pause) {
  if (pause == impl_->paused) return;
  impl_->paused = pause;
  if (!pause) return impl_->go_on.set_value();
  impl_->go_on = {};
  std::promise<void> waits;
  impl_->client.get_io_service().post([&waits, go_on = impl_->go_on.get_future().share()] {
    waits.set_value();
    go_on.wait();
  });
  waits.get_future().wait();
}

void WsClient::vanish() {
  impl_->client.get_io_service().post([this] {
    boost::system::error_code error;
    if (const auto c = impl_->connection()) c->get_raw_socket().close(error);
  });
}

HttpAnswer http_get(int port, const std::string& path) {
  namespace asio = boost::asio;
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  socket.connect({asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(port)});
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  asio::write(socket, asio::buffer(request));
  std::string all;
  boost::system::error_code error;
  asio::read(socket, asio::dynamic_buffer(all), error);
  HttpAnswer answer;
  const auto end = all.find("\r\n\r\n");
  if (all.size() > 12) answer.status = std::stoi(all.substr(9, 3));
  if (end != std::string::npos) {
    answer.headers = all.substr(0, end);
    answer.body = all.substr(end + 4);
  }
  return answer;
}

}  // namespace fastsag::test
