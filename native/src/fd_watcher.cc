#include "fd_watcher.h"

#include <cerrno>

#include "arguments.h"
#include "errno_error.h"
#include "loop_callback.h"

namespace mcroute {

FdWatcher::FdWatcher(int fd, const Napi::Function& onReadable)
    : onReadable_(Napi::Persistent(onReadable)), handle_([this] { handle_.close(); }) {
  const Napi::Env env = onReadable.Env();
  const auto initialize = [fd](uv_loop_t* loop, uv_poll_t* handle) { return uv_poll_init(loop, handle, fd); };
  checkErrno(env, -handle_.open(env, this, initialize), "uv_poll_init");
  checkErrno(env, -uv_poll_start(handle_.get(), UV_READABLE, onPoll), "uv_poll_start");
}

void FdWatcher::watch(const Napi::CallbackInfo& info, const UniqueFd& fd, std::unique_ptr<FdWatcher>& watcher) {
  const Napi::Function callback = arguments::function(info[0], "callback");
  if (!fd) throwErrno(info.Env(), EBADF, "uv_poll_init");
  if (watcher) {
    watcher->setCallback(callback);
  } else {
    watcher = std::make_unique<FdWatcher>(fd.get(), callback);
  }
}

void FdWatcher::onPoll(uv_poll_t* handle, int status, int) {
  // An error on the socket, such as ENOBUFS, is news as well: the next read throws it. libuv stops watching at one
  // (`uv__poll_io`), so that all later news would go unheard.
  if (status < 0) uv_poll_start(handle, UV_READABLE, onPoll);
  callFromLoop(static_cast<FdWatcher*>(LoopHandle<uv_poll_t>::contextOf(handle))->onReadable_);
}

}  // namespace mcroute
