#include "launch_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "unique_fd.h"

namespace mcroute {
namespace {

constexpr char kVariable[] = "MCROUTE_RUNTIME_DIRECTORY";
constexpr char kDefaultDirectory[] = "/run/mcroute";
constexpr mode_t kMode = 0755;

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};
using OpenDirectory = std::unique_ptr<DIR, DirectoryCloser>;

/// Not through a symbolic link: its target would change owner.
OpenDirectory openDirectory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return nullptr;
  OpenDirectory directory(fdopendir(fd.get()));
  if (directory != nullptr) fd.release();
  return directory;
}

/// Nothing in it but `.` and `..`.
bool isEmpty(DIR* directory) {
  int entries = 0;
  while (entries <= 2 && readdir(directory) != nullptr) ++entries;
  return entries <= 2;
}

/// By the mode bits; supplementary groups are gone by then.
bool isWritableFor(const struct stat& status, const Identity& identity) {
  const mode_t write = S_IWOTH | S_IXOTH;
  const int shift = status.st_uid == identity.uid ? 6 : status.st_gid == identity.gid ? 3 : 0;
  return (status.st_mode >> shift & write) == write;
}

void warnUnprepared(const std::string& path, const char* step, const Console& console) {
  console.warn("the runtime directory " + path + " cannot be prepared (" + step + ": " + errnoText(errno) +
               "): make it by hand or name another with --runtime-directory");
}

}  // namespace

std::optional<std::string> chooseRuntimeDirectory(const std::optional<std::string>& requested) {
  if (requested) return requested;
  const char* value = getenv(kVariable);
  if (value != nullptr && *value != '\0') return value;
  return geteuid() == 0 ? std::optional<std::string>(kDefaultDirectory) : std::nullopt;
}

void prepareRuntimeDirectory(const std::string& path, const Identity& identity, const Console& console) {
  if (setenv(kVariable, path.c_str(), 1) != 0) throw kernelError("setenv", errno);
  const bool isNew = mkdir(path.c_str(), kMode) == 0;
  if (!isNew && errno != EEXIST) return warnUnprepared(path, "mkdir", console);
  const auto directory = openDirectory(path);
  // One that cannot be looked at is not ours to change; `checkRuntimeDirectory` says whether it serves.
  if (directory == nullptr) return;
  const int fd = dirfd(directory.get());
  // The umask of the starter does not decide who may reach the socket.
  if (isNew && fchmod(fd, kMode) != 0) return warnUnprepared(path, "fchmod", console);
  struct stat status {};
  if (fstat(fd, &status) != 0) return warnUnprepared(path, "fstat", console);
  if (isWritableFor(status, identity) || status.st_uid != 0 || !isEmpty(directory.get())) return;
  if (fchown(fd, identity.uid, identity.gid) != 0) warnUnprepared(path, "fchown", console);
}

void checkRuntimeDirectory(const std::string& path, const Console& console) {
  if (access(path.c_str(), W_OK | X_OK) == 0) return;
  const int error = errno;
  const std::string owner = userName(getuid()) + ":" + groupName(getgid());
  console.warn("user " + userName(getuid()) + " cannot make a socket in " + path + " (" + errnoText(error) +
               "): `chown " + owner + " " + path +
               "` if no agent of another user needs it, or name another with "
               "--runtime-directory");
}

}  // namespace mcroute
