// Reads and narrows the capability sets of the calling thread (capabilities(7)). Raw system calls: libcap is not needed
// for this and changes one thread only as well. Every function throws std::system_error with the call's name.
#pragma once

#include <cstdint>

namespace mcroute {

/// Capabilities as a bit set, bit n for capability n of linux/capability.h.
using CapabilitySet = std::uint64_t;

constexpr CapabilitySet capabilityBit(int capability) { return CapabilitySet{1} << capability; }

/// The five sets of a thread.
struct CapabilityState {
  CapabilitySet effective;
  CapabilitySet permitted;
  CapabilitySet inheritable;
  CapabilitySet ambient;
  CapabilitySet bounding;
};

/// The sets as the kernel has them for this thread.
CapabilityState readCapabilities();

/// Takes all but `kept` from the bounding set. Needs CAP_SETPCAP if there is anything to take.
void narrowBoundingSet(CapabilitySet kept);

/// Makes the permitted, effective, inheritable and ambient sets exactly `wanted`, so that they pass an exec
/// whoever the user is. EPERM: a wanted capability is not permitted, or is not in the bounding set.
void setCapabilities(CapabilitySet wanted);

}  // namespace mcroute
