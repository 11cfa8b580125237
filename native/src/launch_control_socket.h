// The control socket of smcrouted: bound by the launcher, as the program may not write in /run.
#pragma once

#include <sys/types.h>

#include <string>

#include "unique_fd.h"

namespace mcroute {

/// A socket that listens, and what is at its path.
struct ControlSocket {
  UniqueFd fd;
  dev_t device;
  ino_t inode;
};

/// Binds a socket to the path, for root alone as that of smcrouted, and listens. One that a dead program left is
/// removed first; one that answers is let alone.
///
/// @throws LaunchError with Reason::socketInUse, or kernelError with the cure.
ControlSocket openControlSocket(const std::string& path);

}  // namespace mcroute
