#include "daemon/static_files.h"

#include <fstream>
#include <sstream>

#include "dsp/error.h"

namespace fastsag::daemon {
namespace fs = std::filesystem;
namespace {

std::string content_type(const fs::path& file) {
  static const std::map<std::string, std::string> kTypes = {{".html", "text/html; charset=utf-8"},
                                                            {".js", "text/javascript; charset=utf-8"},
                                                            {".css", "text/css; charset=utf-8"},
                                                            {".svg", "image/svg+xml"},
                                                            {".png", "image/png"},
                                                            {".json", "application/json"}};
  const auto it = kTypes.find(file.extension().string());
  return it == kTypes.end() ? "application/octet-stream" : it->second;
}

}  // namespace

StaticFiles::StaticFiles(const fs::path& folder) {
  if (!fs::is_regular_file(folder / "index.html"))
    throw Error(folder.string() + " holds no index.html; server.web must name the folder of the page");
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream body;
    body << in.rdbuf();
    HttpResponse response{200, content_type(entry.path()), body.str(), {}};
    // Shared memory between page and audio thread is given to isolated pages only.
    response.headers = {
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Embedder-Policy", "require-corp"},
        {"Content-Security-Policy",
         "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; style-src 'self' 'unsafe-inline'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Cache-Control", "no-cache"}};
    files_[(fs::path("/") / entry.path().filename()).string()] = std::move(response);
  }
  files_["/"] = files_["/index.html"];
}

HttpResponse StaticFiles::get(const std::string& path) const {
  const auto it = files_.find(path);
  return it == files_.end() ? HttpResponse{404, "text/plain; charset=utf-8", "not found\n", {}} : it->second;
}

fs::path find_web_folder(const fs::path& configured) {
  if (!configured.empty()) return configured;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  // build/PRESET/bin in a source tree; bin beside share/fastsag where it is installed
  for (const fs::path& candidate : {program / "../share/fastsag/web", program / "../../../web", fs::path("web")})
    if (fs::is_regular_file(candidate / "index.html")) return fs::weakly_canonical(candidate);
  throw Error("the page's folder was not found beside " + program.string() + "; name it with --set server.web=FOLDER");
}

}  // namespace fastsag::daemon
