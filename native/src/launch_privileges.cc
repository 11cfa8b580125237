#include "launch_privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

namespace mcroute {
namespace {

/// Files of the program are for its user and group only.
constexpr mode_t kUmask = 007;

/// What could be had, in the end; the reading back compares with this.
struct Outcome {
  bool isBoundingSetNarrow;
  bool areGroupsGone;
};

LaunchError cannotDrop(const std::string& what, const std::string& capability, int error) {
  if (error != EPERM) return kernelError(what, error);
  return LaunchError(Reason::missingCapability, what + " is not permitted: start as root with " + capability +
                                                    ", or as an unprivileged user with CAP_NET_ADMIN and "
                                                    "CAP_NET_RAW in the ambient set (as the systemd unit does)");
}

bool hasCapability(int capability) { return (readCapabilities().effective & capabilityBit(capability)) != 0; }

/// Without CAP_SETPCAP the set stays; for a user that is not root it can no longer give anything once no_new_privs is
/// set, as only programs with file capabilities draw on it.
bool dropBoundingSet(CapabilitySet kept, const Console& console) {
  if ((readCapabilities().bounding & ~kept) == 0) return true;
  if (geteuid() != 0 && !hasCapability(CAP_SETPCAP)) {
    console.note(
        "the bounding set stays as it is, because CAP_SETPCAP is missing; no_new_privs keeps it from being used");
    return false;
  }
  try {
    narrowBoundingSet(kept);
  } catch (const std::system_error& error) {
    throw cannotDrop(error.what(), "CAP_SETPCAP", error.code().value());
  }
  return true;
}

std::vector<gid_t> readGroups() {
  const int count = getgroups(0, nullptr);
  if (count < 0) throw kernelError("getgroups", errno);
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (getgroups(count, groups.data()) != count) throw kernelError("getgroups", errno);
  return groups;
}

/// @param own a group that the program has anyway: it is no loss if only this one stays.
bool dropGroups(gid_t own, const Console& console) {
  const auto groups = readGroups();
  if (groups.empty()) return true;
  const bool isAllowed = isSetgroupsAllowed();
  if (isAllowed && (geteuid() == 0 || hasCapability(CAP_SETGID))) {
    if (setgroups(0, nullptr) != 0) throw cannotDrop("setgroups", "CAP_SETGID", errno);
    return true;
  }
  if (std::any_of(groups.begin(), groups.end(), [&](gid_t group) { return group != own; })) {
    console.note(std::string("the supplementary groups stay, because ") +
                 (isAllowed ? "CAP_SETGID is missing" : "setgroups is denied in this user namespace"));
  }
  return false;
}

void becomeUser(const Identity& identity) {
  if (setresgid(identity.gid, identity.gid, identity.gid) != 0) {
    throw cannotDrop("becoming group " + groupName(identity.gid), "CAP_SETGID", errno);
  }
  // Without this a change from uid 0 empties the permitted set.
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) throw kernelError("prctl(PR_SET_KEEPCAPS)", errno);
  if (setresuid(identity.uid, identity.uid, identity.uid) != 0) {
    throw cannotDrop("becoming user " + userName(identity.uid), "CAP_SETUID", errno);
  }
}

void keepOnly(CapabilitySet kept) {
  try {
    setCapabilities(kept);
  } catch (const std::system_error& error) {
    throw cannotDrop("keeping CAP_NET_ADMIN (" + std::string(error.what()) + ")", "CAP_NET_ADMIN",
                     error.code().value());
  }
}

void closeTheDoor() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw kernelError("prctl(PR_SET_NO_NEW_PRIVS)", errno);
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) throw kernelError("prctl(PR_SET_KEEPCAPS)", errno);
  umask(kUmask);
}

[[noreturn]] void differs(const std::string& what) {
  throw LaunchError(Reason::kernelError,
                    "after the drop of privileges " + what +
                        " not what was set: a security module may be in the way, see `dmesg` and the audit log");
}

void verify(const Identity& identity, CapabilitySet kept, const Outcome& outcome) {
  const auto state = readCapabilities();
  if (state.effective != kept || state.permitted != kept || state.inheritable != kept || state.ambient != kept) {
    differs("the capability sets are");
  }
  if (outcome.isBoundingSetNarrow && (state.bounding & ~kept) != 0) differs("the bounding set is");
  uid_t realUid = 0;
  uid_t effectiveUid = 0;
  uid_t savedUid = 0;
  if (getresuid(&realUid, &effectiveUid, &savedUid) != 0) throw kernelError("getresuid", errno);
  if (realUid != identity.uid || effectiveUid != identity.uid || savedUid != identity.uid) differs("the user is");
  gid_t realGid = 0;
  gid_t effectiveGid = 0;
  gid_t savedGid = 0;
  if (getresgid(&realGid, &effectiveGid, &savedGid) != 0) throw kernelError("getresgid", errno);
  if (realGid != identity.gid || effectiveGid != identity.gid || savedGid != identity.gid) differs("the group is");
  if (outcome.areGroupsGone && !readGroups().empty()) differs("the list of supplementary groups is");
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) differs("no_new_privs is");
  if (prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) != 0) differs("the keep-capabilities flag is");
}

}  // namespace

void dropPrivileges(const Identity& identity, CapabilitySet kept, const Console& console) {
  // The order matters: each step takes away what the steps before it need.
  const Outcome outcome = {.isBoundingSetNarrow = dropBoundingSet(kept, console),
                           .areGroupsGone = dropGroups(identity.gid, console)};
  becomeUser(identity);
  keepOnly(kept);
  closeTheDoor();
  verify(identity, kept, outcome);
  // Dumpable needs no care: the change of user cleared it, the exec sets it again (begin_new_exec), so that /proc/self
  // belongs to the user.
}

}  // namespace mcroute
