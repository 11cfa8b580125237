// An upcall that was left alone, and the list of those that other rules may answer.
#pragma once

#include <chrono>

#include "flow_table.h"
#include "uapi.h"

namespace mcroute {

/// A flow that the kernel has asked about and has no entry for. It asks no more as long as it keeps the flow unresolved
/// (`ipmr_cache_unresolved`), whatever vif its packets come in on.
struct LeftAloneFlow {
  /// CLOCK_MONOTONIC.
  using Clock = std::chrono::steady_clock;

  /// The kernel keeps it 10 s from the first packet, and its timers may be late by an eighth (kernel/time/timer.c).
  static constexpr std::chrono::milliseconds kUnresolvedTime{11'250};

  static constexpr std::size_t kLists = 1;

  Upcall upcall;
  Clock::time_point since;

  const FlowKey& key() const { return upcall.key; }
  std::size_t list() const { return 0; }
  /// After that the kernel asks again by itself.
  bool isUnresolved(Clock::time_point now) const { return now - since < kUnresolvedTime; }
};

using LeftAloneFlows = FlowTable<LeftAloneFlow>;

}  // namespace mcroute
