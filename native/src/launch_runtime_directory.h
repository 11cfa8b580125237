// The directory in which the program binds its socket.
#pragma once

#include <optional>
#include <string>

#include "launch_report.h"
#include "launch_user.h"

namespace mcroute {

/// The directory asked for, or else that of MCROUTE_RUNTIME_DIRECTORY, or else the default when started as root.
std::optional<std::string> chooseRuntimeDirectory(const std::optional<std::string>& requested);

/// Gives the directory to the identity with mode 0755 and exports it as MCROUTE_RUNTIME_DIRECTORY. A failure is a
/// warning, as the program may be told to put its socket elsewhere.
void prepareRuntimeDirectory(const std::string& path, const Identity& identity, const Console& console);

/// After the drop of privileges: says how to cure a directory that the program cannot make its socket in.
void checkRuntimeDirectory(const std::string& path, const Console& console);

}  // namespace mcroute
