// The socket to which programs send how they are: sd_notify datagrams, their senders and their descriptors.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "fd_watcher.h"
#include "unique_fd.h"

namespace mcroute {

class NotifyReceiver : public Napi::ObjectWrap<NotifyReceiver> {
 public:
  static Napi::Function define(Napi::Env env);

  /// (path)
  explicit NotifyReceiver(const Napi::CallbackInfo& info);

 private:
  void bindTo(Napi::Env env, const std::string& path);

  Napi::Value getFd(const Napi::CallbackInfo& info);
  Napi::Value receive(const Napi::CallbackInfo& info);
  void onReadable(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
  std::unique_ptr<char[]> buffer_;
  /// After the descriptor, so that it ends before it.
  std::unique_ptr<FdWatcher> watcher_;
};

}  // namespace mcroute
