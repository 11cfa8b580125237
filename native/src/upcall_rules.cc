#include "upcall_rules.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

namespace mcroute {

namespace {

constexpr std::size_t kGroupHeaderWords = 4 + kAddressWords;
constexpr std::size_t kRuleHeaderWords = 4 + kAddressWords + kTtlWords;
constexpr std::size_t kExceptWords = 1 + kAddressWords;
constexpr std::uint32_t kDenyFlag = 1;

unsigned addressLength(Family family) { return family == Family::ipv4 ? 32 : 128; }

bool isExcepted(const UpcallRule& rule, const Address& source) {
  return std::any_of(rule.excepts.begin(), rule.excepts.end(), [&](const Prefix& p) { return holds(p, source); });
}

/// Takes words off the front and never reads beyond the end.
class RecordReader {
 public:
  RecordReader(Family family, std::span<const std::uint32_t> words) : family_(family), words_(words) {}

  bool isAtEnd() const { return words_.empty(); }

  std::uint32_t word() { return take(1)[0]; }

  std::uint32_t wordBelow(std::uint32_t limit, const char* name) {
    const std::uint32_t word = this->word();
    if (word >= limit) throw RecordError(std::string(name) + " must be below " + std::to_string(limit));
    return word;
  }

  /// A number of things that take at least `wordsEach` words: what is left bounds it, so memory for it may be taken.
  std::size_t count(std::size_t wordsEach) {
    const std::size_t count = word();
    if (count > words_.size() / wordsEach) throw RecordError("a record counts more than its words hold");
    return count;
  }

  unsigned prefixLength() { return wordBelow(addressLength(family_) + 1, "a prefix length"); }

  Address addressOf(unsigned length) {
    return maskAddress(readAddress(family_, take(kAddressWords).first<kAddressWords>()), length);
  }

  Ttls ttls() { return readTtls(take(kTtlWords).first<kTtlWords>()); }

 private:
  std::span<const std::uint32_t> take(std::size_t count) {
    if (words_.size() < count) throw RecordError("a record ends too early");
    const auto taken = words_.first(count);
    words_ = words_.subspan(count);
    return taken;
  }

  Family family_;
  std::span<const std::uint32_t> words_;
};

Prefix readPrefix(RecordReader& reader) {
  const unsigned length = reader.prefixLength();
  return {.address = reader.addressOf(length), .length = length};
}

UpcallRule readRule(RecordReader& reader) {
  UpcallRule rule;
  rule.iif = static_cast<std::uint8_t>(reader.wordBelow(kVifLimit, "an iif"));
  rule.isDeny = reader.wordBelow(kDenyFlag + 1, "flags of a rule") == kDenyFlag;
  rule.source = readPrefix(reader);
  rule.ttls = reader.ttls();
  rule.hasOifs = hasOifs(rule.ttls);
  const std::size_t excepts = reader.count(kExceptWords);
  rule.excepts.reserve(excepts);
  for (std::size_t at = 0; at < excepts; ++at) rule.excepts.push_back(readPrefix(reader));
  return rule;
}

bool isBefore(const UpcallRule& one, const UpcallRule& other) {
  return std::pair(one.source.length, one.source.address) < std::pair(other.source.length, other.source.address);
}

/// Orders the rules and notes where each source length lies.
void indexRules(GroupRules& group) {
  std::stable_sort(group.rules.begin(), group.rules.end(), isBefore);
  for (std::size_t at = 0; at < group.rules.size(); ++at) {
    const unsigned length = group.rules[at].source.length;
    if (group.spans.empty() || group.spans.back().length != length) group.spans.push_back({length, at, at});
    group.spans.back().end = at + 1;
  }
}

/// The lower of two thresholds, where 0 is none: less one, none is the highest of eight bits.
std::uint8_t uniteThresholds(std::uint8_t one, std::uint8_t other) {
  const auto lower = std::min(static_cast<std::uint8_t>(one - 1), static_cast<std::uint8_t>(other - 1));
  return static_cast<std::uint8_t>(lower + 1);
}

/// Collects an answer rule by rule.
class Collector {
 public:
  void add(const UpcallRule& rule) {
    const std::uint32_t bit = std::uint32_t{1} << rule.iif;
    if (rule.isDeny) deniedIifs_ |= bit;
    if (rule.isDeny || !rule.hasOifs) return;
    answer_.forwardingIifs |= bit;
    Ttls& oifs = answer_.oifs[rule.iif];
    for (unsigned vif = 0; vif < kVifLimit; ++vif) oifs[vif] = uniteThresholds(oifs[vif], rule.ttls[vif]);
  }

