#include "launch_descriptors.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "launch_environment.h"
#include "launch_report.h"

namespace mcroute {
namespace {

/// SD_LISTEN_FDS_START.
constexpr int kFirstDescriptor = 3;
/// More than any store of systemd keeps by default limits; a larger number is a damaged environment.
constexpr int kMaxDescriptors = 4096;
/// The name of systemd for descriptors without one.
constexpr char kUnknownName[] = "unknown";

bool isThisProcess(std::string_view pid) { return pid == std::to_string(getpid()); }

LaunchError badHandover(const std::string& what) {
  return LaunchError(Reason::invalidField,
                     what + ": start the agent by its supervisor or its systemd unit, or unset LISTEN_FDS");
}

int readCount() {
  const auto text = readEnvironment("LISTEN_FDS");
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count < 0 || count > kMaxDescriptors) {
    throw badHandover("LISTEN_FDS \"" + std::string(text) + "\" is not a number of descriptors");
  }
  return count;
}

/// The names are separated by colons; without the variable all are unknown.
std::vector<std::string> readNames(std::size_t count) {
  const char* text = getenv("LISTEN_FDNAMES");
  if (text == nullptr) return std::vector<std::string>(count, kUnknownName);
  std::vector<std::string> names;
  for (std::string_view rest = text;;) {
    const auto colon = rest.find(':');
    names.emplace_back(rest.substr(0, colon));
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  if (count == 0) names.clear();
  if (names.size() != count) {
    throw badHandover("LISTEN_FDNAMES \"" + std::string(text) + "\" does not name " + std::to_string(count) +
                      " descriptors");
  }
  return names;
}

void closeFrom(int first) {
  if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0) return;
  if (errno == ENOSYS) {
    throw LaunchError(Reason::kernelUnsupported, "the kernel has no close_range(2): Linux 5.9 or later is needed");
  }
  throw kernelError("close_range", errno);
}

void clearEnvironment() {
  // LISTEN_PIDFDID (systemd 258) names the process that was meant; it would be wrong beside a LISTEN_PID of ours.
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"}) unsetenv(name);
}

/// Gives every descriptor its place. All are first moved behind the last place, so that none is overwritten.
void arrange(const std::vector<NamedDescriptor>& descriptors) {
  const int end = kFirstDescriptor + static_cast<int>(descriptors.size());
  std::vector<int> moved;
  for (const auto& descriptor : descriptors) {
    const int fd = fcntl(descriptor.fd, F_DUPFD_CLOEXEC, end);
    if (fd < 0) throw kernelError("fcntl(F_DUPFD_CLOEXEC)", errno);
    moved.push_back(fd);
  }
  for (int place = kFirstDescriptor; place < end; ++place) {
    // dup2 leaves out close-on-exec: these are for the program.
    if (dup2(moved[static_cast<std::size_t>(place - kFirstDescriptor)], place) < 0) throw kernelError("dup2", errno);
  }
  closeFrom(end);
}

}  // namespace

void openStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is this one, as all below are open.
    if (open("/dev/null", O_RDWR) != fd) throw kernelError("open(/dev/null)", errno);
  }
}

std::vector<NamedDescriptor> takeListenDescriptors() {
  std::vector<NamedDescriptor> descriptors;
  if (isThisProcess(readEnvironment("LISTEN_PID"))) {
    const int count = readCount();
    const auto names = readNames(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      const int fd = kFirstDescriptor + i;
      if (fcntl(fd, F_GETFD) < 0) {
        throw badHandover("LISTEN_FDS is " + std::to_string(count) + " but descriptor " + std::to_string(fd) +
                          " is not open");
      }
      descriptors.push_back({fd, names[static_cast<std::size_t>(i)]});
    }
  }
  closeFrom(kFirstDescriptor + static_cast<int>(descriptors.size()));
  return descriptors;
}

void passListenDescriptors(const std::vector<NamedDescriptor>& descriptors) {
  arrange(descriptors);
  clearEnvironment();
  if (descriptors.empty()) return;
  std::string names;
  for (const auto& descriptor : descriptors) names += (names.empty() ? "" : ":") + descriptor.name;
  setEnvironment("LISTEN_PID", std::to_string(getpid()));
  setEnvironment("LISTEN_FDS", std::to_string(descriptors.size()));
  setEnvironment("LISTEN_FDNAMES", names);
}

}  // namespace mcroute
