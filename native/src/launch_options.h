// The arguments of mcroute-launch, parsed and checked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mcroute {

/// The kernel's default receive buffer holds 256 upcalls; 1 MiB holds about 2500 (832 bytes each, both families).
constexpr int kDefaultReceiveBuffer = 1 << 20;

/// IPv6 names a device `pim6reg<table>` and takes no more digits; 0 means "any table" to netlink.
constexpr std::uint32_t kMinTable = 1;
constexpr std::uint32_t kMaxTable = 99'999'999;

enum class LaunchMode {
  /// Print the usage, the version.
  help,
  version,
  /// Open or adopt the sockets, drop privileges, exec.
  agent,
  /// The program will only print or check something: drop all privileges, exec.
  bare,
  /// The program serves without a table and without any capability: drop all privileges, exec.
  unprivileged,
};

/// What is asked of a program with the ways of smcrouted.
struct SmcroutedOptions {
  bool isForeground;
  std::uint32_t delaySeconds;
  /// Begins messages.
  std::string identity;
  std::string pidFile;
  /// Path of the control socket.
  std::string socket;
};

struct LaunchOptions {
  LaunchMode mode = LaunchMode::agent;
  /// kMinTable..kMaxTable in mode `agent`, 0 otherwise; for smcrouted 0 is the kernel's default table.
  std::uint32_t table = 0;
  bool wantsIpv4 = true;
  bool wantsIpv6 = true;
  /// `USER[:GROUP]` as given.
  std::optional<std::string> user;
  /// Bytes asked of SO_RCVBUFFORCE; the kernel doubles them.
  int receiveBuffer = kDefaultReceiveBuffer;
  std::optional<std::string> runtimeDirectory;
  std::optional<std::string> stateDirectory;
  /// Also opens the sockets of the querier and of router discovery.
  bool wantsSignalling = false;
  bool diesWithParent = false;
  /// As the parent itself says; without it whoever is the parent when the launcher begins.
  std::optional<pid_t> parent;
  /// The program's arguments are those of smcrouted.
  bool isSmcrouted = false;
  /// Set for smcrouted in mode `agent`.
  std::optional<SmcroutedOptions> smcrouted;
  /// The program and its arguments as they came.
  std::vector<std::string> program;
};

/// What `--help` prints.
extern const char kUsage[];

/// @param arguments without argv[0].
/// @throws LaunchError with Reason::invalidField.
LaunchOptions parseLaunchOptions(const std::vector<std::string>& arguments);

}  // namespace mcroute
