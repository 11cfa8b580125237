// Descriptors that come from the service manager and go to the program, by the protocol of sd_listen_fds(3).
#pragma once

#include <string>
#include <vector>

namespace mcroute {

struct NamedDescriptor {
  int fd;
  std::string name;
};

/// Makes sure that 0, 1 and 2 are open, so that nothing opened later is taken for one of them.
void openStandardDescriptors();

/// The descriptors handed to this process, in their order; none if LISTEN_PID is not this process. All others above 2
/// are closed.
///
/// @throws LaunchError with Reason::invalidField if LISTEN_FDS and LISTEN_FDNAMES do not fit what is open.
std::vector<NamedDescriptor> takeListenDescriptors();

/// Hands the descriptors on, as 3, 4, ... in this order: sets LISTEN_PID (an exec keeps it), LISTEN_FDS and
/// LISTEN_FDNAMES, and closes all others above 2.
void passListenDescriptors(const std::vector<NamedDescriptor>& descriptors);

}  // namespace mcroute
