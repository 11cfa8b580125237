#include "launch_realtime.h"

#include <sched.h>
#include <sys/resource.h>

namespace mcroute {

void allowRealtime(const Console& console) {
  // The lowest real-time priority is ahead of every ordinary thread, and more than that is not asked for.
  constexpr int kPriority = 1;
  const rlimit limit = {.rlim_cur = kPriority, .rlim_max = kPriority};
  if (setrlimit(RLIMIT_RTPRIO, &limit) == 0) return;
  const sched_param parameter = {.sched_priority = kPriority};
  if (sched_setscheduler(0, SCHED_RR, &parameter) == 0) return;
  console.note(
      "real-time priority is refused, so new flows may wait for a CPU under load: start with LimitRTPRIO=1 "
      "(systemd), `ulimit -r 1` or CAP_SYS_NICE");
}

}  // namespace mcroute
