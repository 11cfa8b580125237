// The tie between the program and whoever started the launcher.
#pragma once

#include <sys/types.h>

namespace mcroute {

/// Has the kernel kill the program when `parent` ends, also if it has ended already. To be called after the drop of
/// privileges, as a change of the user undoes it; the exec that follows does not (prctl(2), PR_SET_PDEATHSIG).
///
/// @param parent what getppid() must still be.
/// @throws LaunchError.
void dieWithParent(pid_t parent);

}  // namespace mcroute
