// errno -> a JavaScript error as Node makes them.
#pragma once

#include <napi.h>

namespace mcroute {

/// Throws an Error with `code` (EADDRINUSE), `errno` (negative, as in Node) and `syscall`, and the message
/// `EADDRINUSE: address already in use, setsockopt(MRT_INIT)`.
[[noreturn]] void throwErrno(Napi::Env env, int error, const char* syscall);

/// Throws unless `error` is 0.
inline void checkErrno(Napi::Env env, int error, const char* syscall) {
  if (error != 0) throwErrno(env, error, syscall);
}

}  // namespace mcroute
