#include "peer_credentials.h"

#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "arguments.h"
#include "errno_error.h"

// Linux 4.13; libc's headers may be older.
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

namespace mcroute {

namespace {

/// Most people are in a few groups; who is in more is asked for with the length that the kernel tells.
constexpr std::size_t kUsualGroups = 32;

std::vector<gid_t> supplementaryGroups(Napi::Env env, int fd) {
  std::vector<gid_t> groups(kUsualGroups);
  for (;;) {
    auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
    // sk_getsockopt tells the length that is needed. The groups of a peer do not change.
    const bool isTooShort = result != 0 && errno == ERANGE && length > groups.size() * sizeof(gid_t);
    if (result != 0 && !isTooShort) throwErrno(env, errno, "getsockopt(SO_PEERGROUPS)");
    groups.resize(length / sizeof(gid_t));
    if (!isTooShort) return groups;
  }
}

}  // namespace

Napi::Value peerCredentials(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = arguments::descriptor(info[0], "fd");
  ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    throwErrno(env, errno, "getsockopt(SO_PEERCRED)");
  const std::vector<gid_t> groups = supplementaryGroups(env, fd);
  const Napi::Array gids = Napi::Array::New(env);
  std::uint32_t count = 0;
  gids.Set(count++, Napi::Number::New(env, credentials.gid));
  for (const gid_t gid : groups)
    if (gid != credentials.gid) gids.Set(count++, Napi::Number::New(env, gid));
  const Napi::Object result = Napi::Object::New(env);
  result.Set("pid", Napi::Number::New(env, credentials.pid));
  result.Set("uid", Napi::Number::New(env, credentials.uid));
  result.Set("gids", gids);
  return result;
}

}  // namespace mcroute
