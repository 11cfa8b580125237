#include "unix_address.h"

#include <cstddef>
#include <cstring>

#include "arguments.h"

namespace mcroute {

UnixAddress unixAddress(Napi::Env env, const std::string& path) {
  UnixAddress unixAddress;
  unixAddress.address.sun_family = AF_UNIX;
  // A path needs its zero; an abstract name is as long as the address says.
  const std::size_t zero = isAbstract(path) ? 0 : 1;
  const std::size_t room = sizeof unixAddress.address.sun_path - zero;
  if (path.empty() || path.size() > room) {
    arguments::throwRange(env, "path must hold from 1 to " + std::to_string(room) + " bytes");
  }
  std::memcpy(unixAddress.address.sun_path, path.data(), path.size());
  if (isAbstract(path)) unixAddress.address.sun_path[0] = '\0';
  unixAddress.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + zero);
  return unixAddress;
}

}  // namespace mcroute
