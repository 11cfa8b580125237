#include "upcall_responder.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "mroute_calls.h"

namespace mcroute {

namespace {

/// Prefixes replaced, flows read in one hold of the lock: a few microseconds.
constexpr std::size_t kRun = 16;

}  // namespace

UpcallResponder::UpcallResponder(std::array<UpcallTable, kFamilies> tables, const UpcallLimits& limits,
                                 std::function<void()> wake)
    : sides_{Side(Family::ipv4, std::move(tables[0]), limits), Side(Family::ipv6, std::move(tables[1]), limits)},
      ring_(limits.ring),
      wake_(std::move(wake)) {}

void UpcallResponder::respond(Family family, const Upcall& upcall) {
  // The kernel has no vif beyond the limit; a shift by more than a word would be undefined.
  if (upcall.vif >= kVifLimit) return;
  const std::lock_guard lock(mutex_);
  switch (upcall.kind) {
    case UpcallKind::noCache:
      ++stats_.noCache;
      return answerNoCache(side(family), upcall);
    case UpcallKind::wrongVif:
      ++stats_.wrongVif;
      return answerWrongVif(side(family), upcall);
  }
}

void UpcallResponder::announce() {
  if (isNews_.exchange(false)) wake_();
}

void UpcallResponder::answerNoCache(Side& side, const Upcall& upcall) {
  // IPv6 asks for packets without a source too (`ip6_mr_input`), and takes an entry of that source for a (*,G) one.
  if (upcall.key.source == Address{}) {
    ++stats_.unresolved;
    return;
  }
  const PlacedFlow placed = placeFlow(side.rules.answer(upcall.key), upcall.key, upcall.vif);
  if (placed.placement == Placement::unresolved) return leaveAlone(side, upcall);
  learn(side, {.entry = placed.entry, .arrival = upcall.vif});
}

void UpcallResponder::learn(Side& side, const LearnedFlow& flow) {
  if (install(side, flow, UpcallEventKind::learned)) ++(flow.isMatched() ? stats_.learned : stats_.unmatched);
}

void UpcallResponder::leaveAlone(Side& side, const Upcall& upcall) {
  remember(side, upcall);
  ++stats_.unresolved;
  const MfcEntry none{.key = upcall.key, .parent = upcall.vif};
  push(UpcallEventKind::unresolved, side, {.entry = none, .arrival = upcall.vif}, none.parent);
}

/// So that rules which come later answer it.
void UpcallResponder::remember(Side& side, const Upcall& upcall) {
  const LeftAloneFlow leftAlone{.upcall = upcall, .since = LeftAloneFlow::Clock::now()};
  if (const LeftAloneFlow* victim = side.leftAlone.victimFor(leftAlone)) {
    // A copy, because removing it frees its slot.
    const FlowKey oldest = victim->key();
    side.leftAlone.remove(oldest);
  }
  side.leftAlone.put(leftAlone);
}

/// Answers an upcall that was left alone, if the rules of now have an answer; a new entry sends on what is queued.
void UpcallResponder::answerAgain(Side& side, const Upcall& upcall) {
  const Answer answer = side.rules.answer(upcall.key);
  const PlacedFlow placed = placeFlow(answer, upcall.key, upcall.vif);
  if (placed.placement == Placement::unresolved) return;
  side.leftAlone.remove(upcall.key);
  // JavaScript may have made an entry, which must stay.
  FlowCount count;
  if (countFlow(side.family, side.fd, upcall.key, count) == 0) return;
  const LearnedFlow flow{.entry = placed.entry, .arrival = upcall.vif};
  if (!answer.hasSeveralIifs()) return learn(side, flow);
  // The upcall is of another time. An entry that stays would take the packets away of the iif that the source is on
  // now, which its next packet tells: without an entry the kernel asks.
  if (putEntry(side, flow)) removeEntry(side, flow);
}

void UpcallResponder::answerWrongVif(Side& side, const Upcall& upcall) {
  const LearnedFlow* known = side.flows.find(upcall.key);
  const Answer answer = side.rules.answer(upcall.key);
  // An entry that is not on the list is JavaScript's; one that has this parent by now was moved by an earlier upcall.
  const bool isToMove =
      known != nullptr && answer.forwards(upcall.vif) && (known->entry.parent != upcall.vif || !known->isMatched());
  if (!isToMove) {
    ++stats_.unresolved;
    return;
  }
  const MfcEntry entry{.key = upcall.key, .parent = upcall.vif, .ttls = answer.oifs[upcall.vif]};
  install(side, {.entry = entry, .arrival = upcall.vif}, UpcallEventKind::moved);
}

bool UpcallResponder::install(Side& side, const LearnedFlow& flow, UpcallEventKind kind) {
  if (kind == UpcallEventKind::learned && side.recentEntries->mayHold(flow.key())) makeRoom(side, flow);
  if (!putEntry(side, flow)) return false;
  keep(side, flow);
  push(kind, side, flow, flow.entry.parent);
  return true;
}

/// A packet may be queued beside an entry that was made meanwhile, see RecentEntries. Only a new entry sends on what is
/// queued (`ipmr_mfc_add`), and while it is queued nothing is asked again.
void UpcallResponder::makeRoom(Side& side, const LearnedFlow& flow) {
  FlowCount count;
  if (countFlow(side.family, side.fd, flow.key(), count) == 0) {
    applyMfc(side.family, side.fd, MfcOperation::remove, flow.entry);
  }
}

/// One MRT_ADD_MFC: a new entry, or a change in place. An errno.
int UpcallResponder::put(Side& side, const MfcEntry& entry) {
  if (side.recentEntries) side.recentEntries->note(entry.key);
  return applyMfc(side.family, side.fd, MfcOperation::put, entry);
}

/// The same for a flow that was asked about.
bool UpcallResponder::putEntry(Side& side, const LearnedFlow& flow) {
  const int error = put(side, flow.entry);
  if (error == 0) return true;
  ++stats_.failed;
  push(UpcallEventKind::failed, side, flow, static_cast<std::uint32_t>(error));
  return false;
}

/// One MRT_DEL_MFC. True also where someone else was first.
bool UpcallResponder::removeEntry(Side& side, const LearnedFlow& flow) {
  const int error = applyMfc(side.family, side.fd, MfcOperation::remove, flow.entry);
  if (error == 0 || error == ENOENT) return true;
  ++stats_.failed;
  push(UpcallEventKind::failed, side, flow, static_cast<std::uint32_t>(error));
  return false;
}

/// Puts a flow that the kernel has on its list; the oldest makes room.
void UpcallResponder::keep(Side& side, const LearnedFlow& flow) {
  if (const LearnedFlow* victim = side.flows.victimFor(flow)) {
    // A copy, because removing it frees its slot.
    const LearnedFlow oldest = *victim;
    side.flows.remove(oldest.key());
    if (removeEntry(side, oldest)) {
      ++stats_.evicted;
      push(UpcallEventKind::evicted, side, oldest, oldest.entry.parent);
    }
  }
  side.flows.put(flow);
  side.leftAlone.remove(flow.key());
}

void UpcallResponder::push(UpcallEventKind kind, const Side& side, const LearnedFlow& flow, std::uint32_t parent) {
  const bool isFirst = ring_.isEmpty();
  if (!ring_.push(makeUpcallEvent(kind, side.family, flow, parent))) {
    ++stats_.droppedEvents;
  } else if (isFirst) {
    isNews_ = true;
  }
}

void UpcallResponder::addDroppedUpcalls(std::uint32_t count) {
  const std::lock_guard lock(mutex_);
  stats_.droppedUpcalls += count;
}

void UpcallResponder::setRules(Family family, std::vector<GroupChange> changes) {
  Side& side = this->side(family);
  // No other thread changes the rules, so they may be read without the lock. What is left in `slots` is freed without
  // it.
  GroupTable::Slots slots = side.rules.grown(changes.size());
  if (!slots.empty()) {
    const std::lock_guard lock(mutex_);
    side.rules.use(slots);
  }
  for (std::size_t begin = 0; begin < changes.size(); begin += kRun) {
    const std::size_t end = std::min(begin + kRun, changes.size());
    const std::lock_guard lock(mutex_);
    for (std::size_t at = begin; at < end; ++at) side.rules.replace(changes[at]);
  }
  answerLeftAlone(side, changes);
  // The old rules are freed here, with `changes`, outside the lock.
}

/// Only after the last of the rules is set, because several of the prefixes may hold one group.
void UpcallResponder::answerLeftAlone(Side& side, const std::vector<GroupChange>& changes) {
  // Slots that come later hold flows that the new rules have left alone.
  const std::size_t slots = [&] {
    const std::lock_guard lock(mutex_);
    return side.leftAlone.isEmpty() ? 0 : side.leftAlone.slotCount();
  }();
  if (slots == 0) return;
  PrefixSet groups;
  for (const GroupChange& change : changes) groups.add(change.group);
  const auto now = LeftAloneFlow::Clock::now();
  for (std::size_t at = 0; at < slots; ++at) {
    // One at a time, as each may take system calls.
    const std::lock_guard lock(mutex_);
    const LeftAloneFlow* known = side.leftAlone.slot(at);
    if (known == nullptr) continue;
    // A copy, because its slot is freed.
    const LeftAloneFlow flow = *known;
    if (!flow.isUnresolved(now)) {
      side.leftAlone.remove(flow.key());
    } else if (groups.holds(flow.key().group)) {
      answerAgain(side, flow.upcall);
    }
  }
}

int UpcallResponder::applyLearned(Family family, MfcOperation operation, const MfcEntry& entry) {
  const std::lock_guard lock(mutex_);
  Side& side = this->side(family);
  const int error = operation == MfcOperation::put ? put(side, entry) : applyMfc(family, side.fd, operation, entry);
  if (operation == MfcOperation::remove) {
    // ENOENT: someone else has deleted it.
    if (error == 0 || error == ENOENT) side.flows.remove(entry.key);
  } else if (error == 0) {
    keep(side, {.entry = entry, .arrival = entry.parent});
  }
  return error;
}

void UpcallResponder::adopt(Family family, const MfcEntry& entry) {
  const std::lock_guard lock(mutex_);
  // Where its first packet came in is not known any more.
  keep(side(family), {.entry = entry, .arrival = entry.parent});
}

void UpcallResponder::adoptUnresolved(Family family, const FlowKey& key) {
  const std::lock_guard lock(mutex_);
  // Vif 0 stands for all: a source that only one iif may have is answered with that, whichever is asked for.
  remember(side(family), {.kind = UpcallKind::noCache, .vif = 0, .key = key});
}

void UpcallResponder::touch(Family family, const FlowKey& key) {
  const std::lock_guard lock(mutex_);
  side(family).flows.touch(key);
}

std::vector<UpcallEvent> UpcallResponder::learned(Family family) {
  const LearnedFlows& flows = side(family).flows;
  // Slots that come later hold flows whose events are in the ring.
  const std::size_t slots = [&] {
    const std::lock_guard lock(mutex_);
    return flows.slotCount();
  }();
  std::vector<UpcallEvent> rows;
  rows.reserve(slots);
  for (std::size_t begin = 0; begin < slots; begin += kRun) {
    const std::lock_guard lock(mutex_);
    for (std::size_t at = begin; at < std::min(begin + kRun, slots); ++at) {
      const LearnedFlow* flow = flows.slot(at);
      if (flow == nullptr) continue;
      rows.push_back(makeUpcallEvent(UpcallEventKind::learned, family, *flow, flow->entry.parent));
    }
  }
  return rows;
}

const std::vector<UpcallEvent>& UpcallResponder::drain() {
  const std::lock_guard lock(mutex_);
  return ring_.take();
}

bool UpcallResponder::hasEvents() {
  const std::lock_guard lock(mutex_);
  return !ring_.isEmpty();
}

UpcallStats UpcallResponder::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace mcroute
