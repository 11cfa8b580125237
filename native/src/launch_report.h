// What the launcher says on stderr: the closed set of reasons it can fail for, warnings and notes.
#pragma once

#include <stdexcept>
#include <string>

namespace mcroute {

/// Why a launch failed. The word on stderr and the exit status are part of the interface.
enum class Reason {
  tableInUse,
  socketInUse,
  missingCapability,
  invalidField,
  kernelUnsupported,
  kernelError,
  unknownUser,
  execFailed,
};

/// From now on messages begin with `NAME: ` and have no words of reasons, and the exit statuses are those of smcrouted.
void speakAsSmcrouted(const std::string& name);

/// How the program's user and its table are named: --user and --table, or -p and -t.
std::string userOption();
std::string tableOption();

/// The stable word of a reason, such as TABLE_IN_USE.
const char* reasonWord(Reason reason);

/// The status of sysexits.h that the launcher ends with.
int exitStatus(Reason reason);

/// Says why the launch has failed.
void reportFailure(Reason reason, const std::string& sentence);

/// A failure that ends the launch; `what()` is the sentence with the cure.
class LaunchError : public std::runtime_error {
 public:
  LaunchError(Reason reason, const std::string& sentence);
  Reason reason() const { return reason_; }

 private:
  Reason reason_;
};

/// The kernel's text for an errno.
std::string errnoText(int error);

/// A LaunchError for a system call that failed for a reason that has no word of its own; `call` is what was tried.
LaunchError kernelError(const std::string& call, int error);

/// Where warnings go. A silent one serves `--help` and the like, where nothing is lost by what could not be done.
class Console {
 public:
  explicit Console(bool isSilent) : isSilent_(isSilent) {}
  /// Something that was asked for is not there.
  void warn(const std::string& sentence) const;
  /// Something works in a lesser way.
  void note(const std::string& sentence) const;

 private:
  bool isSilent_;
};

}  // namespace mcroute
