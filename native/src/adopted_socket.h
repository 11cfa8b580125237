// Checks descriptors that came from another process before they are trusted.
#pragma once

#include <fcntl.h>
#include <napi.h>
#include <sys/socket.h>

#include <cerrno>

#include "errno_error.h"
#include "socket_calls.h"

namespace mcroute {

/// Throws EPROTOTYPE, or what getsockopt(2) says, unless the descriptor is a socket of this kind.
inline void checkAdopted(Napi::Env env, int fd, int domain, int type, int protocol) {
  const auto check = [&](int option, const char* syscall, int wanted) {
    int actual = 0;
    checkErrno(env, getOption(fd, SOL_SOCKET, option, actual), syscall);
    if (actual != wanted) throwErrno(env, EPROTOTYPE, syscall);
  };
  check(SO_DOMAIN, "getsockopt(SO_DOMAIN)", domain);
  check(SO_TYPE, "getsockopt(SO_TYPE)", type);
  check(SO_PROTOCOL, "getsockopt(SO_PROTOCOL)", protocol);
}

/// FD_CLOEXEC, which does not come with an inherited descriptor.
inline void setCloseOnExec(Napi::Env env, int fd) {
  const int flags = fcntl(fd, F_GETFD);
  if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0) throwErrno(env, errno, "fcntl(F_SETFD)");
}

/// What the addon's own descriptors have from birth.
inline void setAdopted(Napi::Env env, int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) throwErrno(env, errno, "fcntl(F_SETFL)");
  setCloseOnExec(env, fd);
}

}  // namespace mcroute
