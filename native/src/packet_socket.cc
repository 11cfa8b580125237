#include "packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "adopted_socket.h"
#include "arguments.h"
#include "errno_error.h"

namespace mcroute {

Napi::Function PacketSocket::define(Napi::Env env) {
  return DefineClass(env, "PacketSocket",
                     {
                         InstanceAccessor<&PacketSocket::getFd>("fd"),
                         InstanceMethod<&PacketSocket::send>("send"),
                         InstanceMethod<&PacketSocket::close>("close"),
                     });
}

PacketSocket::PacketSocket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PacketSocket>(info) {
  const int fd = arguments::descriptor(info[0], "fd");
  checkAdopted(info.Env(), fd, AF_PACKET, SOCK_DGRAM, 0);
  setAdopted(info.Env(), fd);
  // Only now: a descriptor that was refused is still its giver's.
  fd_ = UniqueFd(fd);
}

Napi::Value PacketSocket::getFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

void PacketSocket::send(const Napi::CallbackInfo& info) {
  sockaddr_ll destination{};
  destination.sll_family = AF_PACKET;
  destination.sll_ifindex = static_cast<int>(arguments::ifindex(info[0]));
  destination.sll_protocol = htons(static_cast<std::uint16_t>(arguments::integer(info[1], "ethertype", 0, UINT16_MAX)));
  const auto linkAddress = arguments::bytes(info[2], "linkAddress");
  if (linkAddress.empty() || linkAddress.size() > sizeof destination.sll_addr) {
    arguments::throwRange(info.Env(), "linkAddress must have 1 to 8 bytes");
  }
  destination.sll_halen = static_cast<unsigned char>(linkAddress.size());
  std::memcpy(destination.sll_addr, linkAddress.data(), linkAddress.size());
  const auto packet = arguments::bytes(info[3], "packet");
  ssize_t sent;
  do {
    sent = sendto(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&destination),
                  sizeof destination);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) throwErrno(info.Env(), errno, "sendto");
}

void PacketSocket::close(const Napi::CallbackInfo&) { fd_.reset(); }

}  // namespace mcroute
