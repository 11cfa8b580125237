// What lets the program's upcall thread run ahead of ordinary threads.
#pragma once

#include "launch_report.h"

namespace mcroute {

/// Allows SCHED_RR priority 1 to the program: by RLIMIT_RTPRIO, or where that needs CAP_SYS_RESOURCE in vain by taking
/// the policy on, which an exec keeps; the program then gives it back on all other threads. Neither: a note.
void allowRealtime(const Console& console);

}  // namespace mcroute
