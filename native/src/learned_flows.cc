#include "learned_flows.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <new>
#include <system_error>

namespace mcroute {

LearnedFlows::LearnedFlows(std::size_t matchedLimit, std::size_t unmatchedLimit)
    : matched_{.limit = matchedLimit},
      unmatched_{.limit = unmatchedLimit},
      bucketCount_(std::bit_ceil(matchedLimit + unmatchedLimit)),
      // Zeroed by the kernel page by page as they are used: an idle agent pays for none of it.
      buckets_(static_cast<Link*>(std::calloc(bucketCount_, sizeof(Link)))) {
  if (!buckets_) throw std::bad_alloc();
  nodes_.reserve(matchedLimit + unmatchedLimit);
  if (getrandom(secret_.data(), sizeof secret_, 0) != static_cast<ssize_t>(sizeof secret_)) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
}

const LearnedFlow* LearnedFlows::find(const FlowKey& key) const {
  const Link link = linkOf(key);
  return link == 0 ? nullptr : &node(link).flow;
}

const LearnedFlow* LearnedFlows::victimFor(const LearnedFlow& flow) const {
  const bool isMatched = flow.isMatched();
  const List& list = listOf(isMatched);
  if (list.size < list.limit) return nullptr;
  const Link known = linkOf(flow.entry.key);
  if (known != 0 && node(known).isMatched == isMatched) return nullptr;
  return &node(list.oldest).flow;
}

void LearnedFlows::put(const LearnedFlow& flow) {
  Link link = linkOf(flow.entry.key);
  if (link != 0) {
    detach(link);
  } else {
    link = takeNode();
    Link& bucket = buckets_[bucketOf(flow.entry.key)];
    node(link).nextInBucket = bucket;
    bucket = link;
  }
  node(link).flow = flow;
  append(link, flow.isMatched());
}

void LearnedFlows::remove(const FlowKey& key) {
  Link* at = &buckets_[bucketOf(key)];
  while (*at != 0 && node(*at).flow.entry.key != key) at = &node(*at).nextInBucket;
  if (*at == 0) return;
  const Link link = *at;
  Node& removed = node(link);
  *at = removed.nextInBucket;
  detach(link);
  removed.isUsed = false;
  removed.nextInBucket = freeNodes_;
  freeNodes_ = link;
}

void LearnedFlows::touch(const FlowKey& key) {
  const Link link = linkOf(key);
  if (link == 0) return;
  detach(link);
  append(link, node(link).isMatched);
}

std::size_t LearnedFlows::bucketOf(const FlowKey& key) const {
  // Multilinear hashing with secret factors: strongly universal (Lemire and Kaser, 2014), so that who chooses the
  // sources of packets cannot choose their buckets.
  std::uint64_t hash = secret_[0];
  for (std::size_t word = 0; word < kAddressWords; ++word) {
    hash += secret_[1 + word] * key.source[word] + secret_[1 + kAddressWords + word] * key.group[word];
  }
  return (hash >> 32) & (bucketCount_ - 1);
}

LearnedFlows::Link LearnedFlows::linkOf(const FlowKey& key) const {
  Link link = buckets_[bucketOf(key)];
  while (link != 0 && node(link).flow.entry.key != key) link = node(link).nextInBucket;
  return link;
}

LearnedFlows::Link LearnedFlows::takeNode() {
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

void LearnedFlows::append(Link link, bool isMatched) {
  Node& appended = node(link);
  List& list = listOf(isMatched);
  appended.isMatched = isMatched;
  appended.older = list.youngest;
  appended.younger = 0;
  (list.youngest == 0 ? list.oldest : node(list.youngest).younger) = link;
  list.youngest = link;
  ++list.size;
}

void LearnedFlows::detach(Link link) {
  Node& detached = node(link);
  List& list = listOf(detached.isMatched);
  (detached.older == 0 ? list.oldest : node(detached.older).younger) = detached.younger;
  (detached.younger == 0 ? list.youngest : node(detached.younger).older) = detached.older;
  --list.size;
}

}  // namespace mcroute
