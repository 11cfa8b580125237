// A libuv handle that ends with its owner or with the JavaScript environment, whichever is first.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <utility>

namespace mcroute {

/// Owns a libuv handle. libuv goes on using the memory of a handle until its close callback, on a later turn of the
/// loop; so the handle lives apart from its owner, and the environment waits for that callback before it ends.
template <typename Handle>
class LoopHandle {
 public:
  /// `onEnvironmentEnd` must call `close`; it runs on the JavaScript thread, where no JavaScript may run any more.
  explicit LoopHandle(std::function<void()> onEnvironmentEnd) : state_(std::make_unique<State>()) {
    state_->onEnvironmentEnd = std::move(onEnvironmentEnd);
  }
  LoopHandle(const LoopHandle&) = delete;
  LoopHandle& operator=(const LoopHandle&) = delete;
  ~LoopHandle() { close(); }

  /// Initializes the handle with `initialize(loop, handle)`, once; `context` becomes what `contextOf` gives. Returns a
  /// negative errno of libuv if it fails; the handle is then closed.
  template <typename Initialize>
  int open(napi_env env, void* context, Initialize initialize) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) return UV_EINVAL;
    if (const int error = initialize(loop, &state_->handle); error != 0) {
      state_.reset();
      return error;
    }
    state_->handle.data = state_.get();
    state_->context = context;
    isOpen_ = true;
    if (napi_add_async_cleanup_hook(env, endWithEnvironment, state_.get(), &state_->hook) == napi_ok) return 0;
    close();
    return UV_ENOMEM;
  }

  bool isOpen() const { return isOpen_; }
  Handle* get() { return &state_->handle; }

  /// What `open` was given, in a callback of libuv.
  static void* contextOf(const Handle* handle) { return static_cast<State*>(handle->data)->context; }

  /// No callback of the handle comes after this.
  void close() {
    if (!std::exchange(isOpen_, false)) return;
    State* state = state_.release();
    state->isClosing = true;
    uv_close(reinterpret_cast<uv_handle_t*>(&state->handle), [](uv_handle_t* handle) {
      const std::unique_ptr<State> closed(static_cast<State*>(handle->data));
      if (closed->hook != nullptr) napi_remove_async_cleanup_hook(closed->hook);
    });
  }

 private:
  struct State {
    Handle handle{};
    napi_async_cleanup_hook_handle hook = nullptr;
    std::function<void()> onEnvironmentEnd;
    void* context = nullptr;
    bool isClosing = false;
  };

  static void endWithEnvironment(napi_async_cleanup_hook_handle, void* data) {
    auto* state = static_cast<State*>(data);
    // The owner may be gone where the handle is already on its way; the close callback then ends the hook.
    if (state->isClosing) return;
    // A copy, because closing moves the state out of reach.
    const auto onEnvironmentEnd = state->onEnvironmentEnd;
    onEnvironmentEnd();
  }

  std::unique_ptr<State> state_;
  bool isOpen_ = false;
};

}  // namespace mcroute
