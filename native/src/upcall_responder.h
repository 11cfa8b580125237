// What becomes of an upcall: the rules, the learned entries and the events, behind one lock.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "event_ring.h"
#include "learned_flow.h"
#include "left_alone_flow.h"
#include "priority_mutex.h"
#include "recent_entries.h"
#include "uapi.h"
#include "upcall_rules.h"

namespace mcroute {

struct UpcallLimits {
  /// Learned entries of one family without and with oifs.
  std::size_t unmatched;
  std::size_t learned;
  /// Events that wait.
  std::size_t ring;
};

/// The table of a family: its MRT socket, which must stay open while records are applied and rules set, and the entries
/// that anyone makes in it. Nothing where there is none.
struct UpcallTable {
  int fd = -1;
  std::shared_ptr<RecentEntries> recentEntries;
};

/// Totals since the start; named as in the typed API.
struct UpcallStats {
  std::uint64_t noCache = 0;
  std::uint64_t wrongVif = 0;
  std::uint64_t learned = 0;
  std::uint64_t unmatched = 0;
  std::uint64_t evicted = 0;
  std::uint64_t failed = 0;
  std::uint64_t unresolved = 0;
  std::uint64_t droppedEvents = 0;
  std::uint64_t droppedUpcalls = 0;
};

/// Used by the upcall thread (`respond`, `addDroppedUpcalls`) and by the JavaScript thread (all else). The lock is held
/// for one upcall, one record, or a short run of records at a time, so neither waits for long batches of the other.
class UpcallResponder {
 public:
  /// `tables` are by familyIndex. `wake` is called without the lock when events have begun to wait.
  UpcallResponder(std::array<UpcallTable, kFamilies> tables, const UpcallLimits& limits, std::function<void()> wake);

  void respond(Family family, const Upcall& upcall);
  /// Wakes if there is news. Due after calls of `respond`, `setRules`, `applyLearned` and `adopt`: not in them, because
  /// waking takes longer than an answer.
  void announce();
  void addDroppedUpcalls(std::uint32_t count);

  /// While it runs some prefixes are answered by the new rules and some by the old; when it returns all by the new,
  /// also flows of these prefixes that were left alone, about which the kernel asks no more.
  void setRules(Family family, std::vector<GroupChange> changes);
  /// One record in one step with respect to the thread: the kernel and the list never differ for it. An errno.
  int applyLearned(Family family, MfcOperation operation, const MfcEntry& entry);
  /// Puts an entry that the kernel has on the list.
  void adopt(Family family, const MfcEntry& entry);
  /// A flow that the kernel asked someone else about; on which vif is not known.
  void adoptUnresolved(Family family, const FlowKey& key);
  void touch(Family family, const FlowKey& key);
  /// Each learned entry as it was at some moment of the call; what changed meanwhile is in the ring.
  std::vector<UpcallEvent> learned(Family family);
  /// Good until the next call.
  const std::vector<UpcallEvent>& drain();
  bool hasEvents();
  UpcallStats stats();

 private:
  struct Side {
    Side(Family family, UpcallTable table, const UpcallLimits& limits)
        : family(family),
          fd(table.fd),
          recentEntries(std::move(table.recentEntries)),
          rules(family),
          flows({limits.learned, limits.unmatched}) {}
    Family family;
    int fd;
    std::shared_ptr<RecentEntries> recentEntries;
    UpcallRules rules;
    LearnedFlows flows;
    /// None of them has an entry here.
    LeftAloneFlows leftAlone{{kLeftAloneLimit}};
  };

  /// Flows left alone that are remembered, the last ones; those before them wait until the kernel asks again.
  static constexpr std::size_t kLeftAloneLimit = 1024;

  void answerLeftAlone(Side& side, const std::vector<GroupChange>& changes);

  // All below are called with the lock held.
  Side& side(Family family) { return sides_[familyIndex(family)]; }
  void answerNoCache(Side& side, const Upcall& upcall);
  void learn(Side& side, const LearnedFlow& flow);
  void leaveAlone(Side& side, const Upcall& upcall);
  void remember(Side& side, const Upcall& upcall);
  void answerAgain(Side& side, const Upcall& upcall);
  void answerWrongVif(Side& side, const Upcall& upcall);
  bool install(Side& side, const LearnedFlow& flow, UpcallEventKind kind);
  void makeRoom(Side& side, const LearnedFlow& flow);
  static int put(Side& side, const MfcEntry& entry);
  bool putEntry(Side& side, const LearnedFlow& flow);
  bool removeEntry(Side& side, const LearnedFlow& flow);
  void keep(Side& side, const LearnedFlow& flow);
  void push(UpcallEventKind kind, const Side& side, const LearnedFlow& flow, std::uint32_t parent);

  PriorityMutex mutex_;
  std::array<Side, kFamilies> sides_;
  EventRing ring_;
  UpcallStats stats_;
  /// Events have begun to wait and nobody was told.
  std::atomic<bool> isNews_ = false;
  std::function<void()> wake_;
};

}  // namespace mcroute
