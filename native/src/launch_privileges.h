// The way down: from whatever the launcher was started with to one user and at most one capability, for good.
#pragma once

#include "capabilities.h"
#include "launch_report.h"
#include "launch_user.h"

namespace mcroute {

/// Becomes `identity` without supplementary groups and keeps the capabilities `kept` and no other, in a way that passes
/// an exec and cannot be undone (no_new_privs). Must run before there is a second thread: all of this is per thread. At
/// the end everything is read back from the kernel.
///
/// What an unprivileged starter or a user namespace cannot give up is said on the console; for root every failure is
/// fatal.
///
/// @throws LaunchError.
void dropPrivileges(const Identity& identity, CapabilitySet kept, const Console& console);

}  // namespace mcroute
