// What the two families' headers of the kernel have in common.
#pragma once

#include <cstdint>

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
