// The process that keeps the files of smcrouted. The program gives up its rights before it is ready, and whoever has no
// rights in /run can neither make a pid file there, touch nor remove it, nor remove the socket. So a process of a few
// pages stays behind with the one right to write files (CAP_DAC_OVERRIDE), which reads no data: each byte from the
// program says "ready" or "reloaded", and the end of the pipe says that the program has ended, however it did.
#pragma once

#include <sys/types.h>

#include <string>

#include "launch_control_socket.h"
#include "unique_fd.h"

namespace mcroute {

/// The files that are kept.
struct KeptFiles {
  std::string pidFile;
  std::string socket;
  dev_t socketDevice;
  ino_t socketInode;
};

/// Starts the keeper of this process, which is to become the program. With the program's first byte the keeper writes
/// the pid file and then one byte to `starter`, if that is open; with each further byte it touches the pid file. It
/// removes the files when the program ends, those that are still the program's own.
///
/// @returns where the program writes.
/// @throws LaunchError.
UniqueFd startKeeper(const KeptFiles& files, UniqueFd starter);

}  // namespace mcroute
