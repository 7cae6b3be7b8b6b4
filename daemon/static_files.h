#pragma once
// The page: every file of one folder, read once at start, so that the network thread never waits for a disk and no
// address can name a file outside.
#include <filesystem>
#include <map>
#include <string>

#include "daemon/transport.h"

namespace fastsag::daemon {

class StaticFiles {
 public:
  // Throws fastsag::Error where the folder or its index.html is missing.
  explicit StaticFiles(const std::filesystem::path& folder);
  // 200, or 404.
  HttpResponse get(const std::string& path) const;

 private:
  std::map<std::string, HttpResponse> files_;
};

// `configured`, or where it is empty: beside the program, then the source tree.
std::filesystem::path find_web_folder(const std::filesystem::path& configured);

}  // namespace fastsag::daemon
