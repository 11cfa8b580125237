// mcroute-launch, the first stage of every agent: opens what needs privileges, gives the privileges up, runs the agent.
// Of the gateway too, which needs none: it gives them up.
// It is a program of its own because capabilities and no_new_privs are per thread, and Node has threads from the start.
#include <linux/capability.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "capabilities.h"
#include "launch_control_socket.h"
#include "launch_daemon.h"
#include "launch_descriptors.h"
#include "launch_keeper.h"
#include "launch_options.h"
#include "launch_parent.h"
#include "launch_privileges.h"
#include "launch_realtime.h"
#include "launch_report.h"
#include "launch_runtime_directory.h"
#include "launch_signalling.h"
#include "launch_sockets.h"
#include "launch_state_directory.h"
#include "launch_user.h"

namespace {

using namespace mcroute;

[[noreturn]] void runProgram(const std::vector<std::string>& program) {
  std::vector<char*> arguments;
  for (const auto& argument : program) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  throw LaunchError(Reason::execFailed, "cannot run " + program[0] + " as user " + userName(getuid()) + ": " +
                                            errnoText(errno) + "; give its full path, readable for that user");
}

/// For `--help` and its like: nothing is opened, and no capability stays.
[[noreturn]] void launchBare(const LaunchOptions& options) {
  // What `smcrouted -F` reads it reads with the rights of who asks, as a reader of files does.
  if (options.isSmcrouted) runProgram(options.program);
  const Console console(/*isSilent=*/true);
  const auto descriptors = takeListenDescriptors();
  dropPrivileges(withinUserNamespace(resolveIdentity(options.user, console), console), 0, console);
  passListenDescriptors(descriptors);
  runProgram(options.program);
}

[[noreturn]] void launchUnprivileged(const LaunchOptions& options, pid_t parent) {
  const Console console(/*isSilent=*/false);
  const auto descriptors = takeListenDescriptors();
  dropPrivileges(withinUserNamespace(resolveIdentity(options.user, console), console), 0, console);
  passListenDescriptors(descriptors);
  if (options.diesWithParent) dieWithParent(options.parent.value_or(parent));
  runProgram(options.program);
}

[[noreturn]] void launchAgent(const LaunchOptions& options, pid_t parent) {
  const Console console(/*isSilent=*/false);
  auto descriptors = takeListenDescriptors();
  const auto identity = withinUserNamespace(resolveIdentity(options.user, console), console);
  openMrouteSockets(options, descriptors, console);
  if (options.wantsSignalling) openSignallingSockets(options, descriptors, console);
  const auto directory = chooseRuntimeDirectory(options.runtimeDirectory);
  if (directory) prepareRuntimeDirectory(*directory, identity, console);
  auto stateDirectory = StateDirectory::choose(options.stateDirectory, options.table);
  if (stateDirectory) stateDirectory->prepare(identity);
  allowRealtime(console);
  dropPrivileges(identity, capabilityBit(CAP_NET_ADMIN), console);
  if (directory) checkRuntimeDirectory(*directory, console);
  if (stateDirectory) stateDirectory->pass(console);
  passListenDescriptors(descriptors);
  if (options.diesWithParent) dieWithParent(options.parent.value_or(parent));
  runProgram(options.program);
}

/// The program gets its control socket and a pipe to its keeper beside the sockets of the table.
[[noreturn]] void launchSmcrouted(const LaunchOptions& options, const SmcroutedOptions& smcrouted) {
  speakAsSmcrouted(smcrouted.identity);
  const Console console(/*isSilent=*/false);
  auto descriptors = takeListenDescriptors();
  const auto identity = options.user ? withinUserNamespace(resolveIdentity(options.user, console), console)
                                     : Identity{getuid(), getgid()};
  UniqueFd starter = smcrouted.isForeground ? UniqueFd() : becomeDaemon();
  for (unsigned left = smcrouted.delaySeconds; left > 0;) left = sleep(left);
  // The table first: who has it already is not to be disturbed at its socket.
  openMrouteSockets(options, descriptors, console);
  if (options.wantsSignalling) openSignallingSockets(options, descriptors, console);
  ControlSocket control = openControlSocket(smcrouted.socket);
  UniqueFd keeper = startKeeper(
      {
          .pidFile = smcrouted.pidFile,
          .socket = smcrouted.socket,
          .socketDevice = control.device,
          .socketInode = control.inode,
      },
      std::move(starter));
  descriptors.push_back({control.fd.release(), "control"});
  descriptors.push_back({keeper.release(), "keeper"});
  allowRealtime(console);
  dropPrivileges(identity, capabilityBit(CAP_NET_ADMIN), console);
  passListenDescriptors(descriptors);
  runProgram(options.program);
}

int launch(const std::vector<std::string>& arguments, pid_t parent) {
  const auto options = parseLaunchOptions(arguments);
  switch (options.mode) {
    case LaunchMode::help:
      return std::fputs(kUsage, stdout) < 0 ? 1 : 0;
    case LaunchMode::version:
      return std::puts("mcroute-launch " MCROUTE_VERSION) < 0 ? 1 : 0;
    case LaunchMode::bare:
      openStandardDescriptors();
      launchBare(options);
    case LaunchMode::unprivileged:
      openStandardDescriptors();
      launchUnprivileged(options, parent);
    case LaunchMode::agent:
      openStandardDescriptors();
      if (options.smcrouted) launchSmcrouted(options, *options.smcrouted);
      launchAgent(options, parent);
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  // As early as can be: what is not yet done may outlast the parent.
  const pid_t parent = getppid();
  try {
    return launch(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), parent);
  } catch (const LaunchError& error) {
    reportFailure(error.reason(), error.what());
    return exitStatus(error.reason());
  } catch (const std::exception& error) {
    reportFailure(Reason::kernelError, error.what());
    return exitStatus(Reason::kernelError);
  }
}
