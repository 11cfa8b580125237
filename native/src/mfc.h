// The addon's words for an mfc entry, the same for both families, and how they lie in a Uint32Array.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mcroute {

enum class Family : std::uint8_t { ipv4 = 4, ipv6 = 6 };

/// Index of a family in an array of both.
constexpr std::size_t familyIndex(Family family) { return family == Family::ipv4 ? 0 : 1; }

constexpr std::size_t kFamilies = 2;

/// MAXVIFS, MAXMIFS: vif numbers are below it.
constexpr unsigned kVifLimit = 32;

/// Words in host order, most significant first; IPv4 uses the first and leaves the others zero.
using Address = std::array<std::uint32_t, 4>;

struct FlowKey {
  Address source{};
  Address group{};
  bool operator==(const FlowKey&) const = default;
};

/// The TTL threshold of each vif; 0 is no oif. IPv6 takes any other value as an oif.
using Ttls = std::array<std::uint8_t, kVifLimit>;

struct MfcEntry {
  FlowKey key;
  std::uint32_t parent = 0;
  Ttls ttls{};
};

enum class MfcOperation : std::uint32_t { put = 1, remove = 2, putProxy = 3, removeProxy = 4 };

constexpr std::size_t kAddressWords = 4;
constexpr std::size_t kFlowKeyWords = 2 * kAddressWords;
constexpr std::size_t kTtlWords = kVifLimit / 4;
constexpr std::size_t kMfcRecordWords = 2 + kFlowKeyWords + kTtlWords;

inline bool hasOifs(const Ttls& ttls) {
  return std::any_of(ttls.begin(), ttls.end(), [](std::uint8_t ttl) { return ttl != 0; });
}

/// Takes what a family uses of four words, so that equal addresses are equal arrays.
inline Address readAddress(Family family, std::span<const std::uint32_t, kAddressWords> words) {
  if (family == Family::ipv4) return {words[0], 0, 0, 0};
  return {words[0], words[1], words[2], words[3]};
}

inline FlowKey readFlowKey(Family family, std::span<const std::uint32_t, kFlowKeyWords> words) {
  return {readAddress(family, words.first<kAddressWords>()), readAddress(family, words.last<kAddressWords>())};
}

/// ttls[n] is byte n & 3 of word n >> 2, least significant first, whatever the machine's byte order.
inline Ttls readTtls(std::span<const std::uint32_t, kTtlWords> words) {
  Ttls ttls;
  for (unsigned vif = 0; vif < kVifLimit; ++vif) ttls[vif] = static_cast<std::uint8_t>(words[vif / 4] >> (vif % 4 * 8));
  return ttls;
}

inline void writeTtls(const Ttls& ttls, std::span<std::uint32_t, kTtlWords> words) {
  std::fill(words.begin(), words.end(), 0);
  for (unsigned vif = 0; vif < kVifLimit; ++vif) words[vif / 4] |= std::uint32_t{ttls[vif]} << (vif % 4 * 8);
}

inline void writeFlowKey(const FlowKey& key, std::span<std::uint32_t, kFlowKeyWords> words) {
  std::copy(key.source.begin(), key.source.end(), words.begin());
  std::copy(key.group.begin(), key.group.end(), words.begin() + kAddressWords);
}

/// The entry of a record of kMfcRecordWords words; the operation is its first word.
inline MfcEntry readMfcEntry(Family family, std::span<const std::uint32_t, kMfcRecordWords> record) {
  return {.key = readFlowKey(family, record.subspan<2, kFlowKeyWords>()),
          .parent = record[1],
          .ttls = readTtls(record.last<kTtlWords>())};
}

}  // namespace mcroute
