// Wakes the JavaScript loop from another thread.
#pragma once

#include <napi.h>
#include <uv.h>

#include <atomic>
#include <functional>

#include "loop_handle.h"

namespace mcroute {

/// A coalesced signal to the loop of an environment. The first one wakes it at once; those that come soon after wait
/// for each other, so that a stream of them takes neither its sender nor the loop a turn for each. It never keeps the
/// process alive.
class Wakeup {
 public:
  /// `onWake` runs on the loop, once for one or more signals. `onEnvironmentEnd` must call `close`. Throws a system
  /// error if there is no descriptor for it.
  Wakeup(Napi::Env env, std::function<void()> onWake, const std::function<void()>& onEnvironmentEnd);

  /// From any thread, until `close`; on the JavaScript thread also later, without effect.
  void send();
  /// On the JavaScript thread, when no other thread sends any more.
  void close();

 private:
  /// Between two calls of `onWake`.
  static constexpr std::uint64_t kPauseMs = 10;

  void wake();
  void endPause();

  std::function<void()> onWake_;
  std::atomic<bool> isSent_ = false;
  /// The timer runs, and `send` leaves it to that.
  std::atomic<bool> isPausing_ = false;
  LoopHandle<uv_async_t> signal_;
  LoopHandle<uv_timer_t> pause_;
};

}  // namespace mcroute
