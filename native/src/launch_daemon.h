// Becoming a daemon, in a way that tells whoever started it how the start went.
#pragma once

#include "unique_fd.h"

namespace mcroute {

/// Returns in a new process with a session of its own. The process that called waits: for a byte on the descriptor that
/// is returned, and ends with 0; or for the end of all that have it, and then ends as the new process did. Until then
/// both have the same standard streams, so that what goes wrong is seen.
///
/// @throws LaunchError.
UniqueFd becomeDaemon();

}  // namespace mcroute
