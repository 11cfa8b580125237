#include "launch_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "launch_report.h"
#include "unique_fd.h"

namespace mcroute {
namespace {

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

std::optional<DirectoryFailure> failure(const char* step) { return DirectoryFailure{step, errno}; }

}  // namespace

std::string describe(const DirectoryFailure& failure) { return failure.step + ": " + errnoText(failure.error); }

std::optional<DirectoryFailure> giveDirectory(const std::string& path, mode_t mode, const Identity& identity) {
  const bool isNew = mkdir(path.c_str(), mode) == 0;
  if (!isNew && errno != EEXIST) return failure("mkdir");
  const auto directory = openDirectory(path);
  // One that cannot be looked at is not ours to change; the program's user may have use of it all the same.
  if (directory == nullptr) return std::nullopt;
  const int fd = dirfd(directory.get());
  // The umask of the starter does not decide who may reach what is in it.
  if (isNew && fchmod(fd, mode) != 0) return failure("fchmod");
  struct stat status {};
  if (fstat(fd, &status) != 0) return failure("fstat");
  if (isWritableFor(status, identity) || status.st_uid != 0 || !isEmpty(directory.get())) return std::nullopt;
  if (fchown(fd, identity.uid, identity.gid) != 0) return failure("fchown");
  return std::nullopt;
}

std::optional<DirectoryFailure> makeDirectories(const std::string& path, mode_t mode) {
  std::size_t end = 0;
  do {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), mode) != 0) {
      if (errno != EEXIST) return failure("mkdir");
    } else if (chmod(part.c_str(), mode) != 0) {
      return failure("chmod");
    }
  } while (end != std::string::npos);
  return std::nullopt;
}

}  // namespace mcroute
