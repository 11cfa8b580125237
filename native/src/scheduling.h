// Who of the process's threads runs before others.
#pragma once

#include <sys/types.h>

#include <span>

namespace mcroute {

/// Gives the calling thread SCHED_RR, or takes it. It is granted by RLIMIT_RTPRIO, by CAP_SYS_NICE, or because the
/// thread was born with it. Returns whether the thread has it now.
bool setRealtime(bool isWanted);

/// Gives SCHED_OTHER to every thread of the process but these; needs no privilege. An errno, 0 if all have it.
int dropRealtime(std::span<const pid_t> exceptTids);

}  // namespace mcroute
