#include "signalling_socket.h"

#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "adopted_socket.h"
#include "arguments.h"
#include "errno_error.h"
#include "socket_calls.h"

namespace mcroute {

namespace {

/// A query with the sources of an ordinary frame. What is longer is cut off; no reader needs its end.
constexpr std::size_t kLongestPacket = 1500;

/// Damaged messages that one `receive` throws away.
constexpr int kDamagedLimit = 16;

/// Types that a filter may name; BPF jumps are 8 bits wide.
constexpr std::uint32_t kTypesLimit = 64;

/// Precedence Internetwork Control (RFC 3376, 4).
constexpr int kInternetworkControl = 0xc0;

/// RFC 2113; that of ICMPv6 the launcher has set, since it needs CAP_NET_RAW.
constexpr std::array<std::uint8_t, 4> kRouterAlert{0x94, 4, 0, 0};

int prepareIpv4(int fd) {
  int error = setOption(fd, IPPROTO_IP, IP_PKTINFO, int{1});
  if (error == 0) error = setOption(fd, IPPROTO_IP, IP_OPTIONS, kRouterAlert);
  if (error == 0) error = setOption(fd, IPPROTO_IP, IP_MULTICAST_TTL, int{1});
  if (error == 0) error = setOption(fd, IPPROTO_IP, IP_TOS, kInternetworkControl);
  return error;
}

int prepareIpv6(int fd) {
  int error = setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, int{1});
  if (error == 0) error = setOption(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, int{1});
  if (error == 0) error = setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int{1});
  return error;
}

/// The type is the first byte behind an IPv4 header of whatever length.
int filterIgmp(int fd, const std::vector<int>& types) {
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0));
  code.push_back(BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0));
  for (std::size_t at = 0; at < types.size(); ++at) {
    const auto toKeep = static_cast<std::uint8_t>(types.size() - at);
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(types[at]), toKeep, 0));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, UINT32_MAX));
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  return setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, program);
}

int filterIcmp6(int fd, const std::vector<int>& types) {
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  for (const int type : types) ICMP6_FILTER_SETPASS(type, &filter);
  return setOption(fd, IPPROTO_ICMPV6, ICMP6_FILTER, filter);
}

Napi::Value toObject(Napi::Env env, const ReceivedMessage& message) {
  auto source = Napi::Uint32Array::New(env, kAddressWords);
  std::copy(message.source.begin(), message.source.end(), source.Data());
  auto payload = Napi::Uint8Array::New(env, message.payload.size());
  std::copy(message.payload.begin(), message.payload.end(), payload.Data());
  auto object = Napi::Object::New(env);
  object.Set("ifindex", message.ifindex);
  object.Set("source", source);
  object.Set("hopLimit", message.hopLimit);
  object.Set("payload", payload);
  return object;
}

}  // namespace

Napi::Function SignallingSocket::define(Napi::Env env) {
  return DefineClass(env, "SignallingSocket",
                     {
                         InstanceAccessor<&SignallingSocket::getFamily>("family"),
                         InstanceAccessor<&SignallingSocket::getFd>("fd"),
                         InstanceMethod<&SignallingSocket::acceptTypes>("acceptTypes"),
                         InstanceMethod<&SignallingSocket::send>("send"),
                         InstanceMethod<&SignallingSocket::receive>("receive"),
                         InstanceMethod<&SignallingSocket::onReadable>("onReadable"),
                         InstanceMethod<&SignallingSocket::close>("close"),
                     });
}

SignallingSocket::SignallingSocket(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SignallingSocket>(info), family_(arguments::family(info[0])) {
  const Napi::Env env = info.Env();
  const int fd = arguments::descriptor(info[1], "fd");
  withUapi(family_, [&]<typename Uapi>(Uapi) { checkAdopted(env, fd, Uapi::kDomain, SOCK_RAW, Uapi::kRawProtocol); });
  checkErrno(env, family_ == Family::ipv4 ? prepareIpv4(fd) : prepareIpv6(fd), "setsockopt");
  setAdopted(env, fd);
  // Only now: a descriptor that was refused is still its giver's.
  fd_ = UniqueFd(fd);
}

Napi::Value SignallingSocket::getFamily(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<int>(family_));
}

Napi::Value SignallingSocket::getFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

void SignallingSocket::acceptTypes(const Napi::CallbackInfo& info) {
  const std::vector<int> types = arguments::integers(info[0], "types", kTypesLimit);
  for (const int type : types) {
    if (type > UINT8_MAX) arguments::throwRange(info.Env(), "types must be from 0 to 255");
  }
  if (family_ == Family::ipv4) {
    checkErrno(info.Env(), filterIgmp(fd_.get(), types), "setsockopt(SO_ATTACH_FILTER)");
  } else {
    checkErrno(info.Env(), filterIcmp6(fd_.get(), types), "setsockopt(ICMP6_FILTER)");
  }
}

void SignallingSocket::send(const Napi::CallbackInfo& info) {
  const std::uint32_t ifindex = arguments::ifindex(info[0]);
  const Address source = arguments::address(family_, info[1], "source");
  const Address destination = arguments::address(family_, info[2], "destination");
  const auto payload = arguments::bytes(info[3], "payload");
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    const auto packetInfo = Uapi::packetInfo(ifindex, source);
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof packetInfo)> control{};
    sockaddr_storage name = Uapi::socketAddress(destination);
    iovec part{.iov_base = const_cast<std::uint8_t*>(payload.data()), .iov_len = payload.size()};
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = Uapi::kAddressLength;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = Uapi::kLevel;
    header->cmsg_type = Uapi::kPacketInfo;
    header->cmsg_len = CMSG_LEN(sizeof packetInfo);
    std::memcpy(CMSG_DATA(header), &packetInfo, sizeof packetInfo);
    ssize_t sent;
    do {
      sent = sendmsg(fd_.get(), &message, MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) throwErrno(info.Env(), errno, "sendmsg");
  });
}

Napi::Value SignallingSocket::receive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  for (int damaged = 0; damaged < kDamagedLimit; ++damaged) {
    std::array<std::uint8_t, kLongestPacket> packet;
    // The larger one's, and the hop limit.
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int))> control;
    sockaddr_storage sender{};
    iovec part{.iov_base = packet.data(), .iov_len = packet.size()};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t length;
    do {
      length = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    } while (length < 0 && errno == EINTR);
    if (length < 0 && errno == EAGAIN) return env.Undefined();
    if (length < 0) throwErrno(env, errno, "recvmsg");
    const std::span<const std::uint8_t> bytes(packet.data(), static_cast<std::size_t>(length));
    const auto received = withUapi(family_, [&]<typename Uapi>(Uapi) { return Uapi::parseReceived(message, bytes); });
    if (received) return toObject(env, *received);
  }
  return env.Undefined();
}

void SignallingSocket::onReadable(const Napi::CallbackInfo& info) { FdWatcher::watch(info, fd_, watcher_); }

void SignallingSocket::close(const Napi::CallbackInfo&) {
  watcher_.reset();
  fd_.reset();
}

}  // namespace mcroute
