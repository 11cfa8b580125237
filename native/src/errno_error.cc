#include "errno_error.h"

#include <uv.h>

#include <array>
#include <string>

namespace mcroute {

void throwErrno(Napi::Env env, int error, const char* syscall) {
  // libuv's words, so that `code` and the message are those of Node's own errors. On Linux its codes are -errno.
  std::array<char, 64> code{};
  std::array<char, 128> text{};
  uv_err_name_r(-error, code.data(), code.size());
  uv_strerror_r(-error, text.data(), text.size());
  const Napi::Error thrown =
      Napi::Error::New(env, std::string(code.data()) + ": " + text.data() + ", " + std::string(syscall));
  thrown.Set("code", Napi::String::New(env, code.data()));
  thrown.Set("errno", Napi::Number::New(env, -error));
  thrown.Set("syscall", Napi::String::New(env, syscall));
  throw thrown;
}

}  // namespace mcroute
