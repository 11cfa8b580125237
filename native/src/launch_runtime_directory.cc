#include "launch_runtime_directory.h"

#include <unistd.h>

#include <cerrno>

#include "launch_directory.h"
#include "launch_environment.h"

namespace mcroute {
namespace {

constexpr char kVariable[] = "MCROUTE_RUNTIME_DIRECTORY";
constexpr char kDefaultDirectory[] = "/run/mcroute";
constexpr mode_t kMode = 0755;

}  // namespace

std::optional<std::string> chooseRuntimeDirectory(const std::optional<std::string>& requested) {
  if (requested) return requested;
  const auto value = readEnvironment(kVariable);
  if (!value.empty()) return std::string(value);
  return geteuid() == 0 ? std::optional<std::string>(kDefaultDirectory) : std::nullopt;
}

void prepareRuntimeDirectory(const std::string& path, const Identity& identity, const Console& console) {
  setEnvironment(kVariable, path);
  const auto failure = giveDirectory(path, kMode, identity);
  if (!failure) return;
  console.warn("the runtime directory " + path + " cannot be prepared (" + describe(*failure) +
               "): make it by hand or name another with --runtime-directory");
}

void checkRuntimeDirectory(const std::string& path, const Console& console) {
  if (access(path.c_str(), W_OK | X_OK) == 0) return;
  const int error = errno;
  const std::string owner = userName(getuid()) + ":" + groupName(getgid());
  console.warn("user " + userName(getuid()) + " cannot make a socket in " + path + " (" + errnoText(error) +
               "): `chown " + owner + " " + path +
               "` if no agent of another user needs it, or name another with "
               "--runtime-directory");
}

}  // namespace mcroute
