#include "scheduling.h"

#include <dirent.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace mcroute {

namespace {

/// The lowest priority of SCHED_RR is before every ordinary thread, and behind the kernel's own realtime threads.
constexpr int kPriority = 1;

/// Passes over the threads: one that is made during a pass by a thread whose turn is yet to come inherits SCHED_RR.
constexpr int kPassLimit = 8;

bool isRealtime(int policy) {
  const int plain = policy & ~SCHED_RESET_ON_FORK;
  return plain == SCHED_RR || plain == SCHED_FIFO;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

/// Whether the thread had to be changed; -1 with errno if it could not be.
int dropOne(pid_t tid) {
  const int policy = sched_getscheduler(tid);
  if (policy < 0) return errno == ESRCH ? 0 : -1;
  if (!isRealtime(policy)) return 0;
  const sched_param ordinary{.sched_priority = 0};
  // The flag stays: taking it away needs CAP_SYS_NICE.
  if (sched_setscheduler(tid, SCHED_OTHER | (policy & SCHED_RESET_ON_FORK), &ordinary) == 0) return 1;
  return errno == ESRCH ? 0 : -1;
}

}  // namespace

bool setRealtime(bool isWanted) {
  const bool isNow = isRealtime(sched_getscheduler(0));
  if (isNow == isWanted) return isNow;
  const sched_param priority{.sched_priority = isWanted ? kPriority : 0};
  const bool isSet = sched_setscheduler(0, isWanted ? SCHED_RR : SCHED_OTHER, &priority) == 0;
  return isSet ? isWanted : isNow;
}

int dropRealtime(std::span<const pid_t> exceptTids) {
  bool isChanged = true;
  for (int pass = 0; isChanged && pass < kPassLimit; ++pass) {
    isChanged = false;
    const std::unique_ptr<DIR, CloseDirectory> tasks(opendir("/proc/self/task"));
    if (!tasks) return errno;
    while (const dirent* entry = readdir(tasks.get())) {
      pid_t tid = 0;
      const char* end = entry->d_name + std::strlen(entry->d_name);
      if (std::from_chars(entry->d_name, end, tid).ptr != end) continue;
      if (std::find(exceptTids.begin(), exceptTids.end(), tid) != exceptTids.end()) continue;
      const int dropped = dropOne(tid);
      if (dropped < 0) return errno;
      if (dropped > 0) isChanged = true;
    }
  }
  return 0;
}

}  // namespace mcroute
