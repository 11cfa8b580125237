#include "wakeup.h"

#include <utility>

#include "errno_error.h"

namespace mcroute {

Wakeup::Wakeup(Napi::Env env, std::function<void()> onWake, const std::function<void()>& onEnvironmentEnd)
    : onWake_(std::move(onWake)), signal_(onEnvironmentEnd), pause_(onEnvironmentEnd) {
  const auto initialize = [](uv_loop_t* loop, uv_async_t* handle) {
    return uv_async_init(loop, handle, [](uv_async_t* woken) {
      static_cast<Wakeup*>(LoopHandle<uv_async_t>::contextOf(woken))->wake();
    });
  };
  checkErrno(env, -signal_.open(env, this, initialize), "uv_async_init");
  uv_unref(reinterpret_cast<uv_handle_t*>(signal_.get()));
  checkErrno(env, -pause_.open(env, this, uv_timer_init), "uv_timer_init");
  uv_unref(reinterpret_cast<uv_handle_t*>(pause_.get()));
}

void Wakeup::send() {
  if (!signal_.isOpen()) return;
  // In this order, and the other way round in `endPause`, so that one of the two sees the other.
  isSent_ = true;
  if (!isPausing_) uv_async_send(signal_.get());
}

void Wakeup::close() {
  signal_.close();
  pause_.close();
}

void Wakeup::wake() {
  if (!isSent_.exchange(false)) return;
  isPausing_ = true;
  uv_timer_start(
      pause_.get(),
      [](uv_timer_t* timer) { static_cast<Wakeup*>(LoopHandle<uv_timer_t>::contextOf(timer))->endPause(); }, kPauseMs,
      0);
  // Last, because it may close this.
  onWake_();
}

void Wakeup::endPause() {
  isPausing_ = false;
  wake();
}

}  // namespace mcroute
