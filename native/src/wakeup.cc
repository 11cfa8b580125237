#include "wakeup.h"

#include <utility>

#include "errno_error.h"

namespace mcroute {

Wakeup::Wakeup(Napi::Env env, std::function<void()> onWake, std::function<void()> onEnvironmentEnd)
    : onWake_(std::move(onWake)), handle_(std::move(onEnvironmentEnd)) {
  const auto initialize = [](uv_loop_t* loop, uv_async_t* handle) {
    return uv_async_init(loop, handle, [](uv_async_t* woken) {
      static_cast<Wakeup*>(LoopHandle<uv_async_t>::contextOf(woken))->onWake_();
    });
  };
  checkErrno(env, -handle_.open(env, this, initialize), "uv_async_init");
  uv_unref(reinterpret_cast<uv_handle_t*>(handle_.get()));
}

void Wakeup::send() {
  if (handle_.isOpen()) uv_async_send(handle_.get());
}

}  // namespace mcroute
