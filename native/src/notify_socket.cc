#include "notify_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "arguments.h"
#include "errno_error.h"
#include "unique_fd.h"

namespace mcroute {

namespace {

/// SCM_MAX_FD in the kernel: descriptors of one message.
constexpr std::size_t kDescriptorLimit = 253;

struct UnixAddress {
  sockaddr_un address{};
  socklen_t length = 0;
};

UnixAddress unixAddress(Napi::Env env, const std::string& path) {
  UnixAddress receiver;
  receiver.address.sun_family = AF_UNIX;
  const bool isAbstract = path.starts_with('@');
  // A path needs its zero; an abstract name is as long as the address says.
  const std::size_t room = sizeof receiver.address.sun_path - (isAbstract ? 0 : 1);
  if (path.empty() || path.size() > room) {
    arguments::throwRange(env, "path must hold from 1 to " + std::to_string(room) + " bytes");
  }
  std::memcpy(receiver.address.sun_path, path.data(), path.size());
  if (isAbstract) receiver.address.sun_path[0] = '\0';
  receiver.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (isAbstract ? 0 : 1));
  return receiver;
}

}  // namespace

void notify(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  UnixAddress receiver = unixAddress(env, arguments::text(info[0], "path"));
  std::string state = arguments::text(info[1], "state");
  const std::vector<int> fds = arguments::integers(info[2], "fds", kDescriptorLimit);

  iovec part{.iov_base = state.data(), .iov_len = state.size()};
  msghdr message{};
  message.msg_name = &receiver.address;
  message.msg_namelen = receiver.length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorLimit * sizeof(int))> control{};
  if (!fds.empty()) {
    const std::size_t bytes = fds.size() * sizeof(int);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(header), fds.data(), bytes);
  }

  const UniqueFd sender(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!sender) throwErrno(env, errno, "socket");
  ssize_t sent;
  do {
    sent = sendmsg(sender.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) throwErrno(env, errno, "sendmsg");
}

}  // namespace mcroute
