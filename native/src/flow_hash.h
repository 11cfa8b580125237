// A hash of flows that packets choose.
#pragma once

#include <array>

#include "mfc.h"

namespace mcroute {

/// Multilinear hashing with secret factors: strongly universal (Lemire and Kaser, 2014), so that who chooses the
/// sources of packets cannot choose their buckets.
class FlowHash {
 public:
  /// Draws the secret; throws std::system_error.
  FlowHash();

  std::uint32_t operator()(const FlowKey& key) const;

 private:
  std::array<std::uint64_t, kFlowKeyWords + 1> secret_;
};

}  // namespace mcroute
