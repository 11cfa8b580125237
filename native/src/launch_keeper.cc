#include "launch_keeper.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>

#include "capabilities.h"
#include "launch_report.h"
#include "standard_streams.h"

namespace mcroute {
namespace {

/// Everyone may read who the daemon is.
constexpr mode_t kPidFileMode = 0644;

/// The keeper's only descriptors behind the standard streams.
constexpr int kInputPlace = 3;
constexpr int kStarterPlace = 4;

[[noreturn]] void fails(const std::string& path) {
  throw LaunchError(Reason::kernelError, "cannot write the pid file " + path + " (" + errnoText(errno) +
                                             "): make its folder, or choose another file with -P");
}

/// Whoever finds the file finds all of it.
void writePidFile(const std::string& path, pid_t pid) {
  // mkostemp(3) puts characters of its own in the place of these.
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) fails(path);
  const std::string line = std::to_string(pid) + "\n";
  if (write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
      fchmod(fd.get(), kPidFileMode) == 0 && rename(temporary.c_str(), path.c_str()) == 0) {
    return;
  }
  const int error = errno;
  unlink(temporary.c_str());
  errno = error;
  fails(path);
}

/// Another daemon may have come since, under the same name.
void removePidFile(const std::string& path, pid_t pid) {
  pid_t written = 0;
  if (std::ifstream(path) >> written && written == pid) unlink(path.c_str());
}

void removeSocket(const KeptFiles& files) {
  struct stat found {};
  if (lstat(files.socket.c_str(), &found) != 0) return;
  if (found.st_dev == files.socketDevice && found.st_ino == files.socketInode) unlink(files.socket.c_str());
}

/// The signals of a service manager or of a terminal are meant for the program, with which the keeper ends.
void blockSignals() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

void keepOneRight() {
  setCapabilities(readCapabilities().permitted & capabilityBit(CAP_DAC_OVERRIDE));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw kernelError("prctl(PR_SET_NO_NEW_PRIVS)", errno);
}

/// False when the program has ended.
bool awaitByte(int fd) {
  char byte = 0;
  ssize_t got;
  do {
    got = read(fd, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1;
}

void tellReady(UniqueFd& starter) {
  const char byte = 'r';
  if (starter && write(starter.get(), &byte, 1) != 1) {
    // The starter was killed; the daemon runs all the same.
  }
  starter.reset();
}

/// Everything else that is open belongs to the program.
void closeOthers(UniqueFd& input, UniqueFd& starter) {
  // Behind both places, so that none is overwritten before it is copied.
  const int inputCopy = fcntl(input.release(), F_DUPFD_CLOEXEC, kStarterPlace + 1);
  const int starterCopy = starter ? fcntl(starter.release(), F_DUPFD_CLOEXEC, kStarterPlace + 1) : -1;
  input.reset(dup2(inputCopy, kInputPlace));
  if (starterCopy >= 0) starter.reset(dup2(starterCopy, kStarterPlace));
  if (!input) throw kernelError("dup2", errno);
  const int end = starter ? kStarterPlace + 1 : kInputPlace + 1;
  if (syscall(SYS_close_range, static_cast<unsigned>(end), ~0U, 0U) != 0) throw kernelError("close_range", errno);
}

void keep(const KeptFiles& files, pid_t pid, int input, UniqueFd& starter) {
  if (awaitByte(input)) {
    try {
      writePidFile(files.pidFile, pid);
    } catch (const LaunchError& error) {
      // As with smcrouted the daemon runs without.
      Console(/*isSilent=*/false).warn(error.what());
    }
    detachStandardStreams();
    tellReady(starter);
    while (awaitByte(input)) utimensat(AT_FDCWD, files.pidFile.c_str(), nullptr, 0);
  }
  removePidFile(files.pidFile, pid);
  removeSocket(files);
}

[[noreturn]] void runKeeper(const KeptFiles& files, pid_t pid, UniqueFd& input, UniqueFd& starter) {
  try {
    closeOthers(input, starter);
    keepOneRight();
    if (chdir("/") != 0) throw kernelError("chdir(/)", errno);
    keep(files, pid, input.get(), starter);
    _exit(0);
  } catch (const std::exception& error) {
    reportFailure(Reason::kernelError, error.what());
    _exit(exitStatus(Reason::kernelError));
  }
}

}  // namespace

UniqueFd startKeeper(const KeptFiles& files, UniqueFd starter) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw kernelError("pipe2", errno);
  UniqueFd input(ends[0]);
  UniqueFd output(ends[1]);
  const pid_t pid = getpid();
  const pid_t child = fork();
  if (child < 0) throw kernelError("fork", errno);
  if (child == 0) {
    blockSignals();
    // Twice, so that it is a child of init, which the program need not wait for.
    const pid_t keeper = fork();
    if (keeper != 0) _exit(keeper < 0 ? 1 : 0);
    output.reset();
    runKeeper(files, pid, input, starter);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw kernelError("waitpid", errno);
  }
  if (status != 0) throw kernelError("fork", EAGAIN);
  return output;
}

}  // namespace mcroute
