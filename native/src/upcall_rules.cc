#include "upcall_rules.h"

#include <algorithm>
#include <bit>

namespace mcroute {

namespace {

/// The lower of two thresholds, where 0 is none: less one, none is the highest of eight bits.
std::uint8_t uniteThresholds(std::uint8_t one, std::uint8_t other) {
  const auto lower = std::min(static_cast<std::uint8_t>(one - 1), static_cast<std::uint8_t>(other - 1));
  return static_cast<std::uint8_t>(lower + 1);
}

/// Collects an answer rule by rule.
class Collector {
 public:
  explicit Collector(Answer& answer) : answer_(answer) {}

  void add(const GroupRules::Rule& rule) {
    const std::uint32_t bit = std::uint32_t{1} << rule.iif();
    if (rule.isDeny()) deniedIifs_ |= bit;
    if (rule.isDeny() || !rule.hasOifs()) return;
    answer_.forwardingIifs |= bit;
    Ttls& oifs = answer_.oifs[rule.iif()];
    unsigned vif = 0;
    for (const std::uint32_t ttls : rule.ttls()) {
      for (unsigned shift = 0; shift < 32; shift += 8, ++vif) {
        oifs[vif] = uniteThresholds(oifs[vif], static_cast<std::uint8_t>(ttls >> shift));
      }
    }
  }

  void bar(std::uint32_t vifs) { barredVifs_ |= vifs; }

  void end() {
    answer_.forwardingIifs &= ~(deniedIifs_ | barredVifs_);
    if (barredVifs_ != 0) takeBarredOifs();
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

  Answer& answer_;
  std::uint32_t deniedIifs_ = 0;
  std::uint32_t barredVifs_ = 0;
};

}  // namespace

UpcallRules::UpcallRules(Family family) : hostLength_(family == Family::ipv4 ? 32 : 128) {
  // So that none is taken under the lock.
  lengths_.reserve(kPrefixLengths);
}

void UpcallRules::replace(GroupChange& change) {
  const bool isNow = change.rules != nullptr;
  groups_.exchange(change.group, change.rules);
  const bool wasThere = change.rules != nullptr;
  const unsigned length = change.group.length;
  if (isNow && !wasThere && records_[length]++ == 0) lengths_.push_back(length);
  if (!isNow && wasThere && --records_[length] == 0) std::erase(lengths_, length);
}

Answer UpcallRules::answer(const FlowKey& key) const {
  Answer answer;
  Collector collector(answer);
  for (const unsigned length : lengths_) {
    const std::uint32_t* const words = groups_.find({maskAddress(key.group, length), length});
    if (words == nullptr) continue;
    const GroupRules group(words);
    collector.bar(group.barredVifs());
    group.eachOf(key.source, [&](const GroupRules::Rule& rule) { collector.add(rule); });
    if (length == hostLength_) answer.upcallIifs = group.upcallIifs();
  }
  collector.end();
  return answer;
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
