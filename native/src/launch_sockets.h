// The multicast routing sockets of one table: opened and made owners, or recognised among handed-over descriptors.
#pragma once

#include <vector>

#include "launch_descriptors.h"
#include "launch_options.h"
#include "launch_report.h"

namespace mcroute {

/// Appends `mrt4` and `mrt6`, as far as they are wanted and not among the descriptors already. Those that are there are
/// checked to be raw sockets of their family and are otherwise left as they are: they own their table.
///
/// IPv6 that the kernel lacks is a warning where IPv4 is served.
///
/// @throws LaunchError; what was opened until then ends with the process, and its table with it.
void openMrouteSockets(const LaunchOptions& options, std::vector<NamedDescriptor>& descriptors, const Console& console);

}  // namespace mcroute
