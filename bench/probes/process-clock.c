// How long a program takes until it ends, or until it listens; nothing of the caller's own speed is in it.
//
//   process-clock LIMIT_MS SOCKET PROGRAM [ARGUMENT...]
//
// SOCKET is the unix socket that the program will listen on; with `-` it runs to its end, which must be status 0.
// Prints the time in microseconds. A program that listens is told to end (SIGTERM), when it catches that, and waited
// for. Its output is dropped; its input is ours.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// Between two looks at the socket, in nanoseconds.
enum { PAUSE_NS = 200000 };

/// From listening until it is told to end, in nanoseconds: a program may listen before it handles signals.
enum { SETTLE_NS = 300000000 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/// Whether someone listens there: a stream is what every program here takes.
static int isListening(const struct sockaddr_un* address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int result = connect(fd, (const struct sockaddr*)address, sizeof *address);
  close(fd);
  return result == 0;
}

static pid_t start(char** argv) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  execvp(argv[0], argv);
  _exit(127);
}

/// Waits for the end until the limit, and kills the program then. Gives its status as waitpid(2) does.
static int awaitEnd(pid_t pid, double end) {
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (now() > end) kill(pid, SIGKILL);
    nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
  }
  return status;
}

static int timeUntilEnd(char** argv, double limit) {
  const double begin = now();
  const pid_t pid = start(argv);
  int status = 0;
  // Nothing can be asked meanwhile: the alarm's default action ends this program, and with it the other.
  alarm((unsigned)(limit / 1e6) + 1);
  waitpid(pid, &status, 0);
  const double time = now() - begin;
  if (status != 0) {
    fprintf(stderr, "process-clock: %s ended with status %d\n", argv[0], status);
    return 1;
  }
  printf("%.0f\n", time);
  return 0;
}

static int timeUntilListening(char** argv, const char* path, double limit) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const double begin = now();
  const pid_t pid = start(argv);
  double time = 0;
  while (!isListening(&address)) {
    time = now() - begin;
    if (time > limit || waitpid(pid, NULL, WNOHANG) != 0) {
      fprintf(stderr, "process-clock: %s does not listen on %s\n", argv[0], path);
      kill(pid, SIGKILL);
      return 1;
    }
    nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
  }
  printf("%.0f\n", now() - begin);
  nanosleep(&(struct timespec){0, SETTLE_NS}, NULL);
  kill(pid, SIGTERM);
  awaitEnd(pid, now() + limit);
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fputs("usage: process-clock LIMIT_MS SOCKET PROGRAM [ARGUMENT...]\n", stderr);
    return 64;
  }
  const double limit = strtod(argv[1], NULL) * 1e3;
  if (strcmp(argv[2], "-") == 0) return timeUntilEnd(argv + 3, limit);
  return timeUntilListening(argv + 3, argv[2], limit);
}
