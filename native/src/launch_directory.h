// The directory in which the program binds its socket.
#pragma once

#include <optional>
#include <string>

#include "launch_report.h"
#include "launch_user.h"

namespace mcroute {

/// The directory asked for, or else that of MCROUTE_RUNTIME_DIRECTORY, or else the default when started as root.
std::optional<std::string> chooseRuntimeDirectory(const std::optional<std::string>& requested);

/// Makes the directory with mode 0755 for the identity if it is missing, and exports it as MCROUTE_RUNTIME_DIRECTORY.
/// One that exists changes its owner only if it is empty, root's, and of no use to the identity: another program may
/// live there. A failure is a warning, as the program may be told to put its socket elsewhere.
void prepareRuntimeDirectory(const std::string& path, const Identity& identity, const Console& console);

/// After the drop of privileges: says how to cure a directory that the program cannot make its socket in.
void checkRuntimeDirectory(const std::string& path, const Console& console);

}  // namespace mcroute
