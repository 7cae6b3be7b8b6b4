#include "daemon/ws_session.h"

#include <algorithm>
#include <string_view>

namespace fastsag::daemon {
namespace {

bool is_room_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

// As long for a wrong token as for the right one.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

std::optional<WsAddress> parse_address(const std::string& query) {
  WsAddress address;
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = pair.substr(0, equals), value = pair.substr(equals + 1);
    if (key == "room") {
      if (!is_room_name(value)) return std::nullopt;
      address.room = value;
    } else if (key == "role") {
      if (value != "singer" && value != "listener") return std::nullopt;
      address.role = value == "singer" ? Role::singer : Role::listener;
    }
  }
  return address;
}

bool authorised(const HttpRequest& request, const std::string& token) {
  if (token.empty() || same(request.authorization, "Bearer " + token)) return true;
  return std::ranges::any_of(request.subprotocols, [&](const std::string& p) { return same(p, "token." + token); });
}

bool origin_allowed(const HttpRequest& request, const std::vector<std::string>& allowed) {
  if (request.origin.empty()) return true;  // not a page
  const auto scheme_end = request.origin.find("://");
  if (scheme_end != std::string::npos && request.origin.substr(scheme_end + 3) == request.host) return true;
  return std::ranges::find(allowed, request.origin) != allowed.end();
}

}  // namespace fastsag::daemon