  void addMatching(const GroupRules& group, const Address& source) {
    for (const GroupRules::Span& span : group.spans) {
      const Address wanted = maskAddress(source, span.length);
      const auto begin = group.rules.begin() + static_cast<std::ptrdiff_t>(span.begin);
      const auto end = group.rules.begin() + static_cast<std::ptrdiff_t>(span.end);
      auto rule = std::partition_point(begin, end, [&](const UpcallRule& r) { return r.source.address < wanted; });
      for (; rule != end && rule->source.address == wanted; ++rule) {
        if (!isExcepted(*rule, source)) add(*rule);
      }
    }
  }

  void setUpcallIifs(std::uint32_t iifs) { answer_.upcallIifs = iifs; }

  void bar(std::uint32_t vifs) { barredVifs_ |= vifs; }

  Answer take() {
    answer_.forwardingIifs &= ~(deniedIifs_ | barredVifs_);
    if (barredVifs_ != 0) takeBarredOifs();
    return answer_;
  }

 private:
  void takeBarredOifs() {
    for (std::uint32_t iifs = answer_.forwardingIifs; iifs != 0; iifs &= iifs - 1) {
      Ttls& oifs = answer_.oifs[static_cast<std::size_t>(std::countr_zero(iifs))];
      for (unsigned vif = 0; vif < kVifLimit; ++vif) {
        if ((barredVifs_ >> vif & 1) != 0) oifs[vif] = 0;
      }
      // The lowest bit of what is left is that of this iif.
      if (!hasOifs(oifs)) answer_.forwardingIifs &= ~(iifs & -iifs);
    }
  }

  Answer answer_;
  std::uint32_t deniedIifs_ = 0;
  std::uint32_t barredVifs_ = 0;
};

}  // namespace

std::vector<GroupChange> parseGroupChanges(Family family, std::span<const std::uint32_t> words) {
  RecordReader reader(family, words);
  std::vector<GroupChange> changes;
  // The shortest record is a header.
  changes.reserve(words.size() / kGroupHeaderWords);
  while (!reader.isAtEnd()) {
    GroupChange& change = changes.emplace_back();
    change.group = readPrefix(reader);
    const std::uint32_t upcallIifs = reader.word();
    const std::uint32_t barredVifs = reader.word();
    const std::size_t rules = reader.count(kRuleHeaderWords);
    if (rules == 0 && barredVifs == 0) continue;
    auto group = std::make_unique<GroupRules>();
    group->upcallIifs = upcallIifs;
    group->barredVifs = barredVifs;
    group->rules.reserve(rules);
    for (std::size_t at = 0; at < rules; ++at) group->rules.push_back(readRule(reader));
    indexRules(*group);
    change.rules = std::move(group);
  }
  return changes;
}

void UpcallRules::replace(GroupChange& change) {
  const unsigned length = change.group.length;
  Groups& groups = shardOf(change.group);
  const auto found = groups.find(change.group);
  if (found != groups.end()) {
    std::swap(found->second, change.rules);
    if (found->second) return;
    groups.erase(found);
    if (--records_[length] == 0) std::erase(lengths_, length);
  } else if (change.rules) {
    groups.emplace(change.group, std::move(change.rules));
    if (records_[length]++ == 0) lengths_.push_back(length);
  }
}

Answer UpcallRules::answer(const FlowKey& key) const {
  Collector collector;
  for (const unsigned length : lengths_) {
    const Prefix prefix{maskAddress(key.group, length), length};
    const Groups& groups = shardOf(prefix);
    const auto found = groups.find(prefix);
    if (found == groups.end()) continue;
    collector.bar(found->second->barredVifs);
    collector.addMatching(*found->second, key.source);
    if (length == addressLength(family_)) collector.setUpcallIifs(found->second->upcallIifs);
  }
  return collector.take();
}

PlacedFlow placeFlow(const Answer& answer, const FlowKey& key, std::uint32_t vif) {
  const std::uint32_t iifs = answer.forwardingIifs;
  if (iifs == 0) return {Placement::unmatched, {.key = key, .parent = vif}};
  std::uint32_t candidates = iifs;
  if (answer.forwards(vif)) {
    candidates = std::uint32_t{1} << vif;
  } else if (answer.hasSeveralIifs()) {
    // Several iifs forward this flow, but not this one. An entry for one that is served by (*,G) would only take the
    // others' packets away.
    candidates = iifs & answer.upcallIifs;
  }
  if (candidates == 0) return {Placement::unresolved, {.key = key, .parent = vif}};
  const auto parent = static_cast<std::uint32_t>(std::countr_zero(candidates));
  return {Placement::forwarded, {.key = key, .parent = parent, .ttls = answer.oifs[parent]}};
}

}  // namespace mcroute
