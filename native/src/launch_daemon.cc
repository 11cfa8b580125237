#include "launch_daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "launch_report.h"

namespace mcroute {
namespace {

[[noreturn]] void awaitDaemon(pid_t daemon, int input) {
  char byte = 0;
  ssize_t got;
  do {
    got = read(input, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) _exit(EX_OK);
  int status = 0;
  while (waitpid(daemon, &status, 0) < 0) {
    if (errno != EINTR) _exit(EX_OSERR);
  }
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  reportFailure(Reason::kernelError, std::string("the daemon was ended while it started (") +
                                         strsignal(WTERMSIG(status)) + "): start it again, with -n to see it work");
  _exit(EX_SOFTWARE);
}

}  // namespace

UniqueFd becomeDaemon() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw kernelError("pipe2", errno);
  UniqueFd input(ends[0]);
  UniqueFd output(ends[1]);
  const pid_t daemon = fork();
  if (daemon < 0) throw kernelError("fork", errno);
  if (daemon > 0) {
    output.reset();
    awaitDaemon(daemon, input.get());
  }
  // It cannot fail: a new process leads no group.
  setsid();
  return output;
}

}  // namespace mcroute
