#include "launch_signalling.h"

// clang-format off
// The C library's header before the kernel's: linux/libc-compat.h then leaves out what both define.
#include <netinet/in.h>
#include <linux/icmpv6.h>
// clang-format on
#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include "unique_fd.h"

namespace mcroute {
namespace {

constexpr const char* kIgmp = "igmp4";
constexpr const char* kIcmp6 = "icmp6";
constexpr const char* kPacket = "packet";

/// Hop-by-hop options header with router alert for MLD (RFC 2711, value 0) and two bytes of padding.
constexpr std::array<std::uint8_t, 8> kRouterAlert = {0, 0, 5, 2, 0, 0, 1, 0};

UniqueFd open(int domain, int type, int protocol) {
  return UniqueFd(socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

template <typename Value>
bool set(const UniqueFd& fd, int level, int option, const Value& value) {
  return setsockopt(fd.get(), level, option, &value, sizeof value) == 0;
}

/// A filter that lets nothing in: a buffer that nobody empties would only take memory.
UniqueFd openIgmp() {
  UniqueFd fd = open(AF_INET, SOCK_RAW, IPPROTO_IGMP);
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program = {.len = 1, .filter = &nothing};
  return fd && set(fd, SOL_SOCKET, SO_ATTACH_FILTER, program) ? std::move(fd) : UniqueFd();
}

UniqueFd openIcmp6() {
  UniqueFd fd = open(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  // Set bits block.
  icmp6_filter filter;
  std::fill(std::begin(filter.data), std::end(filter.data), ~0U);
  // Setting the option needs CAP_NET_RAW, sending with it later does not.
  const bool isSet =
      fd && set(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, filter) && set(fd, IPPROTO_IPV6, IPV6_HOPOPTS, kRouterAlert);
  return isSet ? std::move(fd) : UniqueFd();
}

/// Of protocol 0, to which no packet comes.
UniqueFd openPacket() { return open(AF_PACKET, SOCK_DGRAM, 0); }

/// errno says why there is no descriptor.
void append(std::vector<NamedDescriptor>& descriptors, UniqueFd fd, const char* name, const char* loss,
            const Console& console) {
  if (fd) {
    descriptors.push_back({fd.release(), name});
    return;
  }
  console.warn(std::string("the socket ") + name + " cannot be opened: " + errnoText(errno) + "; " + loss);
}

}  // namespace

void openSignallingSockets(const LaunchOptions& options, std::vector<NamedDescriptor>& descriptors,
                           const Console& console) {
  std::erase_if(descriptors, [](const NamedDescriptor& descriptor) {
    const bool isOurs = descriptor.name == kIgmp || descriptor.name == kIcmp6 || descriptor.name == kPacket;
    if (isOurs) close(descriptor.fd);
    return isOurs;
  });
  const auto has = [&](const char* name) {
    return std::any_of(descriptors.begin(), descriptors.end(), [&](const auto& one) { return one.name == name; });
  };
  // A family whose table could not be had was told of already.
  if (options.wantsIpv4 && has("mrt4")) {
    append(descriptors, openIgmp(), kIgmp, "there is no querier and no router discovery for IPv4", console);
    append(descriptors, openPacket(), kPacket, "interfaces without an IPv4 address have no querier", console);
  }
  if (options.wantsIpv6 && has("mrt6")) {
    append(descriptors, openIcmp6(), kIcmp6, "there is no querier and no router discovery for IPv6", console);
  }
}

}  // namespace mcroute
