// The rules of one group prefix, as upcalls are answered from them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "mfc.h"
#include "prefix.h"

namespace mcroute {

/// Records that do not say what they should.
class RecordError : public std::range_error {
 public:
  using std::range_error::range_error;
};

/// Owns what GroupRules reads.
using GroupWords = std::unique_ptr<const std::uint32_t[]>;

/// What holds for exactly one group prefix. All of it is in one piece of memory: there may be hundreds of thousands,
/// most of them of one rule. The rules are of one size and ordered by source length and source, so that a source is
/// found by one binary search for each length in use, whatever their number.
class GroupRules {
 public:
  /// A rule, in the words of its group.
  class Rule {
   public:
    std::uint32_t iif() const { return words_[0] & 0xff; }
    bool isDeny() const { return (words_[0] & kDeny) != 0; }
    bool hasOifs() const { return (words_[0] & kOifs) != 0; }
    unsigned sourceLength() const { return words_[0] >> kLengthShift; }
    /// As in `maskAddress`, of as many words as an address of the family has.
    const std::uint32_t* source() const { return words_ + kRuleHeaderWords; }
    /// Thresholds of the first vifs; those of all others are 0.
    std::span<const std::uint32_t> ttls() const { return {source() + addressWords_, ttlWords_}; }
    /// Where the excepted sources lie in the words of the group; 0 is none.
    std::uint32_t excepts() const { return words_[1]; }

   private:
    friend class GroupRules;
    Rule(const std::uint32_t* words, std::uint32_t addressWords, std::uint32_t ttlWords)
        : words_(words), addressWords_(addressWords), ttlWords_(ttlWords) {}

    const std::uint32_t* words_;
    std::uint32_t addressWords_;
    std::uint32_t ttlWords_;
  };

  explicit GroupRules(const std::uint32_t* words) : words_(words) {}

  bool isOf(const Prefix& group) const;
  std::uint32_t upcallIifs() const { return words_[2]; }
  /// Vifs where packets of these groups neither enter nor leave, whatever rules of any prefix say.
  std::uint32_t barredVifs() const { return words_[3]; }

  /// Calls `use(rule)` with each rule of the source.
  template <typename Use>
  void eachOf(const Address& source, Use use) const;

 private:
  friend class GroupParser;

  /// Lengths and sizes, number of rules, upcall iifs, barred vifs; then the group, the rules, the excepts.
  static constexpr std::uint32_t kHeaderWords = 4;
  /// Iif, flags and source length, excepts; then the source, the thresholds.
  static constexpr std::uint32_t kRuleHeaderWords = 2;
  static constexpr std::uint32_t kDeny = 1 << 8;
  static constexpr std::uint32_t kOifs = 1 << 9;
  static constexpr unsigned kLengthShift = 16;

  unsigned length() const { return words_[0] & 0xff; }
  std::uint32_t addressWords() const { return words_[0] >> 8 & 0xff; }
  std::uint32_t ttlWords() const { return words_[0] >> 16; }
  std::uint32_t size() const { return words_[1]; }
  Rule rule(std::uint32_t at) const {
    const std::uint32_t begin = kHeaderWords + addressWords() + at * (kRuleHeaderWords + addressWords() + ttlWords());
    return {words_ + begin, addressWords(), ttlWords()};
  }
  bool isExcepted(const Rule& rule, const Address& source) const;
  /// The first rule from `begin` on for which `isBefore` does not hold.
  template <typename IsBefore>
  std::uint32_t firstNot(std::uint32_t begin, std::uint32_t end, IsBefore isBefore) const;

  const std::uint32_t* words_;
};

template <typename IsBefore>
std::uint32_t GroupRules::firstNot(std::uint32_t begin, std::uint32_t end, IsBefore isBefore) const {
  while (begin < end) {
    const std::uint32_t middle = begin + (end - begin) / 2;
    if (isBefore(rule(middle))) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

template <typename Use>
void GroupRules::eachOf(const Address& source, Use use) const {
  const std::uint32_t count = size();
  for (std::uint32_t at = 0; at < count;) {
    const unsigned length = rule(at).sourceLength();
    const Address wanted = maskAddress(source, length);
    const std::uint32_t* words = wanted.data();
    const std::uint32_t size = addressWords();
    const auto isOfLength = [length](const Rule& rule) { return rule.sourceLength() == length; };
    const std::uint32_t end = isOfLength(rule(count - 1)) ? count : firstNot(at, count, isOfLength);
    at = firstNot(at, end, [&](const Rule& rule) {
      return std::lexicographical_compare(rule.source(), rule.source() + size, words, words + size);
    });
    for (; at < end && std::equal(words, words + size, rule(at).source()); ++at) {
      if (!isExcepted(rule(at), source)) use(rule(at));
    }
    at = end;
  }
}

/// A record of `UpcallThread.setRules`; null where the prefix is to be forgotten.
struct GroupChange {
  Prefix group;
  GroupWords rules;
};

/// Reads the records of `UpcallThread.setRules`; throws RecordError.
std::vector<GroupChange> parseGroupChanges(Family family, std::span<const std::uint32_t> words);

}  // namespace mcroute
