// Rules by group prefix.
#pragma once

#include <vector>

#include "group_rules.h"

namespace mcroute {

/// A hash table with linear probing. One thread changes it while others look into it, under a lock; only growing takes
/// long, and that needs no lock: see `grown`.
class GroupTable {
 public:
  struct Slot {
    std::uint32_t hash = 0;
    /// Owned by the table; null where the slot is free.
    const std::uint32_t* rules = nullptr;
  };
  using Slots = std::vector<Slot>;

  GroupTable() = default;
  GroupTable(const GroupTable&) = delete;
  GroupTable& operator=(const GroupTable&) = delete;
  ~GroupTable();

  /// The rules of exactly this prefix; null where there are none.
  const std::uint32_t* find(const Prefix& group) const;

  /// Slots with room for so many more prefixes, for `use`; none where there is room. Without the lock, by the thread
  /// that changes the table.
  Slots grown(std::size_t more) const;

  /// Takes what `grown` has made, and leaves its own slots to be freed.
  void use(Slots& slots) { slots_.swap(slots); }

  /// Sets or, where `rules` is null, forgets the rules of a prefix, and leaves the old ones there. There must be room.
  void exchange(const Prefix& group, GroupWords& rules);

 private:
  static std::uint32_t hashOf(const Prefix& group) { return static_cast<std::uint32_t>(PrefixHash{}(group)); }
  static std::size_t freeSlot(const Slots& slots, std::uint32_t hash);

  /// The slot of the prefix, or the free one where it would be. There must be a free one.
  std::size_t slotOf(const Prefix& group, std::uint32_t hash) const;
  void close(std::size_t gap);
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }

  /// A power of two, of which a third is free; or none.
  Slots slots_;
  std::size_t size_ = 0;
};

}  // namespace mcroute
