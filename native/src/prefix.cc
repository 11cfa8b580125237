#include "prefix.h"

#include <algorithm>

namespace mcroute {

std::size_t PrefixHash::operator()(const Prefix& prefix) const {
  // Fibonacci hashing of each word. Keys come from the rules, not from packets, so it needs no secret.
  std::uint64_t hash = prefix.length;
  for (const std::uint32_t word : prefix.address) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return hash;
}

Address maskAddress(const Address& address, unsigned length) {
  Address masked{};
  for (unsigned word = 0; word < kAddressWords && length > word * 32; ++word) {
    const unsigned bits = std::min(length - word * 32, 32u);
    masked[word] = address[word] & (~std::uint32_t{0} << (32 - bits));
  }
  return masked;
}

bool holds(const Prefix& prefix, const Address& address) {
  return maskAddress(address, prefix.length) == prefix.address;
}

void PrefixSet::add(const Prefix& prefix) {
  prefixes_.insert(prefix);
  if (std::ranges::find(lengths_, prefix.length) == lengths_.end()) lengths_.push_back(prefix.length);
}

bool PrefixSet::holds(const Address& address) const {
  return std::ranges::any_of(lengths_, [&](unsigned length) {
    return prefixes_.contains({maskAddress(address, length), length});
  });
}

}  // namespace mcroute
