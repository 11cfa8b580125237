#include "launch_report.h"

#include <sysexits.h>
#include <unistd.h>

#include <cstdlib>
#include <system_error>

namespace mcroute {
namespace {

const std::string kProgram = "mcroute-launch";

/// Empty: the launcher speaks for itself. Set once, before anything is said.
std::string smcroutedName;

/// One write, so that lines of several agents on one log never mix. A stderr that takes nothing leaves nobody to tell.
void sayOnStderr(const std::string& prefix, const std::string& sentence) {
  const std::string& name = smcroutedName.empty() ? kProgram : smcroutedName;
  dprintf(STDERR_FILENO, "%s: %s%s\n", name.c_str(), prefix.c_str(), sentence.c_str());
}

}  // namespace

void speakAsSmcrouted(const std::string& name) { smcroutedName = name; }

std::string userOption() { return smcroutedName.empty() ? "--user" : "-p"; }

std::string tableOption() { return smcroutedName.empty() ? "--table" : "-t"; }

const char* reasonWord(Reason reason) {
  switch (reason) {
    case Reason::tableInUse:
      return "TABLE_IN_USE";
    case Reason::socketInUse:
      return "SOCKET_IN_USE";
    case Reason::missingCapability:
      return "MISSING_CAPABILITY";
    case Reason::invalidField:
      return "INVALID_FIELD";
    case Reason::kernelUnsupported:
      return "KERNEL_UNSUPPORTED";
    case Reason::kernelError:
      return "KERNEL_ERROR";
    case Reason::unknownUser:
      return "UNKNOWN_USER";
    case Reason::execFailed:
      return "EXEC_FAILED";
  }
  std::abort();
}

int exitStatus(Reason reason) {
  switch (reason) {
    case Reason::tableInUse:
    case Reason::socketInUse:
      return EX_UNAVAILABLE;
    case Reason::kernelUnsupported:
      return smcroutedName.empty() ? EX_UNAVAILABLE : EX_PROTOCOL;
    case Reason::missingCapability:
      return EX_NOPERM;
    case Reason::invalidField:
    case Reason::unknownUser:
      return EX_USAGE;
    case Reason::kernelError:
    case Reason::execFailed:
      return EX_OSERR;
  }
  std::abort();
}

LaunchError::LaunchError(Reason reason, const std::string& sentence) : std::runtime_error(sentence), reason_(reason) {}

std::string errnoText(int error) { return std::generic_category().message(error); }

LaunchError kernelError(const std::string& call, int error) {
  return LaunchError(Reason::kernelError, call + " failed: " + errnoText(error) + " (errno " + std::to_string(error) +
                                              "); the kernel's log (`dmesg`) may say more");
}

void Console::warn(const std::string& sentence) const {
  if (!isSilent_) sayOnStderr("warning: ", sentence);
}

void Console::note(const std::string& sentence) const {
  if (!isSilent_) sayOnStderr("note: ", sentence);
}

void reportFailure(Reason reason, const std::string& sentence) {
  sayOnStderr(smcroutedName.empty() ? std::string(reasonWord(reason)) + ": " : "", sentence);
}

}  // namespace mcroute
