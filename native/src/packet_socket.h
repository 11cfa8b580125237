// A packet socket as JavaScript has it: it sends below IP.
#pragma once

#include <napi.h>

#include "unique_fd.h"

namespace mcroute {

class PacketSocket : public Napi::ObjectWrap<PacketSocket> {
 public:
  static Napi::Function define(Napi::Env env);

  /// (fd) adopts.
  explicit PacketSocket(const Napi::CallbackInfo& info);

 private:
  Napi::Value getFd(const Napi::CallbackInfo& info);
  void send(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  UniqueFd fd_;
};

}  // namespace mcroute
