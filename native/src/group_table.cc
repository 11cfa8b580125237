#include "group_table.h"

#include <algorithm>
#include <bit>

namespace mcroute {

namespace {

constexpr std::size_t kSlotsMin = 16;

/// Slots for so many prefixes.
std::size_t slotsFor(std::size_t prefixes) { return prefixes + prefixes / 2 + 1; }

}  // namespace

GroupTable::~GroupTable() {
  for (const Slot& slot : slots_) delete[] slot.rules;
}

const std::uint32_t* GroupTable::find(const Prefix& group) const {
  return slots_.empty() ? nullptr : slots_[slotOf(group, hashOf(group))].rules;
}

GroupTable::Slots GroupTable::grown(std::size_t more) const {
  const std::size_t wanted = slotsFor(size_ + more);
  if (wanted <= slots_.size()) return {};
  Slots slots(std::bit_ceil(std::max(wanted, kSlotsMin)));
  for (const Slot& slot : slots_) {
    if (slot.rules != nullptr) slots[freeSlot(slots, slot.hash)] = slot;
  }
  return slots;
}

void GroupTable::exchange(const Prefix& group, GroupWords& rules) {
  if (slots_.empty()) return;
  const std::uint32_t hash = hashOf(group);
  const std::size_t at = slotOf(group, hash);
  const std::uint32_t* const old = slots_[at].rules;
  slots_[at] = {.hash = hash, .rules = rules.release()};
  rules.reset(old);
  if (slots_[at].rules != nullptr) {
    if (old == nullptr) ++size_;
  } else if (old != nullptr) {
    --size_;
    close(at);
  }
}

std::size_t GroupTable::freeSlot(const Slots& slots, std::uint32_t hash) {
  const std::size_t mask = slots.size() - 1;
  std::size_t at = hash & mask;
  while (slots[at].rules != nullptr) at = (at + 1) & mask;
  return at;
}

std::size_t GroupTable::slotOf(const Prefix& group, std::uint32_t hash) const {
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].rules != nullptr && (slots_[at].hash != hash || !GroupRules(slots_[at].rules).isOf(group))) {
    at = next(at);
  }
  return at;
}

/// Moves those behind a slot that has become free, as far as the search for them would end there.
void GroupTable::close(std::size_t gap) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = next(gap); slots_[at].rules != nullptr; at = next(at)) {
    const std::size_t begin = slots_[at].hash & mask;
    if (((at - begin) & mask) < ((at - gap) & mask)) continue;
    slots_[gap] = slots_[at];
    slots_[at] = {};
    gap = at;
  }
}

}  // namespace mcroute
