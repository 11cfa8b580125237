#include "flow_hash.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace mcroute {

FlowHash::FlowHash() {
  if (getrandom(secret_.data(), sizeof secret_, 0) != static_cast<ssize_t>(sizeof secret_)) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
}

std::uint32_t FlowHash::operator()(const FlowKey& key) const {
  std::uint64_t hash = secret_[0];
  for (std::size_t word = 0; word < kAddressWords; ++word) {
    hash += secret_[1 + word] * key.source[word] + secret_[1 + kAddressWords + word] * key.group[word];
  }
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace mcroute
