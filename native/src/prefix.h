// Address prefixes.
#pragma once

#include <cstddef>
#include <span>
#include <unordered_set>
#include <vector>

#include "mfc.h"

namespace mcroute {

/// All addresses whose first `length` bits are those of `address`; its other bits are zero.
struct Prefix {
  Address address{};
  unsigned length = 0;
  bool operator==(const Prefix&) const = default;
};

struct PrefixHash {
  std::size_t operator()(const Prefix& prefix) const;
};

/// The address with all but its first `length` bits cleared.
Address maskAddress(const Address& address, unsigned length);

bool holds(const Prefix& prefix, const Address& address);

/// Prefixes of one family, to be asked whether one of them holds an address: one hash probe for each length in use.
class PrefixSet {
 public:
  void add(const Prefix& prefix);
  bool holds(const Address& address) const;

 private:
  std::unordered_set<Prefix, PrefixHash> prefixes_;
  std::vector<unsigned> lengths_;
};

}  // namespace mcroute
