// The compiled copy of the rules that upcalls are answered from, and the answer.
#pragma once

#include <array>
#include <vector>

#include "group_table.h"
#include "mfc.h"

namespace mcroute {

/// What the rules say about one (S,G) on every iif.
struct Answer {
  /// The oifs of the rules of each iif, whether or not its packets are forwarded.
  std::array<Ttls, kVifLimit> oifs{};
  /// Iifs with oifs that are not barred themselves and have no deny rule: those whose packets are forwarded.
  std::uint32_t forwardingIifs = 0;
  /// Iifs whose flows of this group are answered by (S,G) entries; all where no exact group says otherwise.
  std::uint32_t upcallIifs = ~std::uint32_t{0};

  bool forwards(std::uint32_t iif) const { return (forwardingIifs >> iif & 1) != 0; }
  bool hasSeveralIifs() const { return (forwardingIifs & (forwardingIifs - 1)) != 0; }
};

/// The rules of one family. A bounded number of hash probes finds those of a group.
class UpcallRules {
 public:
  explicit UpcallRules(Family family);

  /// Makes room for so many changes: what `grown` gives is for `use`, see GroupTable.
  GroupTable::Slots grown(std::size_t changes) const { return groups_.grown(changes); }
  void use(GroupTable::Slots& slots) { groups_.use(slots); }

  /// Replaces the rules of a prefix, for which there must be room. What they were is left in `change`, so that its
  /// memory is freed by the caller.
  void replace(GroupChange& change);

  Answer answer(const FlowKey& key) const;

 private:
  /// From 0 to 128.
  static constexpr std::size_t kPrefixLengths = 129;

  unsigned hostLength_;
  GroupTable groups_;
  /// Records of each group prefix length; only lengths in use are probed.
  std::array<std::size_t, kPrefixLengths> records_{};
  std::vector<unsigned> lengths_;
};

/// Where a flow without an entry goes; see `placeFlow`.
enum class Placement { unmatched, forwarded, unresolved };

struct PlacedFlow {
  Placement placement;
  /// The (S,G) entry; none is to be made where the flow stays unresolved.
  MfcEntry entry;
};

/// Answers NOCACHE for a flow that came in on `vif`: the kernel takes one parent per (S,G), so one iif is chosen.
PlacedFlow placeFlow(const Answer& answer, const FlowKey& key, std::uint32_t vif);

}  // namespace mcroute
