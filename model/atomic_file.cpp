#include "model/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "dsp/error.h"

namespace fastsag::model {

AtomicFile::AtomicFile(std::filesystem::path file) : file_(std::move(file)) {
  // Same folder, so that the rename stays inside one file system; the process id keeps two writers apart.
  temporary_ = file_;
  temporary_ += std::string(".").append(std::to_string(getpid())).append(".tmp");
  descriptor_ = open(temporary_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) fail("sync");
  if (rename(temporary_.c_str(), file_.c_str()) != 0) fail("rename");
  close(descriptor_);
  descriptor_ = -1;
  // The new name itself must reach the disk; a folder that cannot be synced (some network mounts) is no reason to fail.
  const auto folder = file_.has_parent_path() ? file_.parent_path() : std::filesystem::path(".");
  const int parent = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    fsync(parent);
    close(parent);
  }
}

void AtomicFile::fail(const char* what) const {
  throw Error("cannot " + std::string(what) + " " + temporary_.string() + ": " + std::strerror(errno) +
              "; is the folder there, writable and not full?");
}

}  // namespace fastsag::model
