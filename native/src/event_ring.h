// Upcall events that wait for JavaScript.
#pragma once

#include <array>
#include <vector>

#include "learned_flow.h"

namespace mcroute {

/// Word 0 of an event.
enum class UpcallEventKind : std::uint32_t { learned = 1, moved = 2, evicted = 3, failed = 4, unresolved = 5 };

constexpr std::size_t kUpcallEventWords = 4 + kFlowKeyWords + kTtlWords;

using UpcallEvent = std::array<std::uint32_t, kUpcallEventWords>;

/// An event in the words of `UpcallThread.drain`; `parent` is the errno where the kernel refused.
inline UpcallEvent makeUpcallEvent(UpcallEventKind kind, Family family, const LearnedFlow& flow, std::uint32_t parent) {
  UpcallEvent event;
  const std::span<std::uint32_t, kUpcallEventWords> words(event);
  words[0] = static_cast<std::uint32_t>(kind);
  words[1] = static_cast<std::uint32_t>(family);
  writeFlowKey(flow.entry.key, words.subspan<2, kFlowKeyWords>());
  words[2 + kFlowKeyWords] = parent;
  words[3 + kFlowKeyWords] = flow.arrival;
  writeTtls(flow.entry.ttls, words.last<kTtlWords>());
  return event;
}

/// A bounded queue that is taken as a whole. Two buffers take turns, so that taking copies nothing under the lock.
class EventRing {
 public:
  explicit EventRing(std::size_t limit) : limit_(limit) {
    waiting_.reserve(limit);
    taken_.reserve(limit);
  }

  /// False where the ring is full.
  bool push(const UpcallEvent& event) {
    if (waiting_.size() == limit_) return false;
    waiting_.push_back(event);
    return true;
  }

  bool isEmpty() const { return waiting_.empty(); }

  /// What waited; good until the next call.
  const std::vector<UpcallEvent>& take() {
    taken_.clear();
    waiting_.swap(taken_);
    return taken_;
  }

 private:
  std::size_t limit_;
  std::vector<UpcallEvent> waiting_;
  std::vector<UpcallEvent> taken_;
};

}  // namespace mcroute
