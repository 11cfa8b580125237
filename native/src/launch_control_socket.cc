#include "launch_control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "launch_report.h"

namespace mcroute {
namespace {

/// Commands that wait to be heard; what libuv asks for too.
constexpr int kBacklog = 511;

sockaddr_un addressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw LaunchError(Reason::invalidField, "the path of the control socket " + path + " is longer than " +
                                                std::to_string(sizeof address.sun_path - 1) +
                                                " bytes: choose a shorter one with -u");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

UniqueFd openSocket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw kernelError("socket(AF_UNIX)", errno);
  return fd;
}

LaunchError cannotServe(const std::string& path, const std::string& why) {
  return LaunchError(Reason::kernelError, "cannot make the control socket " + path + " (" + why +
                                              "): make its folder, or choose another path with -u");
}

/// Only a socket of which nobody is left goes. A queue that is full has somebody as well.
void removeStale(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) return;
  if (!S_ISSOCK(found.st_mode)) throw cannotServe(path, "there is another kind of file");
  const UniqueFd probe = openSocket();
  if (connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN) {
    throw LaunchError(Reason::socketInUse, "another daemon serves on " + path + ": stop it (`smcroutectl -u " + path +
                                               " kill`), or choose another identity with -i, or another path with -u");
  }
  if (errno != ECONNREFUSED) throw cannotServe(path, errnoText(errno));
  if (unlink(path.c_str()) != 0) throw cannotServe(path, errnoText(errno));
}

}  // namespace

ControlSocket openControlSocket(const std::string& path) {
  const sockaddr_un address = addressOf(path);
  removeStale(path, address);
  UniqueFd fd = openSocket();
  // Before it listens nobody can connect, so that the mode is right from the start.
  if (bind(fd.get(), generic(address), sizeof address) != 0 || chmod(path.c_str(), 0600) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    throw cannotServe(path, errnoText(errno));
  }
  struct stat bound {};
  if (lstat(path.c_str(), &bound) != 0) throw kernelError("lstat(" + path + ")", errno);
  return {std::move(fd), bound.st_dev, bound.st_ino};
}

}  // namespace mcroute
