// The entries that the upcall thread made: found by key, the least recently used first to go.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "mfc.h"

namespace mcroute {

/// An entry and the vif that its first packet came in on.
struct LearnedFlow {
  MfcEntry entry;
  std::uint32_t arrival = 0;

  bool isMatched() const { return hasOifs(entry.ttls); }
};

/// Flows of one family on two lists, matched and unmatched, each with a limit of its own. Every operation takes a
/// bounded time and, but for the first touch of a page, no memory: it is called with the lock of the upcall thread.
class LearnedFlows {
 public:
  LearnedFlows(std::size_t matchedLimit, std::size_t unmatchedLimit);

  const LearnedFlow* find(const FlowKey& key) const;

  /// The flow that must be removed before `flow` can be put; none where there is room.
  const LearnedFlow* victimFor(const LearnedFlow& flow) const;

  /// Adds or replaces a flow as the youngest of its list. There must be room.
  void put(const LearnedFlow& flow);

  /// Forgets a flow; nothing happens if it is not known.
  void remove(const FlowKey& key);

  /// Makes a flow the youngest of its list; nothing happens if it is not known.
  void touch(const FlowKey& key);

  /// Flows lie in slots [0, slotCount()), with gaps. A flow keeps its slot.
  std::size_t slotCount() const { return nodes_.size(); }
  const LearnedFlow* slot(std::size_t at) const { return nodes_[at].isUsed ? &nodes_[at].flow : nullptr; }

 private:
  /// Index of a node plus one; 0 is none, so that zeroed memory is empty.
  using Link = std::uint32_t;

  struct Node {
    LearnedFlow flow;
    Link nextInBucket = 0;
    Link older = 0;
    Link younger = 0;
    bool isUsed = false;
    bool isMatched = false;
  };

  struct List {
    std::size_t limit;
    std::size_t size = 0;
    Link oldest = 0;
    Link youngest = 0;
  };

  struct Free {
    void operator()(Link* buckets) const { std::free(buckets); }
  };

  Node& node(Link link) { return nodes_[link - 1]; }
  const Node& node(Link link) const { return nodes_[link - 1]; }
  List& listOf(bool isMatched) { return isMatched ? matched_ : unmatched_; }
  const List& listOf(bool isMatched) const { return isMatched ? matched_ : unmatched_; }

  std::size_t bucketOf(const FlowKey& key) const;
  Link linkOf(const FlowKey& key) const;
  Link takeNode();
  void append(Link link, bool isMatched);
  void detach(Link link);

  List matched_;
  List unmatched_;
  std::vector<Node> nodes_;
  Link freeNodes_ = 0;
  std::size_t bucketCount_;
  std::unique_ptr<Link[], Free> buckets_;
  std::array<std::uint64_t, kFlowKeyWords + 1> secret_;
};

}  // namespace mcroute
