#include "launch_user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <string_view>

namespace mcroute {
namespace {

constexpr char kDefaultUser[] = "mcroute";
constexpr char kFallbackUser[] = "nobody";

LaunchError unknown(const std::string& sentence) { return LaunchError(Reason::unknownUser, sentence); }

/// A decimal id below (uid_t)-1, which means "unchanged" to setresuid(2).
std::optional<std::uint32_t> parseId(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id == UINT32_MAX) return std::nullopt;
  return id;
}

/// Nothing if there is no such user; a database that cannot be read is an error.
std::optional<Identity> findUser(const std::string& name) {
  errno = 0;
  const passwd* entry = getpwnam(name.c_str());
  if (entry != nullptr) return Identity{entry->pw_uid, entry->pw_gid};
  // getpwnam(3) lists these as "not found", besides 0.
  if (errno == 0 || errno == ENOENT || errno == ESRCH) return std::nullopt;
  throw kernelError("getpwnam(" + name + ")", errno);
}

gid_t resolveGroup(const std::string& text) {
  if (const group* entry = getgrnam(text.c_str())) return entry->gr_gid;
  if (const auto id = parseId(text)) return *id;
  throw unknown("there is no group \"" + text + "\": make it (`groupadd --system " + text + "`) or name another with " +
                userOption() + " USER:GROUP");
}

Identity resolveRequested(const std::string& text) {
  const auto colon = text.find(':');
  const std::string user = text.substr(0, colon);
  const auto group = colon == std::string::npos ? std::nullopt : std::optional(text.substr(colon + 1));
  if (const auto found = findUser(user)) return {found->uid, group ? resolveGroup(*group) : found->gid};
  const auto uid = parseId(user);
  if (!uid) {
    throw unknown("there is no user \"" + user + "\": make it (`useradd --system " + user + "`) or name another with " +
                  userOption());
  }
  if (group) return {*uid, resolveGroup(*group)};
  if (const passwd* entry = getpwuid(*uid)) return {*uid, entry->pw_gid};
  throw unknown("user " + user + " has no entry and so no group: give one with " + userOption() + " " + user +
                ":GROUP");
}

Identity resolveDefault(const Console& console) {
  auto found = findUser(kDefaultUser);
  if (!found) {
    found = findUser(kFallbackUser);
    if (!found) throw unknown("there is neither a user mcroute nor nobody: make one (`useradd --system mcroute`)");
    console.note("there is no user mcroute, so the program runs as nobody: `useradd --system mcroute` makes it");
  }
  if (found->uid == 0) throw unknown("the default user has uid 0: ask for it with --user root, or name another");
  return *found;
}

/// A map of user_namespaces(7): lines of first id inside, first id outside, count. Without a map (no /proc) every id
/// counts as mapped and setresuid(2) has the last word.
bool isMapped(const char* mapFile, std::uint32_t id) {
  std::ifstream map(mapFile);
  if (!map) return true;
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  while (map >> inside >> outside >> count) {
    if (id >= inside && id - inside < count) return true;
  }
  return false;
}

}  // namespace

Identity resolveIdentity(const std::optional<std::string>& requested, const Console& console) {
  if (requested) return resolveRequested(*requested);
  if (geteuid() == 0) return resolveDefault(console);
  return {getuid(), getgid()};
}

Identity withinUserNamespace(const Identity& wanted, const Console& console) {
  Identity possible = wanted;
  if (wanted.uid != getuid() && !isMapped("/proc/self/uid_map", wanted.uid)) {
    possible.uid = getuid();
    console.note("the user stays " + userName(possible.uid) + ", because uid " + std::to_string(wanted.uid) +
                 " is not mapped in this user namespace");
  }
  if (wanted.gid != getgid() && !isMapped("/proc/self/gid_map", wanted.gid)) {
    possible.gid = getgid();
    console.note("the group stays " + groupName(possible.gid) + ", because gid " + std::to_string(wanted.gid) +
                 " is not mapped in this user namespace");
  }
  return possible;
}

bool isSetgroupsAllowed() {
  std::ifstream file("/proc/self/setgroups");
  std::string word;
  return !(file >> word) || word != "deny";
}

std::string userName(uid_t uid) {
  const passwd* entry = getpwuid(uid);
  return entry == nullptr ? std::to_string(uid) : entry->pw_name;
}

std::string groupName(gid_t gid) {
  const group* entry = getgrgid(gid);
  return entry == nullptr ? std::to_string(gid) : entry->gr_name;
}

}  // namespace mcroute
