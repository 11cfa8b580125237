// What the two families' headers of the kernel have in common.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "mfc.h"

namespace mcroute {

/// A socket option or an ioctl and its name in errors.
struct KernelCall {
  unsigned long number;
  const char* name;
};

/// What the kernel asks of the owner of a table.
enum class UpcallKind : std::uint8_t { noCache, wrongVif };

struct Upcall {
  UpcallKind kind;
  /// The vif it came in on.
  std::uint32_t vif;
  FlowKey key;
};

/// A message of IGMP or ICMPv6 that came in.
struct ReceivedMessage {
  std::uint32_t ifindex;
  Address source;
  /// TTL or hop limit.
  std::uint32_t hopLimit;
  /// Behind the IP header.
  std::span<const std::uint8_t> payload;
};

/// Ancillary data of a message.
template <typename Value>
std::optional<Value> findControl(msghdr& message, int level, int type) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != level || control->cmsg_type != type) continue;
    if (control->cmsg_len < CMSG_LEN(sizeof(Value))) continue;
    Value value;
    std::memcpy(&value, CMSG_DATA(control), sizeof value);
    return value;
  }
  return std::nullopt;
}

/// Counters of an mfc entry.
struct FlowCount {
  std::uint64_t packets;
  std::uint64_t bytes;
  std::uint64_t wrongIf;
};

/// Counters of a vif.
struct VifCount {
  std::uint64_t inPackets;
  std::uint64_t inBytes;
  std::uint64_t outPackets;
  std::uint64_t outBytes;
};

}  // namespace mcroute
