// Which entries of a table may be new.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <new>

#include "flow_hash.h"

namespace mcroute {

/// (S,G) entries that were made in the last seconds, and a few others. The kernel looks entries up without a lock, so a
/// packet may be queued, and asked for, beside an entry that is made meanwhile. Who answers NOCACHE must know whether
/// there may be such an entry, and needs no system call for most flows if told here: a flow whose entry was never made,
/// or so long ago that nothing is queued any more, is answered at once.
///
/// Shared by the threads that make entries of a socket's table; nobody waits.
class RecentEntries {
 public:
  /// Throws std::bad_alloc and std::system_error.
  RecentEntries() : seconds_(static_cast<std::uint8_t*>(std::calloc(kSlots, 1))) {
    if (!seconds_) throw std::bad_alloc();
  }

  /// Before an entry is made.
  void note(const FlowKey& key) { slotOf(key).store(second(), std::memory_order_release); }

  /// Before others may have made entries that nobody tells of, such as those of the process that had the socket before.
  void noteAll() {
    const std::uint8_t now = second();
    for (std::size_t at = 0; at < kSlots; ++at) slot(at).store(now, std::memory_order_release);
  }

  /// False only if no entry of the flow was noted in the last kTime.
  bool mayHold(const FlowKey& key) const {
    const std::uint8_t noted = slotOf(key).load(std::memory_order_acquire);
    return noted != kNever && (second() + kSeconds - noted) % kSeconds <= kTime.count();
  }

  /// Longer than the kernel keeps what it has queued (LeftAloneFlow::kUnresolvedTime), by what may pass between the
  /// note and the entry.
  static constexpr std::chrono::seconds kTime{20};

 private:
  /// A byte each, and pages that are used as entries come: 10,000 entries make a twelfth of all flows seem recent.
  static constexpr std::size_t kSlots = std::size_t{1} << 17;

  static constexpr std::uint8_t kNever = 0;
  /// Seconds are counted round and round, so what is old seems recent for a twelfth of the time: no harm is done.
  static constexpr unsigned kSeconds = 255;

  struct Free {
    void operator()(std::uint8_t* seconds) const { std::free(seconds); }
  };

  /// From 1 on.
  static std::uint8_t second() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return static_cast<std::uint8_t>(1 + time.tv_sec % kSeconds);
  }

  std::atomic_ref<std::uint8_t> slot(std::size_t at) const { return std::atomic_ref(seconds_[at]); }
  std::atomic_ref<std::uint8_t> slotOf(const FlowKey& key) const { return slot(hash_(key) & (kSlots - 1)); }

  FlowHash hash_;
  /// When an entry of the slot was last noted.
  std::unique_ptr<std::uint8_t[], Free> seconds_;
};

}  // namespace mcroute
