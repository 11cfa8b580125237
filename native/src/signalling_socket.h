// A raw socket of IGMP or ICMPv6 as JavaScript has it: messages with their interface, in and out.
#pragma once

#include <napi.h>

#include <memory>

#include "fd_watcher.h"
#include "mfc.h"
#include "unique_fd.h"

namespace mcroute {

class SignallingSocket : public Napi::ObjectWrap<SignallingSocket> {
 public:
  static Napi::Function define(Napi::Env env);

  /// (family, fd) adopts.
  explicit SignallingSocket(const Napi::CallbackInfo& info);

 private:
  Napi::Value getFamily(const Napi::CallbackInfo& info);
  Napi::Value getFd(const Napi::CallbackInfo& info);
  void acceptTypes(const Napi::CallbackInfo& info);
  void send(const Napi::CallbackInfo& info);
  Napi::Value receive(const Napi::CallbackInfo& info);
  void onReadable(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  Family family_;
  UniqueFd fd_;
  /// After the descriptor, so that it ends before it.
  std::unique_ptr<FdWatcher> watcher_;
};

}  // namespace mcroute
