#include "daemon/ws_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "daemon/metrics.h"
#include "daemon/static_files.h"
#include "daemon/transport.h"
#include "daemon/ws_room.h"
#include "dsp/error.h"
#include "protocol/frame.h"

namespace fastsag::daemon {
namespace {

using SteadyClock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPublishPeriod = 10ms;
constexpr auto kStatusPeriod = 1s;
constexpr auto kResume = 30s;         // an empty room waits so long for its singer
constexpr double kLongestJumpS = 60;  // voice that skips further is no voice

protocol::Fault fault(std::string code, std::string message, bool fatal = false) {
  return {std::move(code), std::move(message), fatal};
}

}  // namespace

class WsServer::Hall {
 public:
  Hall(Engine& engine, const Config& config)
      : engine_(engine), config_(config), files_(find_web_folder(config.server.web)) {}

  std::string start() {
    try {
      transport_ = std::make_unique<Transport>(config_.server.host, config_.server.port, protocol::kMaxMessageBytes,
                                               callbacks());
    } catch (const std::runtime_error& error) {
      throw Error(error.what());
    }
    transport_->every(kPublishPeriod, [this] { publish(); });
    transport_->every(kStatusPeriod, [this] { tell_status(); });
    thread_ = std::thread([this] { transport_->run(); });
    return "open http://" + config_.server.host + ":" + std::to_string(transport_->port());
  }

  void stop() {
    if (!transport_) return;
    transport_->stop();
    if (thread_.joinable()) thread_.join();
    rooms_.clear();
  }

  void reload(const Config& config) {
    transport_->post([this, config] { config_ = config; });
  }

  int port() const { return transport_ ? transport_->port() : 0; }

 private:
  TransportCallbacks callbacks() {
    return {.http = [this](const HttpRequest& request) { return http(request); },
            .handshake = [this](const HttpRequest& request) { return handshake(request); },
            .open = [this](ConnectionId id, const HttpRequest& request) { open(id, request); },
            .text = [this](ConnectionId id, const std::string& text) { on_text(id, text); },
            .binary = [this](ConnectionId id, const std::string& bytes) { on_binary(id, bytes); },
            .close = [this](ConnectionId id) { on_close(id); }};
  }

  HttpResponse http(const HttpRequest& request) {
    if (request.method != "GET" && request.method != "HEAD")
      return {405, "text/plain", "only GET is answered here\n", {}};
    if (request.path == "/healthz") {
      const Health health = engine_.healthy();
      if (!health.ok) return {503, "text/plain; charset=utf-8", health.reason + "\n", {}};
      const std::string notice = notice_of(engine_.status());
      return {200, "text/plain; charset=utf-8", notice.empty() ? "ok\n" : "ok\n" + notice + "\n", {}};
    }
    if (request.path == "/metrics") {
      if (!authorised(request, config_.server.token))
        return {401, "text/plain; charset=utf-8", "a token is asked for\n", {}};
      return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(engine_.status(), engine_.healthy()), {}};
    }
    return files_.get(request.path);
  }

  Handshake handshake(const HttpRequest& request) {
    const auto refuse = [](int status, const std::string& why) {
      return Handshake{false, "", {status, "text/plain; charset=utf-8", why + "\n", {}}};
    };
    if (request.path != "/ws") return refuse(404, "WebSockets are at /ws");
    if (!origin_allowed(request, config_.server.origins))
      return refuse(403, "pages of " + request.origin + " may not connect; allow them in server.origins");
    if (!parse_address(request.query))
      return refuse(400, "expected /ws?room=NAME&role=singer|listener, NAME of letters, digits, - and _");
    // A client that offers subprotocols must offer ours; one that offers none is taken at its word.
    const bool offered = std::ranges::find(request.subprotocols, protocol::kSubprotocol) != request.subprotocols.end();
    if (!request.subprotocols.empty() && !offered) return refuse(400, "expected the subprotocol fastsag.v1");
    return {true, offered ? std::string(protocol::kSubprotocol) : "", {}};
  }

