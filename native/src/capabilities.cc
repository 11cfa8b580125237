#include "capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace mcroute {
namespace {

/// Two words of 32 capabilities each, least significant first (_LINUX_CAPABILITY_VERSION_3).
using CapabilityWords = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

constexpr int kMaxCapabilities = 64;

[[noreturn]] void fail(const char* call) { throw std::system_error(errno, std::generic_category(), call); }

__user_cap_header_struct callingThread() { return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0}; }

CapabilitySet joinWords(std::uint32_t low, std::uint32_t high) { return CapabilitySet{high} << 32 | low; }

/// The members of a set that is asked for one capability at a time; EINVAL is the end of those this kernel knows.
template <typename Ask>
CapabilitySet collect(Ask ask, const char* call) {
  CapabilitySet found = 0;
  for (int capability = 0; capability < kMaxCapabilities; ++capability) {
    const int answer = ask(capability);
    if (answer < 0 && errno == EINVAL) break;
    if (answer < 0) fail(call);
    if (answer > 0) found |= capabilityBit(capability);
  }
  return found;
}

CapabilitySet readBoundingSet() {
  return collect([](int capability) { return prctl(PR_CAPBSET_READ, capability, 0, 0, 0); }, "prctl(PR_CAPBSET_READ)");
}

CapabilitySet readAmbientSet() {
  return collect([](int capability) { return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0); },
                 "prctl(PR_CAP_AMBIENT_IS_SET)");
}

}  // namespace

CapabilityState readCapabilities() {
  auto header = callingThread();
  CapabilityWords words{};
  if (syscall(SYS_capget, &header, words.data()) != 0) fail("capget");
  return {.effective = joinWords(words[0].effective, words[1].effective),
          .permitted = joinWords(words[0].permitted, words[1].permitted),
          .inheritable = joinWords(words[0].inheritable, words[1].inheritable),
          .ambient = readAmbientSet(),
          .bounding = readBoundingSet()};
}

void narrowBoundingSet(CapabilitySet kept) {
  const CapabilitySet surplus = readBoundingSet() & ~kept;
  for (int capability = 0; capability < kMaxCapabilities; ++capability) {
    if ((surplus & capabilityBit(capability)) == 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) fail("prctl(PR_CAPBSET_DROP)");
  }
}

void setCapabilities(CapabilitySet wanted) {
  auto header = callingThread();
  CapabilityWords words{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto word = static_cast<std::uint32_t>(wanted >> (32 * i));
    words[i] = {.effective = word, .permitted = word, .inheritable = word};
  }
  if (syscall(SYS_capset, &header, words.data()) != 0) fail("capset");
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) fail("prctl(PR_CAP_AMBIENT_CLEAR_ALL)");
  for (int capability = 0; capability < kMaxCapabilities; ++capability) {
    if ((wanted & capabilityBit(capability)) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) fail("prctl(PR_CAP_AMBIENT_RAISE)");
  }
}

}  // namespace mcroute
