// Tells JavaScript when a descriptor can be read.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>

#include "loop_handle.h"
#include "unique_fd.h"

namespace mcroute {

/// Watches a descriptor of someone else until it is destroyed, which must be before the descriptor is closed. It keeps
/// the process alive, as Node's own sockets do: who waits for an answer wants it.
class FdWatcher {
 public:
  /// Throws a system error if the descriptor cannot be watched.
  FdWatcher(int fd, const Napi::Function& onReadable);

  void setCallback(const Napi::Function& onReadable) { onReadable_ = Napi::Persistent(onReadable); }

  /// `onReadable(callback)` of an object that is read: watches its descriptor, or changes the callback.
  static void watch(const Napi::CallbackInfo& info, const UniqueFd& fd, std::unique_ptr<FdWatcher>& watcher);

 private:
  static void onPoll(uv_poll_t* handle, int status, int events);

  Napi::FunctionReference onReadable_;
  LoopHandle<uv_poll_t> handle_;
};

}  // namespace mcroute
