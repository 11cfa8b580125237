#include "launch_sockets.h"

// clang-format off
// The C library's header before the kernel's: linux/libc-compat.h then leaves out what both define.
#include <netinet/in.h>
#include <linux/icmpv6.h>
#include <linux/mroute.h>
#include <linux/mroute6.h>
// clang-format on
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "unique_fd.h"

namespace mcroute {
namespace {

/// What differs between the families: numbers and names.
struct FamilyConstants {
  const char* title;
  const char* descriptorName;
  int domain;
  int protocol;
  int level;
  int tableOption;
  int initOption;
  int versionOption;
  const char* tableOptionName;
  const char* initOptionName;
  const char* kernelOption;
  const char* kernelTablesOption;
};

constexpr FamilyConstants kIpv4 = {.title = "IPv4",
                                   .descriptorName = "mrt4",
                                   .domain = AF_INET,
                                   .protocol = IPPROTO_IGMP,
                                   .level = IPPROTO_IP,
                                   .tableOption = MRT_TABLE,
                                   .initOption = MRT_INIT,
                                   .versionOption = MRT_VERSION,
                                   .tableOptionName = "MRT_TABLE",
                                   .initOptionName = "MRT_INIT",
                                   .kernelOption = "CONFIG_IP_MROUTE",
                                   .kernelTablesOption = "CONFIG_IP_MROUTE_MULTIPLE_TABLES"};

constexpr FamilyConstants kIpv6 = {.title = "IPv6",
                                   .descriptorName = "mrt6",
                                   .domain = AF_INET6,
                                   .protocol = IPPROTO_ICMPV6,
                                   .level = IPPROTO_IPV6,
                                   .tableOption = MRT6_TABLE,
                                   .initOption = MRT6_INIT,
                                   .versionOption = MRT6_VERSION,
                                   .tableOptionName = "MRT6_TABLE",
                                   .initOptionName = "MRT6_INIT",
                                   .kernelOption = "CONFIG_IPV6_MROUTE",
                                   .kernelTablesOption = "CONFIG_IPV6_MROUTE_MULTIPLE_TABLES"};

/// What the querier and the table of memberships read: MLD query, report, done, and the report of MLDv2 (RFC 3810).
constexpr std::array<std::uint8_t, 4> kMldTypes = {130, 131, 132, 143};

/// Hop-by-hop options header with router alert for MLD (RFC 2711, value 0) and two bytes of padding.
constexpr std::array<std::uint8_t, 8> kRouterAlert = {0, 0, 5, 2, 0, 0, 1, 0};

LaunchError missingCapability() {
  return LaunchError(Reason::missingCapability,
                     "the program needs CAP_NET_ADMIN and CAP_NET_RAW: start it as root, from its systemd unit, or "
                     "inside `unshare --map-root-user --net`");
}

template <typename Value>
void setOption(int fd, int level, int option, const Value& value, const char* name) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) {
    throw kernelError(std::string("setsockopt(") + name + ")", errno);
  }
}

int readIntOption(int fd, int option, const char* name) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, option, &value, &length) != 0) {
    throw kernelError(std::string("getsockopt(") + name + ")", errno);
  }
  return value;
}

UniqueFd openRawSocket(const FamilyConstants& family) {
  UniqueFd fd(socket(family.domain, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, family.protocol));
  if (fd) return fd;
  switch (errno) {
    case EPERM:
    case EACCES:
      throw missingCapability();
    case EAFNOSUPPORT:
      throw LaunchError(
          Reason::kernelUnsupported,
          std::string("the kernel has no ") + family.title +
              ": boot it without ipv6.disable=1 and with the protocol built in, or leave the family out of --families");
    default:
      throw kernelError(std::string("socket(") + family.title + ")", errno);
  }
}

/// ENOPROTOOPT for the table alone means a kernel that knows one table only; the version can be asked for by anyone.
LaunchError unsupported(const FamilyConstants& family, int fd) {
  int version = 0;
  socklen_t length = sizeof version;
  const bool hasMroute =
      getsockopt(fd, family.level, family.versionOption, &version, &length) == 0 || errno != ENOPROTOOPT;
  return LaunchError(Reason::kernelUnsupported, std::string("the kernel was built without ") +
                                                    (hasMroute ? family.kernelTablesOption : family.kernelOption) +
                                                    ": use a kernel that has it (Debian's, Fedora's and Ubuntu's do)");
}

/// Must come before MRT_INIT and must not be ignored: MRT_INIT asks for no capability and would take the default table.
void chooseTable(const FamilyConstants& family, int fd, std::uint32_t table) {
  if (setsockopt(fd, family.level, family.tableOption, &table, sizeof table) == 0) return;
  switch (errno) {
    case EPERM:
    case EACCES:
      throw missingCapability();
    case ENOPROTOOPT:
      throw unsupported(family, fd);
    case EINVAL:
      throw LaunchError(Reason::invalidField, std::string("the kernel refuses ") + family.title + " table " +
                                                  std::to_string(table) + ": choose another " + tableOption());
    default:
      throw kernelError(std::string("setsockopt(") + family.tableOptionName + ")", errno);
  }
}

