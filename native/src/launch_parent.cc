#include "launch_parent.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "launch_report.h"

namespace mcroute {

void dieWithParent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw kernelError("prctl(PR_SET_PDEATHSIG)", errno);
  // A parent that ended before the call has no death to tell of: its children have another one by now.
  if (getppid() != parent) raise(SIGKILL);
}

}  // namespace mcroute
