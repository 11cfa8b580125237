#include "launch_state_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "launch_directory.h"
#include "launch_environment.h"

namespace mcroute {
namespace {

constexpr char kVariable[] = "MCROUTE_STATE_DIRECTORY";
constexpr char kSystemdVariable[] = "STATE_DIRECTORY";
constexpr char kDefaultDirectory[] = "/var/lib/mcroute";

constexpr mode_t kMode = 0755;
/// What a table is told is its agent's alone.
constexpr mode_t kTableMode = 0700;

}  // namespace

std::optional<StateDirectory> StateDirectory::choose(const std::optional<std::string>& requested, std::uint32_t table) {
  if (requested) return StateDirectory(*requested, false, table);
  if (const auto own = readEnvironment(kVariable); !own.empty()) return StateDirectory(std::string(own), false, table);
  const auto ofUnit = readEnvironment(kSystemdVariable);
  const auto first = ofUnit.substr(0, ofUnit.find(':'));
  if (!first.empty()) return StateDirectory(std::string(first), false, table);
  if (geteuid() != 0) return std::nullopt;
  return StateDirectory(kDefaultDirectory, true, table);
}

void StateDirectory::prepare(const Identity& identity) {
  if (const auto failure = makeDirectories(path_, kMode)) {
    failure_ = describe(*failure) + ", " + path_;
  } else if (const auto failure = giveDirectory(ofTable_, kTableMode, identity)) {
    failure_ = describe(*failure) + ", " + ofTable_;
  }
}

void StateDirectory::pass(const Console& console) const {
  const bool isUsable = access(ofTable_.c_str(), R_OK | W_OK | X_OK) == 0;
  const std::string reason = failure_.value_or(errnoText(errno));
  if (isUsable || !isDefault_) {
    setEnvironment(kVariable, path_);
  } else {
    unsetenv(kVariable);
  }
  if (isUsable) return;
  const std::string user = userName(getuid());
  console.warn("user " + user + " cannot save what the table is told in " + ofTable_ + " (" + reason +
               (isDefault_ ? "), so it ends with the program" : ")") + ": `install -d -m 700 -o " + user + " -g " +
               groupName(getgid()) + " " + ofTable_ + "` if no agent of another user needs it, or name another with " +
               "--state-directory");
}

}  // namespace mcroute
