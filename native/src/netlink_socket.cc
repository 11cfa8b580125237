#include "netlink_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "errno_error.h"
#include "socket_calls.h"

namespace mcroute {

namespace {

/// Notifications of some thousand changes at once. A full buffer costs a resync, not the truth.
constexpr int kReceiveBuffer = 1024 * 1024;

/// The kernel fills datagrams of a dump to 32 KiB at most (netlink_dump); a single answer may be longer.
constexpr std::size_t kLongestDatagram = 64 * 1024;

/// Types and tables that a filter may name; BPF jumps are 8 bits wide.
constexpr std::uint32_t kTypesLimit = 64;
constexpr std::uint32_t kTablesLimit = 8;

/// Where a message about a route has its first attribute, which is RTA_TABLE in those of multicast (ipmr_fill_mroute).
constexpr std::uint32_t kFirstAttribute = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(rtmsg));

/// A filter that keeps messages of these types, and if there are tables only those about them: the socket never sees
/// the others. BPF reads in network byte order, messages are in the host's.
std::vector<sock_filter> messageFilter(const std::vector<int>& types, const std::vector<int>& tables) {
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)));
  for (std::size_t at = 0; at < types.size(); ++at) {
    const auto toRest = static_cast<std::uint8_t>(types.size() - at);
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(static_cast<std::uint16_t>(types[at])), toRest, 0));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  if (!tables.empty()) {
    const auto toKeep = static_cast<std::uint8_t>(tables.size() + 2);
    code.push_back(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kFirstAttribute + offsetof(nlattr, nla_type)));
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTA_TABLE), 0, toKeep));
    code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kFirstAttribute + NLA_HDRLEN));
    for (std::size_t at = 0; at < tables.size(); ++at) {
      const auto toEnd = static_cast<std::uint8_t>(tables.size() - at);
      code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(static_cast<std::uint32_t>(tables[at])), toEnd, 0));
    }
    code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, UINT32_MAX));
  return code;
}

/// Datagrams of other processes that one `receive` throws away.
constexpr int kForeignLimit = 16;

}  // namespace

Napi::Function NetlinkSocket::define(Napi::Env env) {
  return DefineClass(env, "NetlinkSocket",
                     {
                         InstanceAccessor<&NetlinkSocket::getFd>("fd"),
                         InstanceAccessor<&NetlinkSocket::getPortId>("portId"),
                         InstanceMethod<&NetlinkSocket::acceptTypes>("acceptTypes"),
                         InstanceMethod<&NetlinkSocket::joinGroup>("joinGroup"),
                         InstanceMethod<&NetlinkSocket::send>("send"),
                         InstanceMethod<&NetlinkSocket::receive>("receive"),
                         InstanceMethod<&NetlinkSocket::onReadable>("onReadable"),
                         InstanceMethod<&NetlinkSocket::close>("close"),
                     });
}

NetlinkSocket::NetlinkSocket(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NetlinkSocket>(info), buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kLongestDatagram)) {
  const Napi::Env env = info.Env();
  fd_ = UniqueFd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd_) throwErrno(env, errno, "socket");
  const auto set = [&](int option, const char* syscall) {
    checkErrno(env, setOption(fd_.get(), SOL_NETLINK, option, int{1}), syscall);
  };
  set(NETLINK_GET_STRICT_CHK, "setsockopt(NETLINK_GET_STRICT_CHK)");
  set(NETLINK_EXT_ACK, "setsockopt(NETLINK_EXT_ACK)");
  set(NETLINK_CAP_ACK, "setsockopt(NETLINK_CAP_ACK)");
  // Without CAP_NET_ADMIN in the first user namespace the buffer stays as it is: resyncs are more frequent.
  setOption(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throwErrno(env, errno, "bind");
  socklen_t length = sizeof address;
  if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throwErrno(env, errno, "getsockname");
  }
  portId_ = address.nl_pid;
}

Napi::Value NetlinkSocket::getFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

Napi::Value NetlinkSocket::getPortId(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), portId_); }

void NetlinkSocket::acceptTypes(const Napi::CallbackInfo& info) {
  const auto types = arguments::integers(info[0], "types", kTypesLimit);
  const auto tables = info[1].IsUndefined() ? std::vector<int>() : arguments::integers(info[1], "tables", kTablesLimit);
  std::vector<sock_filter> code = messageFilter(types, tables);
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  const int error = setOption(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, program);
  checkErrno(info.Env(), error, "setsockopt(SO_ATTACH_FILTER)");
}

void NetlinkSocket::joinGroup(const Napi::CallbackInfo& info) {
  const int group = static_cast<int>(arguments::integer(info[0], "group", 1, INT32_MAX));
  const int error = setOption(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  checkErrno(info.Env(), error, "setsockopt(NETLINK_ADD_MEMBERSHIP)");
}

void NetlinkSocket::send(const Napi::CallbackInfo& info) {
  const auto message = arguments::bytes(info[0], "message");
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent;
  do {
    sent = sendto(fd_.get(), message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) throwErrno(info.Env(), errno, "sendto");
}

Napi::Value NetlinkSocket::receive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  for (int foreign = 0; foreign < kForeignLimit; ++foreign) {
    sockaddr_nl sender{};
    iovec part{.iov_base = buffer_.get(), .iov_len = kLongestDatagram};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    ssize_t length;
    do {
      length = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    } while (length < 0 && errno == EINTR);
    if (length < 0 && errno == EAGAIN) return env.Undefined();
    if (length < 0) throwErrno(env, errno, "recvmsg");
    // Only the kernel has port 0: other processes may write to this socket too.
    if (sender.nl_pid != 0) continue;
    if ((message.msg_flags & MSG_TRUNC) != 0) throwErrno(env, EMSGSIZE, "recvmsg");
    auto datagram = Napi::Uint8Array::New(env, static_cast<std::size_t>(length));
    std::memcpy(datagram.Data(), buffer_.get(), static_cast<std::size_t>(length));
    return datagram;
  }
  return env.Undefined();
}

void NetlinkSocket::onReadable(const Napi::CallbackInfo& info) { FdWatcher::watch(info, fd_, watcher_); }

void NetlinkSocket::close(const Napi::CallbackInfo&) {
  watcher_.reset();
  fd_.reset();
}

}  // namespace mcroute
