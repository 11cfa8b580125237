// The sockets of the querier and of router discovery, opened while there is CAP_NET_RAW for it.
#pragma once

#include <vector>

#include "launch_descriptors.h"
#include "launch_options.h"
#include "launch_report.h"

namespace mcroute {

/// Appends `igmp4` and `icmp6` of the families that are wanted, and `packet`, which sends what no raw socket can. What
/// cannot be opened is a warning: forwarding does not need it. Descriptors of these names that were handed over are
/// closed: they are of an earlier agent, and these are made anew at every start.
///
/// Nothing comes in on them until the program asks for types of messages.
void openSignallingSockets(const LaunchOptions& options, std::vector<NamedDescriptor>& descriptors,
                           const Console& console);

}  // namespace mcroute
