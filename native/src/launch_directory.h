// Directories that the launcher makes for the program.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "launch_user.h"

namespace mcroute {

/// The step of making a directory that failed, and why.
struct DirectoryFailure {
  std::string step;
  int error;
};

/// `mkdir: Permission denied`.
std::string describe(const DirectoryFailure& failure);

/// Makes the directory with the mode for the identity if it is missing. One that exists changes its owner only if it is
/// empty, root's, and of no use to the identity: another program may live there.
std::optional<DirectoryFailure> giveDirectory(const std::string& path, mode_t mode, const Identity& identity);

/// Makes the directory, and those on the way to it, with the mode if they are missing; they are the launcher's own.
/// What exists is left as it is.
std::optional<DirectoryFailure> makeDirectories(const std::string& path, mode_t mode);

}  // namespace mcroute
