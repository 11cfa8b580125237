#include "descriptors.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "arguments.h"
#include "errno_error.h"
#include "standard_streams.h"
#include "unique_fd.h"

// Linux 6.3; libc's headers may be older.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace mcroute {

namespace {

constexpr mode_t kLockMode = 0600;

}  // namespace

Napi::Value createMemoryFile(const Napi::CallbackInfo& info) {
  const std::string name = arguments::text(info[0], "name");
  // A host may refuse files that could be run (sysctl vm.memfd_noexec); older kernels do not know the flag.
  UniqueFd fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_NOEXEC_SEAL));
  if (!fd && errno == EINVAL) fd = UniqueFd(memfd_create(name.c_str(), MFD_CLOEXEC));
  if (!fd) throwErrno(info.Env(), errno, "memfd_create");
  return Napi::Number::New(info.Env(), fd.release());
}

Napi::Value lockFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = arguments::text(info[0], "path");
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kLockMode));
  if (!fd) throwErrno(env, errno, "open");
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return Napi::Number::New(env, fd.release());
  if (errno == EWOULDBLOCK) return env.Undefined();
  throwErrno(env, errno, "flock");
}

void detachStandardStreams(const Napi::CallbackInfo& info) {
  const int error = detachStandardStreams();
  if (error != 0) throwErrno(info.Env(), error, "dup2");
}

void closeDescriptor(const Napi::CallbackInfo& info) {
  // EINTR has closed it all the same.
  if (close(arguments::descriptor(info[0], "fd")) != 0 && errno != EINTR) throwErrno(info.Env(), errno, "close");
}

}  // namespace mcroute
