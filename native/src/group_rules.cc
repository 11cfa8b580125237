#include "group_rules.h"

#include <algorithm>
#include <string>
#include <tuple>

namespace mcroute {

namespace {

constexpr std::size_t kGroupRecordWords = 4 + kAddressWords;
constexpr std::size_t kRuleRecordWords = 4 + kAddressWords + kTtlWords;
constexpr std::size_t kExceptRecordWords = 1 + kAddressWords;
constexpr std::uint32_t kDenyFlag = 1;

unsigned addressLength(Family family) { return family == Family::ipv4 ? 32 : 128; }

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
  std::uint32_t count(std::size_t wordsEach) {
    const std::uint32_t count = word();
    if (count > words_.size() / wordsEach) throw RecordError("a record counts more than its words hold");
    return count;
  }

  Prefix prefix() {
    const unsigned length = wordBelow(addressLength(family_) + 1, "a prefix length");
    return {.address = maskAddress(readAddress(family_, take(kAddressWords).first<kAddressWords>()), length),
            .length = length};
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

}  // namespace

/// Packs one group after the other; what it needs for that is used again.
class GroupParser {
 public:
  GroupParser(Family family, std::span<const std::uint32_t> words)
      : reader_(family, words), addressWords_(family == Family::ipv4 ? 1 : kAddressWords) {}

  bool isAtEnd() const { return reader_.isAtEnd(); }

  GroupChange next() {
    GroupChange change{.group = reader_.prefix(), .rules = {}};
    const std::uint32_t upcallIifs = reader_.word();
    const std::uint32_t barredVifs = reader_.word();
    const std::uint32_t count = reader_.count(kRuleRecordWords);
    if (count == 0 && barredVifs == 0) return change;
    readRules(count);
    change.rules = pack(change.group, upcallIifs, barredVifs);
    return change;
  }

 private:
  /// Excepts [begin, end) of `excepts_`.
  struct Rule {
    std::uint32_t flags;
    Prefix source;
    Ttls ttls;
    std::uint32_t exceptsBegin;
    std::uint32_t exceptsEnd;
  };

  void readRules(std::uint32_t count) {
    rules_.clear();
    excepts_.clear();
    for (std::uint32_t at = 0; at < count; ++at) {
      Rule& rule = rules_.emplace_back();
      rule.flags = reader_.wordBelow(kVifLimit, "an iif");
      if (reader_.wordBelow(kDenyFlag + 1, "flags of a rule") == kDenyFlag) rule.flags |= GroupRules::kDeny;
      rule.source = reader_.prefix();
      rule.ttls = reader_.ttls();
      if (hasOifs(rule.ttls)) rule.flags |= GroupRules::kOifs;
      rule.flags |= rule.source.length << GroupRules::kLengthShift;
      rule.exceptsBegin = static_cast<std::uint32_t>(excepts_.size());
      for (std::uint32_t left = reader_.count(kExceptRecordWords); left > 0; --left) {
        excepts_.push_back(reader_.prefix());
      }
      rule.exceptsEnd = static_cast<std::uint32_t>(excepts_.size());
    }
    if (count < 2) return;
    std::ranges::stable_sort(rules_, {},
                             [](const Rule& rule) { return std::tie(rule.source.length, rule.source.address); });
  }

  GroupWords pack(const Prefix& group, std::uint32_t upcallIifs, std::uint32_t barredVifs) {
    const std::uint32_t ttlWords = ttlWordsInUse();
    std::size_t words = GroupRules::kHeaderWords + addressWords_;
    words += rules_.size() * (GroupRules::kRuleHeaderWords + addressWords_ + ttlWords);
    const std::size_t exceptsAt = words;
    for (const Rule& rule : rules_) words += rule.exceptsBegin < rule.exceptsEnd ? 1 : 0;
    words += excepts_.size() * (1 + addressWords_);

    auto packed = std::make_unique_for_overwrite<std::uint32_t[]>(words);
    std::uint32_t* const begin = packed.get();
    std::uint32_t* at = begin;
    *at++ = group.length | addressWords_ << 8 | ttlWords << 16;
    *at++ = static_cast<std::uint32_t>(rules_.size());
    *at++ = upcallIifs;
    *at++ = barredVifs;
    at = std::copy_n(group.address.begin(), addressWords_, at);
    std::uint32_t* except = begin + exceptsAt;
    for (const Rule& rule : rules_) {
      const bool hasExcepts = rule.exceptsBegin < rule.exceptsEnd;
      *at++ = rule.flags;
      *at++ = hasExcepts ? static_cast<std::uint32_t>(except - begin) : 0;
      at = std::copy_n(rule.source.address.begin(), addressWords_, at);
      std::array<std::uint32_t, kTtlWords> ttls;
      writeTtls(rule.ttls, ttls);
      at = std::copy_n(ttls.begin(), ttlWords, at);
      if (!hasExcepts) continue;
      *except++ = rule.exceptsEnd - rule.exceptsBegin;
      for (std::uint32_t number = rule.exceptsBegin; number < rule.exceptsEnd; ++number) {
        *except++ = excepts_[number].length;
        except = std::copy_n(excepts_[number].address.begin(), addressWords_, except);
      }
    }
    return packed;
  }

  std::uint32_t ttlWordsInUse() const {
    std::size_t vifs = 0;
    for (const Rule& rule : rules_) {
      const auto last = std::find_if(rule.ttls.rbegin(), rule.ttls.rend(), [](std::uint8_t ttl) { return ttl != 0; });
      vifs = std::max(vifs, static_cast<std::size_t>(rule.ttls.rend() - last));
    }
    return static_cast<std::uint32_t>((vifs + 3) / 4);
  }

  RecordReader reader_;
  std::uint32_t addressWords_;
  std::vector<Rule> rules_;
  std::vector<Prefix> excepts_;
};

bool GroupRules::isOf(const Prefix& group) const {
  return length() == group.length &&
         std::equal(group.address.begin(), group.address.begin() + addressWords(), words_ + kHeaderWords);
}

bool GroupRules::isExcepted(const Rule& rule, const Address& source) const {
  if (rule.excepts() == 0) return false;
  const std::uint32_t* at = words_ + rule.excepts();
  for (std::uint32_t left = *at++; left > 0; --left, at += 1 + addressWords()) {
    const Address masked = maskAddress(source, at[0]);
    if (std::equal(at + 1, at + 1 + addressWords(), masked.begin())) return true;
  }
  return false;
}

std::vector<GroupChange> parseGroupChanges(Family family, std::span<const std::uint32_t> words) {
  GroupParser parser(family, words);
  std::vector<GroupChange> changes;
  // The shortest record is a header.
  changes.reserve(words.size() / kGroupRecordWords);
  while (!parser.isAtEnd()) changes.push_back(parser.next());
  return changes;
}

}  // namespace mcroute
