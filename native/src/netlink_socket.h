// A netlink socket: bytes in, bytes out.
#pragma once

#include <napi.h>

#include <memory>

#include "fd_watcher.h"
#include "unique_fd.h"

namespace mcroute {

class NetlinkSocket : public Napi::ObjectWrap<NetlinkSocket> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit NetlinkSocket(const Napi::CallbackInfo& info);

 private:
  Napi::Value getFd(const Napi::CallbackInfo& info);
  Napi::Value getPortId(const Napi::CallbackInfo& info);
  void acceptTypes(const Napi::CallbackInfo& info);
  void joinGroup(const Napi::CallbackInfo& info);
  void send(const Napi::CallbackInfo& info);
  Napi::Value receive(const Napi::CallbackInfo& info);
  void onReadable(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
  std::uint32_t portId_ = 0;
  std::unique_ptr<std::uint8_t[]> buffer_;
  /// After the descriptor, so that it ends before it.
  std::unique_ptr<FdWatcher> watcher_;
};

}  // namespace mcroute