  void open(ConnectionId id, const HttpRequest& request) {
    const WsAddress address = *parse_address(request.query);
    if (!authorised(request, config_.server.token))
      return refuse(id, fault("unauthorised", "no or a wrong token", true));
    if (std::ssize(sessions_) >= config_.server.max_connections)
      return refuse(id, fault("too_many", "this server has as many connections as it takes", true));
    std::shared_ptr<WsRoom> room;
    try {
      room = enter(address.room);
    } catch (const Error& error) {
      return refuse(id, fault("too_many", error.what(), true));
    }
    if (address.role == Role::singer && (room->singer || !room->ours))
      return refuse(id, fault("room_taken", "somebody is singing in this room", true));
    WsSession& session = sessions_[id];
    session.id = id;
    session.role = address.role;
    session.room = room;
    room->sessions[id] = &session;
    if (session.role == Role::singer) room->singer = &session;
    transport_->send_text(id, protocol::to_json(room->hello()));
    if (const auto plan = room->room->plan()) transport_->send_text(id, protocol::to_json(room->plan_message(*plan)));
    spdlog::info("{} joins room {} ({} connections)", session.role == Role::singer ? "a singer" : "a listener",
                 address.room, sessions_.size());
  }

  std::shared_ptr<WsRoom> enter(const std::string& name) {
    auto& entry = rooms_[name];
    if (entry) return entry;
    const bool ours = !engine_.find_room(name);
    try {
      RoomSettings settings = room_settings(config_);
      settings.sample_rate = RoomSettings{}.sample_rate;  // the sound card's is its own affair
      auto room = engine_.open_room(name, settings);
      entry = std::make_shared<WsRoom>(std::move(room), config_.engine.hop_s, ours);
      tell_player(*entry);
    } catch (...) {
      rooms_.erase(name);
      throw;
    }
    entry->plans = entry->room->subscribe([this, weak = std::weak_ptr(entry)](const WindowEvent& event) {
      transport_->post([this, weak, plan = event.plan] {
        if (const auto room = weak.lock(); room && plan)
          room->send_all(*transport_, protocol::to_json(room->plan_message(*plan)));
      });
    });
    return entry;
  }

  void tell_player(WsRoom& room) const {
    room.preset = engine_.status().preset;
    room.styles = engine_.styles();
    room.has_plan = engine_.has_plan();
  }

  void refuse(ConnectionId id, const protocol::Fault& why) {
    transport_->send_text(id, protocol::to_json(why));
    transport_->close(id, why.code);
  }

