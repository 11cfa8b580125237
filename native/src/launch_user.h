// Who the program runs as: the user and group as named, and as far as this user namespace can have them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "launch_report.h"

namespace mcroute {

struct Identity {
  uid_t uid;
  gid_t gid;
};

/// The identity for `USER[:GROUP]`, names or numbers. Nothing asked for: `mcroute` or else `nobody` when started as
/// root, and otherwise who the process is already. Root only when asked for.
///
/// @throws LaunchError with Reason::unknownUser.
Identity resolveIdentity(const std::optional<std::string>& requested, const Console& console);

/// Keeps the present user or group where the wanted one is not mapped in this user namespace (user_namespaces(7)), and
/// says so.
Identity withinUserNamespace(const Identity& wanted, const Console& console);

/// False where user_namespaces(7) forbids setgroups(2).
bool isSetgroupsAllowed();

/// The user's name, or its number if it has none.
std::string userName(uid_t uid);

/// The group's name, or its number if it has none.
std::string groupName(gid_t gid);

}  // namespace mcroute
