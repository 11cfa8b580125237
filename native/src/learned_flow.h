// An entry that the upcall thread made, and the list of them.
#pragma once

#include "flow_table.h"

namespace mcroute {

/// An entry and the vif that its first packet came in on.
struct LearnedFlow {
  /// Matched and unmatched, each with a limit of its own.
  static constexpr std::size_t kLists = 2;

  MfcEntry entry;
  std::uint32_t arrival = 0;

  const FlowKey& key() const { return entry.key; }
  bool isMatched() const { return hasOifs(entry.ttls); }
  std::size_t list() const { return isMatched() ? 0 : 1; }
};

using LearnedFlows = FlowTable<LearnedFlow>;

}  // namespace mcroute