  void on_text(ConnectionId id, const std::string& text) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    WsSession& session = it->second;
    const auto parsed = protocol::parse_client(text);
    if (const auto* wrong = std::get_if<protocol::Fault>(&parsed)) {
      transport_->send_text(id, protocol::to_json(*wrong));
      return;
    }
    const auto& message = std::get<protocol::ClientMessage>(parsed);
    if (const auto* ping = std::get_if<protocol::Ping>(&message)) {
      transport_->send_text(id, protocol::pong(ping->id));
      return;
    }
    if (session.role != Role::singer) {
      transport_->send_text(id, protocol::to_json(fault("not_singer", "only the singer of a room may do that")));
      return;
    }
    if (const auto* start = std::get_if<protocol::Start>(&message)) {
      session.voice_rate = start->sample_rate;
      session.room->apply(*start);
    } else if (const auto* set = std::get_if<protocol::Set>(&message)) {
      if (set->style && std::ranges::find(session.room->styles, *set->style) == session.room->styles.end()) {
        transport_->send_text(id,
                              protocol::to_json(fault("bad_value", "this preset cannot play style \"" + *set->style +
                                                                       "\"; hello.styles names what it can")));
        return;
      }
      if (const auto wrong = session.room->apply(*set)) transport_->send_text(id, protocol::to_json(*wrong));
    } else {
      session.voice_rate.reset();  // stop: the song is over, the room stays
      session.room->room->voice().restart(0);
    }
  }

  void on_binary(ConnectionId id, const std::string& bytes) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    WsSession& session = it->second;
    const std::string wrong = take_voice(session, std::as_bytes(std::span(bytes)));
    if (wrong.empty()) return;
    ++session.bad_frames;
    if (const auto now = SteadyClock::now(); now - session.last_frame_error > 1s) {
      session.last_frame_error = now;
      const bool role = session.role != Role::singer;
      transport_->send_text(id, protocol::to_json(fault(role ? "not_singer" : "bad_frame", wrong)));
    }
  }

  // Empty, or what is wrong with the frame.
  std::string take_voice(WsSession& session, std::span<const std::byte> bytes) {
    if (session.role != Role::singer) return "only the singer of a room sends voice";
    const auto decoded = protocol::decode(bytes);
    if (const auto* error = std::get_if<protocol::FrameError>(&decoded)) return std::string(protocol::describe(*error));
    const auto& frame = std::get<protocol::Frame>(decoded);
    const auto& header = frame.header;
    if (header.kind != protocol::Kind::voice) return "a client sends frames of kind 1, voice";
    if (!session.voice_rate) session.voice_rate = header.sample_rate;
    if (header.sample_rate != *session.voice_rate)
      return "the sample rate changed from " + std::to_string(*session.voice_rate) + " to " +
             std::to_string(header.sample_rate) + " Hz; send a new start first";
    VoiceInput& voice = session.room->room->voice();
    const double at_s = static_cast<double>(header.first_sample) / header.sample_rate;
    const double head_s = static_cast<double>(voice.head()) / session.room->room->settings().sample_rate;
    if (at_s > head_s + kLongestJumpS) return "the frame jumps more than a minute ahead of the voice heard so far";
    if (at_s + static_cast<double>(header.samples) / header.sample_rate < head_s - 0.005)
      return "the frame lies before what was already heard; positions only go forward";
    if (!protocol::decode_pcm(frame, pcm_)) return "only PCM s16 is decoded by this server";
    voice.push_at(pcm_, static_cast<int>(header.sample_rate), header.first_sample);
    return {};
  }

  void on_close(ConnectionId id) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    WsRoom& room = *it->second.room;
    room.sessions.erase(id);
    if (room.singer == &it->second) room.singer = nullptr;
    if (room.sessions.empty()) room.empty_since = SteadyClock::now();
    spdlog::info("a client leaves room {}", room.room->name());
    sessions_.erase(it);
  }

  void publish() {
    for (const auto& [name, room] : rooms_) room->publish(*transport_);
  }

  void tell_status() {
    const EngineStatus status = engine_.status();
    for (const auto& [name, room] : rooms_) {
      tell_player(*room);
      room->send_all(*transport_, protocol::to_json(room->status(status)));
    }
    std::erase_if(rooms_, [this](const auto& entry) {
      const WsRoom& room = *entry.second;
      const bool over = room.sessions.empty() && SteadyClock::now() - room.empty_since > kResume;
      if (over && room.ours) engine_.close_room(entry.first);
      return over;
    });
  }

  Engine& engine_;
  Config config_;
  StaticFiles files_;
  std::map<std::string, std::shared_ptr<WsRoom>> rooms_;
  std::map<ConnectionId, WsSession> sessions_;
  std::vector<float> pcm_;
  std::unique_ptr<Transport> transport_;
  std::thread thread_;
};

WsServer::WsServer(Engine& engine, const Config& config) : hall_(std::make_unique<Hall>(engine, config)) {}
WsServer::~WsServer() { hall_->stop(); }
std::string WsServer::start() { return hall_->start(); }
void WsServer::stop() { hall_->stop(); }
void WsServer::reload(const Config& config) { hall_->reload(config); }
int WsServer::port() const { return hall_->port(); }

}  // namespace fastsag::daemon
