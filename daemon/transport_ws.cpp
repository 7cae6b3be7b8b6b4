#include <functional>
#include <map>
#include <stdexcept>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/server.hpp>

#include "daemon/transport.h"

namespace fastsag::daemon {
namespace {

// Deflate stays off (config::asio enables no extension), logging is ours.
struct Config : websocketpp::config::asio {
  using type = Config;
  static const websocketpp::log::level elog_level = websocketpp::log::elevel::none;
  static const websocketpp::log::level alog_level = websocketpp::log::alevel::none;
  static const long timeout_open_handshake = 5000;
  static const long timeout_close_handshake = 1000;
  static const long timeout_pong = 10000;
  static const size_t max_http_body_size = 16 * 1024;
};
using Server = websocketpp::server<Config>;
using Handle = websocketpp::connection_hdl;
constexpr auto kPingPeriod = std::chrono::seconds(10);

HttpRequest request_of(const Server::connection_ptr& connection) {
  HttpRequest request;
  request.method = connection->get_request().get_method();
  const std::string resource = connection->get_resource();
  const auto mark = resource.find('?');
  request.path = resource.substr(0, mark);
  request.query = mark == std::string::npos ? "" : resource.substr(mark + 1);
  request.authorization = connection->get_request_header("Authorization");
  request.origin = connection->get_request_header("Origin");
  request.host = connection->get_request_header("Host");
  request.subprotocols = connection->get_requested_subprotocols();
  return request;
}

void answer(const Server::connection_ptr& connection, const HttpResponse& response) {
  connection->set_status(static_cast<websocketpp::http::status_code::value>(response.status));
  connection->replace_header("Content-Type", response.content_type);
  for (const auto& header : response.headers) connection->replace_header(header.first, header.second);
  connection->set_body(response.body);
}

}  // namespace

struct Transport::Impl {
  boost::asio::io_context context;
  Server server;
  TransportCallbacks callbacks;
  std::map<ConnectionId, Handle> connections;
  std::map<Handle, ConnectionId, std::owner_less<Handle>> ids;
  ConnectionId next_id = 1;
  int port = 0;
  bool stopping = false;

  Server::connection_ptr find(ConnectionId id) {
    const auto it = connections.find(id);
    if (it == connections.end()) return nullptr;
    websocketpp::lib::error_code error;
    return server.get_con_from_hdl(it->second, error);
  }
  ConnectionId id_of(const Handle& handle) const {
    const auto it = ids.find(handle);
    return it == ids.end() ? 0 : it->second;
  }

