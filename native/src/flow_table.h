// Flows with a limit: found by key, the least recently used first to go.
#pragma once

#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "flow_hash.h"

namespace mcroute {

/// Flows of one family on `Flow::kLists` lists, each with a limit of its own; a Flow tells its `key()` and on which
/// `list()` it is. Every operation takes a bounded time and, but for the first touch of a page, no memory: it is called
/// with the lock of the upcall thread.
template <typename Flow>
class FlowTable {
 public:
  using Limits = std::array<std::size_t, Flow::kLists>;

  /// Throws std::bad_alloc and std::system_error.
  explicit FlowTable(const Limits& limits);

  const Flow* find(const FlowKey& key) const;

  /// The flow that must be removed before `flow` can be put; none where there is room.
  const Flow* victimFor(const Flow& flow) const;

  /// Adds or replaces a flow as the youngest of its list. There must be room.
  void put(const Flow& flow);

  /// Forgets a flow; nothing happens if it is not known.
  void remove(const FlowKey& key);

  /// Makes a flow the youngest of its list; nothing happens if it is not known.
  void touch(const FlowKey& key);

  bool isEmpty() const;

  /// Flows lie in slots [0, slotCount()), with gaps. A flow keeps its slot.
  std::size_t slotCount() const { return nodes_.size(); }
  const Flow* slot(std::size_t at) const { return nodes_[at].isUsed ? &nodes_[at].flow : nullptr; }

 private:
  /// Index of a node plus one; 0 is none, so that zeroed memory is empty.
  using Link = std::uint32_t;

  struct Node {
    Flow flow;
    Link nextInBucket = 0;
    Link older = 0;
    Link younger = 0;
    bool isUsed = false;
  };

  struct List {
    std::size_t limit = 0;
    std::size_t size = 0;
    Link oldest = 0;
    Link youngest = 0;
  };

  struct Free {
    void operator()(Link* buckets) const { std::free(buckets); }
  };

  Node& node(Link link) { return nodes_[link - 1]; }
  const Node& node(Link link) const { return nodes_[link - 1]; }
  Link& bucketOf(const FlowKey& key) const { return buckets_[hash_(key) & (bucketCount_ - 1)]; }
  Link linkOf(const FlowKey& key) const;
  Link takeNode();
  void append(Link link);
  void detach(Link link);

  std::array<List, Flow::kLists> lists_;
  std::vector<Node> nodes_;
  Link freeNodes_ = 0;
  std::size_t bucketCount_;
  std::unique_ptr<Link[], Free> buckets_;
  FlowHash hash_;
};

template <typename Flow>
FlowTable<Flow>::FlowTable(const Limits& limits) {
  const std::size_t limit = std::accumulate(limits.begin(), limits.end(), std::size_t{0});
  for (std::size_t list = 0; list < lists_.size(); ++list) lists_[list].limit = limits[list];
  bucketCount_ = std::bit_ceil(limit);
  // Zeroed by the kernel page by page as they are used: an idle agent pays for none of it.
  buckets_.reset(static_cast<Link*>(std::calloc(bucketCount_, sizeof(Link))));
  if (!buckets_) throw std::bad_alloc();
  nodes_.reserve(limit);
}

template <typename Flow>
const Flow* FlowTable<Flow>::find(const FlowKey& key) const {
  const Link link = linkOf(key);
  return link == 0 ? nullptr : &node(link).flow;
}

template <typename Flow>
const Flow* FlowTable<Flow>::victimFor(const Flow& flow) const {
  const List& list = lists_[flow.list()];
  if (list.size < list.limit) return nullptr;
  const Flow* known = find(flow.key());
  if (known != nullptr && known->list() == flow.list()) return nullptr;
  return &node(list.oldest).flow;
}

template <typename Flow>
void FlowTable<Flow>::put(const Flow& flow) {
  Link link = linkOf(flow.key());
  if (link != 0) {
    detach(link);
  } else {
    link = takeNode();
    Link& bucket = bucketOf(flow.key());
    node(link).nextInBucket = bucket;
    bucket = link;
  }
  node(link).flow = flow;
  append(link);
}

template <typename Flow>
void FlowTable<Flow>::remove(const FlowKey& key) {
  Link* at = &bucketOf(key);
  while (*at != 0 && node(*at).flow.key() != key) at = &node(*at).nextInBucket;
  if (*at == 0) return;
  const Link link = *at;
  Node& removed = node(link);
  *at = removed.nextInBucket;
  detach(link);
  removed.isUsed = false;
  removed.nextInBucket = freeNodes_;
  freeNodes_ = link;
}

template <typename Flow>
void FlowTable<Flow>::touch(const FlowKey& key) {
  const Link link = linkOf(key);
  if (link == 0) return;
  detach(link);
  append(link);
}

template <typename Flow>
bool FlowTable<Flow>::isEmpty() const {
  for (const List& list : lists_) {
    if (list.size > 0) return false;
  }
  return true;
}

template <typename Flow>
auto FlowTable<Flow>::linkOf(const FlowKey& key) const -> Link {
  Link link = bucketOf(key);
  while (link != 0 && node(link).flow.key() != key) link = node(link).nextInBucket;
  return link;
}

template <typename Flow>
auto FlowTable<Flow>::takeNode() -> Link {
  Link link = freeNodes_;
  if (link != 0) {
    freeNodes_ = node(link).nextInBucket;
  } else {
    nodes_.emplace_back();
    link = static_cast<Link>(nodes_.size());
  }
  node(link).isUsed = true;
  return link;
}

template <typename Flow>
void FlowTable<Flow>::append(Link link) {
  Node& appended = node(link);
  List& list = lists_[appended.flow.list()];
  appended.older = list.youngest;
  appended.younger = 0;
  (list.youngest == 0 ? list.oldest : node(list.youngest).younger) = link;
  list.youngest = link;
  ++list.size;
}

template <typename Flow>
void FlowTable<Flow>::detach(Link link) {
  Node& detached = node(link);
  List& list = lists_[detached.flow.list()];
  (detached.older == 0 ? list.oldest : node(detached.older).younger) = detached.younger;
  (detached.younger == 0 ? list.youngest : node(detached.younger).older) = detached.older;
  --list.size;
}

}  // namespace mcroute
