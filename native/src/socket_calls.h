// Small wrappers of socket calls, and the step from a family as a value to its headers as a type.
#pragma once

#include <sys/socket.h>

#include <cerrno>

#include "uapi_ipv4.h"
#include "uapi_ipv6.h"

namespace mcroute {

/// Calls `call` with an Ipv4Uapi or an Ipv6Uapi.
template <typename Call>
decltype(auto) withUapi(Family family, Call call) {
  return family == Family::ipv4 ? call(Ipv4Uapi{}) : call(Ipv6Uapi{});
}

/// setsockopt(2); an errno, 0 if it was taken.
template <typename Value>
int setOption(int fd, int level, int option, const Value& value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

/// getsockopt(2) of a fixed size; an errno, 0 if it was answered.
template <typename Value>
int getOption(int fd, int level, int option, Value& value) {
  socklen_t length = sizeof value;
  return getsockopt(fd, level, option, &value, &length) == 0 ? 0 : errno;
}

}  // namespace mcroute
