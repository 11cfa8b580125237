// Calls from libuv into JavaScript.
#pragma once

#include <napi.h>

namespace mcroute {

/// Calls a function from a callback of libuv, with its microtasks. An exception never crosses libuv: it becomes an
/// uncaught one. The function may destroy the owner of the reference.
inline void callFromLoop(const Napi::FunctionReference& reference) {
  const Napi::Env env = reference.Env();
  const Napi::HandleScope scope(env);
  const Napi::Function function = reference.Value();
  try {
    function.MakeCallback(env.Global(), std::initializer_list<napi_value>{});
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

}  // namespace mcroute
