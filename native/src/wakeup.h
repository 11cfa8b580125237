// Wakes the JavaScript loop from another thread.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>

#include "loop_handle.h"

namespace mcroute {

/// A coalesced signal to the loop of an environment. It never keeps the process alive.
class Wakeup {
 public:
  /// `onWake` runs on the loop, once for one or more signals. `onEnvironmentEnd` must call `close`. Throws a system
  /// error if there is no descriptor for it.
  Wakeup(Napi::Env env, std::function<void()> onWake, std::function<void()> onEnvironmentEnd);

  /// From any thread, until `close`; on the JavaScript thread also later, without effect.
  void send();
  /// On the JavaScript thread, when no other thread sends any more.
  void close() { handle_.close(); }

 private:
  std::function<void()> onWake_;
  LoopHandle<uv_async_t> handle_;
};

}  // namespace mcroute
