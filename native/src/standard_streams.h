// The standard streams of a daemon.
#pragma once

namespace mcroute {

/// Puts /dev/null in the place of stdin, stdout and stderr. Returns 0, or the errno of what failed.
int detachStandardStreams();

}  // namespace mcroute
