#include "notify_socket.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "errno_error.h"
#include "unique_fd.h"
#include "unix_address.h"

namespace mcroute {

void notify(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  UnixAddress receiver = unixAddress(env, arguments::text(info[0], "path"));
  std::string state = arguments::text(info[1], "state");
  const std::vector<int> fds = arguments::integers(info[2], "fds", kNotifyDescriptorLimit);

  iovec part{.iov_base = state.data(), .iov_len = state.size()};
  msghdr message{};
  message.msg_name = &receiver.address;
  message.msg_namelen = receiver.length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kNotifyDescriptorLimit * sizeof(int))> control{};
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