void ownTable(const FamilyConstants& family, int fd, std::uint32_t table) {
  const int one = 1;
  if (setsockopt(fd, family.level, family.initOption, &one, sizeof one) == 0) return;
  switch (errno) {
    case EADDRINUSE:
      throw LaunchError(Reason::tableInUse, (table == 0 ? "the default table" : "table " + std::to_string(table)) +
                                                " (" + family.title +
                                                ") is owned by another program, perhaps another agent, smcrouted or "
                                                "pimd: stop it (find it with `ss -awp`) or choose another " +
                                                tableOption());
    case EPERM:
    case EACCES:
      throw missingCapability();
    case ENOPROTOOPT:
      throw unsupported(family, fd);
    default:
      throw kernelError(std::string("setsockopt(") + family.initOptionName + ")", errno);
  }
}

/// @returns false if the buffer is smaller than asked for. The kernel reports twice what it was asked.
bool enlargeReceiveBuffer(int fd, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0) return true;
  if (errno != EPERM) throw kernelError("setsockopt(SO_RCVBUFFORCE)", errno);
  // CAP_NET_ADMIN of a user namespace does not count here; SO_RCVBUF cuts silently at net.core.rmem_max.
  setOption(fd, SOL_SOCKET, SO_RCVBUF, bytes, "SO_RCVBUF");
  return readIntOption(fd, SO_RCVBUF, "SO_RCVBUF") / 2 >= bytes;
}

void configureIpv4(int fd) {
  const int one = 1;
  setOption(fd, IPPROTO_IP, IP_PKTINFO, one, "IP_PKTINFO");
}

void configureIpv6(int fd) {
  const int one = 1;
  setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, one, "IPV6_RECVPKTINFO");
  // Set bits block. Upcalls pass whatever the filter says; without it every neighbour solicitation comes here.
  icmp6_filter filter;
  std::fill(std::begin(filter.data), std::end(filter.data), ~0U);
  for (const auto type : kMldTypes) filter.data[type >> 5] &= ~(1U << (type & 31));
  setOption(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, filter, "ICMPV6_FILTER");
  // Setting this needs CAP_NET_RAW, sending with it later does not: it sticks, for the queries of MLD (RFC 3810, 5).
  setOption(fd, IPPROTO_IPV6, IPV6_HOPOPTS, kRouterAlert, "IPV6_HOPOPTS");
}

NamedDescriptor openMrouteSocket(const FamilyConstants& family, const LaunchOptions& options, const Console& console) {
  UniqueFd fd = openRawSocket(family);
  // The default table needs no choice, which a kernel that has but this one would refuse.
  if (options.table != 0) chooseTable(family, fd.get(), options.table);
  if (family.domain == AF_INET) {
    configureIpv4(fd.get());
  } else {
    configureIpv6(fd.get());
  }
  if (!enlargeReceiveBuffer(fd.get(), options.receiveBuffer)) {
    console.warn(std::string("the receive buffer of ") + family.descriptorName + " is " +
                 std::to_string(readIntOption(fd.get(), SO_RCVBUF, "SO_RCVBUF") / 2) + " bytes instead of " +
                 std::to_string(options.receiveBuffer) +
                 ", so fewer new flows can wait: raise net.core.rmem_max, or ask for less with --receive-buffer");
  }
  ownTable(family, fd.get(), options.table);
  return {fd.release(), family.descriptorName};
}

bool hasDescriptor(const std::vector<NamedDescriptor>& descriptors, const FamilyConstants& family) {
  return std::any_of(descriptors.begin(), descriptors.end(),
                     [&](const auto& descriptor) { return descriptor.name == family.descriptorName; });
}

void checkHandedOver(const NamedDescriptor& descriptor, const FamilyConstants& family) {
  if (descriptor.name != family.descriptorName) return;
  int domain = 0;
  socklen_t length = sizeof domain;
  const bool isSocket = getsockopt(descriptor.fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0;
  if (isSocket && domain == family.domain && readIntOption(descriptor.fd, SO_TYPE, "SO_TYPE") == SOCK_RAW &&
      readIntOption(descriptor.fd, SO_PROTOCOL, "SO_PROTOCOL") == family.protocol) {
    return;
  }
  throw LaunchError(Reason::invalidField, "descriptor " + std::to_string(descriptor.fd) + ", handed over as " +
                                              family.descriptorName + ", is not an " + family.title +
                                              " multicast routing socket: stop the unit, empty its descriptor store "
                                              "(`systemctl clean --what=fdstore UNIT`) and start it again");
}

}  // namespace

void openMrouteSockets(const LaunchOptions& options, std::vector<NamedDescriptor>& descriptors,
                       const Console& console) {
  for (const auto& descriptor : descriptors) {
    checkHandedOver(descriptor, kIpv4);
    checkHandedOver(descriptor, kIpv6);
  }
  if (options.wantsIpv4 && !hasDescriptor(descriptors, kIpv4)) {
    descriptors.push_back(openMrouteSocket(kIpv4, options, console));
  }
  if (!options.wantsIpv6 || hasDescriptor(descriptors, kIpv6)) return;
  try {
    descriptors.push_back(openMrouteSocket(kIpv6, options, console));
  } catch (const LaunchError& error) {
    if (error.reason() != Reason::kernelUnsupported || !hasDescriptor(descriptors, kIpv4)) throw;
    console.warn(std::string(error.what()) + "; going on with IPv4 alone");
  }
}

}  // namespace mcroute
