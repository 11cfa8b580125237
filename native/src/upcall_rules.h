// The compiled copy of the rules that upcalls are answered from, and the answer.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "mfc.h"
#include "prefix.h"

namespace mcroute {

/// A rule with one group prefix.
struct UpcallRule {
  std::uint8_t iif = 0;
  bool isDeny = false;
  bool hasOifs = false;
  Prefix source;
  Ttls ttls{};
  std::vector<Prefix> excepts;
};

/// What holds for exactly one group prefix. The rules are ordered by source length and source, so that a source is
/// found by one binary search per length in use whatever their number.
struct GroupRules {
  /// Rules [begin, end) have sources of this length.
  struct Span {
    unsigned length;
    std::size_t begin;
    std::size_t end;
  };
  std::uint32_t upcallIifs = 0;
  /// Vifs where packets of these groups neither enter nor leave, whatever rules of any prefix say.
  std::uint32_t barredVifs = 0;
  std::vector<UpcallRule> rules;
  std::vector<Span> spans;
};

/// A record of `UpcallThread.setRules`; null where the prefix is to be forgotten.
struct GroupChange {
  Prefix group;
  std::unique_ptr<const GroupRules> rules;
};

/// Records that do not say what they should.
class RecordError : public std::range_error {
 public:
  using std::range_error::range_error;
};

/// Reads and indexes the records of `UpcallThread.setRules`; throws RecordError.
std::vector<GroupChange> parseGroupChanges(Family family, std::span<const std::uint32_t> words);

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
  explicit UpcallRules(Family family) : family_(family) {}

  /// Replaces the rules of a prefix. What they were is left in `change`, so that its memory is freed by the caller.
  void replace(GroupChange& change);

  Answer answer(const FlowKey& key) const;

 private:
  using Groups = std::unordered_map<Prefix, std::unique_ptr<const GroupRules>, PrefixHash>;

  /// Many small maps rather than a large one: growing one of them moves few records while the thread waits.
  static constexpr std::size_t kShards = 256;

  Groups& shardOf(const Prefix& prefix) { return shards_[PrefixHash{}(prefix) % kShards]; }
  const Groups& shardOf(const Prefix& prefix) const { return shards_[PrefixHash{}(prefix) % kShards]; }

  Family family_;
  std::array<Groups, kShards> shards_;
  /// Records of each group prefix length; only lengths in use are probed.
  std::array<std::size_t, 129> records_{};
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