  void listen(const std::string& host, int wanted_port, size_t max_message_bytes) {
    server.init_asio(&context);
    server.set_reuse_addr(true);
    server.set_max_message_size(max_message_bytes);
    server.set_tcp_post_init_handler([this](Handle handle) {
      websocketpp::lib::error_code error;
      const auto connection = server.get_con_from_hdl(handle, error);
      boost::system::error_code ignored;
      if (!error) connection->get_raw_socket().set_option(boost::asio::ip::tcp::no_delay(true), ignored);
    });
    server.set_http_handler([this](Handle handle) {
      const auto connection = server.get_con_from_hdl(handle);
      answer(connection, callbacks.http(request_of(connection)));
    });
    server.set_validate_handler([this](Handle handle) {
      const auto connection = server.get_con_from_hdl(handle);
      const Handshake handshake = callbacks.handshake(request_of(connection));
      if (!handshake.accept)
        answer(connection, handshake.refusal);
      else if (!handshake.subprotocol.empty())
        connection->select_subprotocol(handshake.subprotocol);
      return handshake.accept;
    });
    server.set_open_handler([this](Handle handle) {
      const ConnectionId id = next_id++;
      connections[id] = handle;
      ids[handle] = id;
      callbacks.open(id, request_of(server.get_con_from_hdl(handle)));
    });
    server.set_message_handler([this](Handle handle, Server::message_ptr message) {
      const ConnectionId id = id_of(handle);
      if (!id) return;
      if (message->get_opcode() == websocketpp::frame::opcode::text)
        callbacks.text(id, message->get_payload());
      else
        callbacks.binary(id, message->get_payload());
    });
    server.set_close_handler([this](Handle handle) {
      const ConnectionId id = id_of(handle);
      if (!id) return;
      connections.erase(id);
      ids.erase(handle);
      callbacks.close(id);
    });
    // A client that vanished answers no ping.
    server.set_pong_timeout_handler([this](Handle handle, std::string) {
      websocketpp::lib::error_code error;
      const auto connection = server.get_con_from_hdl(handle, error);
      if (!error) connection->terminate(websocketpp::lib::error_code());
    });
    websocketpp::lib::error_code error;
    server.listen(host, std::to_string(wanted_port), error);
    if (error)
      throw std::runtime_error("cannot listen on " + host + " port " + std::to_string(wanted_port) + " (" +
                               error.message() + "); is another program using it? Choose one with --set server.port=N");
    boost::system::error_code ignored;
    port = server.get_local_endpoint(ignored).port();
    server.start_accept();
  }
};

Transport::Transport(const std::string& host, int port, size_t max_message_bytes, TransportCallbacks callbacks)
    : impl_(std::make_unique<Impl>()) {
  impl_->callbacks = std::move(callbacks);
  impl_->listen(host, port, max_message_bytes);
  every(std::chrono::duration_cast<std::chrono::milliseconds>(kPingPeriod), [this] {
    for (const auto& entry : impl_->connections) {
      websocketpp::lib::error_code error;
      impl_->server.ping(entry.second, "", error);
    }
  });
}

Transport::~Transport() = default;

int Transport::port() const { return impl_->port; }
void Transport::run() { impl_->context.run(); }
void Transport::post(std::function<void()> work) { boost::asio::post(impl_->context, std::move(work)); }

void Transport::stop() {
  post([this] {
    impl_->stopping = true;
    websocketpp::lib::error_code error;
    impl_->server.stop_listening(error);
    const auto connections = impl_->connections;
    for (const auto& entry : connections)
      impl_->server.close(entry.second, websocketpp::close::status::going_away, "the server is stopping", error);
    // What does not close within a second is left behind.
    auto timer = std::make_shared<boost::asio::steady_timer>(impl_->context, std::chrono::seconds(1));
    timer->async_wait([this, timer](boost::system::error_code) { impl_->context.stop(); });
    if (connections.empty()) impl_->context.stop();
  });
}

void Transport::every(std::chrono::milliseconds period, std::function<void()> work) {
  auto timer = std::make_shared<boost::asio::steady_timer>(impl_->context, period);
  auto tick = std::make_shared<std::function<void(boost::system::error_code)>>();
  // The timer holds its own callback until the context is destroyed with the transport.
  *tick = [this, timer, period, work = std::move(work), weak = std::weak_ptr(tick)](boost::system::error_code error) {
    if (error || impl_->stopping) return;
    work();
    timer->expires_at(timer->expiry() + period);
    timer->async_wait([tick = weak.lock()](boost::system::error_code next) {
      if (tick) (*tick)(next);
    });
  };
  timer->async_wait([tick](boost::system::error_code error) { (*tick)(error); });
}

void Transport::send_text(ConnectionId id, const std::string& text) {
  websocketpp::lib::error_code error;
  if (const auto connection = impl_->find(id)) error = connection->send(text, websocketpp::frame::opcode::text);
}

void Transport::send_binary(ConnectionId id, const std::string& bytes) {
  websocketpp::lib::error_code error;
  if (const auto connection = impl_->find(id)) error = connection->send(bytes, websocketpp::frame::opcode::binary);
}

size_t Transport::buffered_bytes(ConnectionId id) const {
  const auto connection = impl_->find(id);
  return connection ? connection->get_buffered_amount() : 0;
}

void Transport::close(ConnectionId id, const std::string& reason) {
  websocketpp::lib::error_code error;
  if (const auto connection = impl_->find(id))
    connection->close(websocketpp::close::status::policy_violation, reason, error);
}

}  // namespace fastsag::daemon
