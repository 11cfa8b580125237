// Addresses of unix sockets.
#pragma once

#include <napi.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

namespace mcroute {

struct UnixAddress {
  sockaddr_un address{};
  socklen_t length = 0;
};

/// `@` begins an abstract name, which is nowhere in the file system.
inline bool isAbstract(const std::string& path) { return path.starts_with('@'); }

/// Throws a RangeError if there is no such address.
UnixAddress unixAddress(Napi::Env env, const std::string& path);

}  // namespace mcroute
