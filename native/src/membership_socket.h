// A socket of joins: MCAST_JOIN_(SOURCE_)GROUP on an interface.
#pragma once

#include <napi.h>

#include "mfc.h"
#include "unique_fd.h"

namespace mcroute {

class MembershipSocket : public Napi::ObjectWrap<MembershipSocket> {
 public:
  static Napi::Function define(Napi::Env env);

  /// (family, undefined, false) opens; (family, fd, true) adopts.
  explicit MembershipSocket(const Napi::CallbackInfo& info);

 private:
  struct Operation {
    int groupOption;
    const char* groupCall;
    int sourceOption;
    const char* sourceCall;
  };

  void open(Napi::Env env);
  void adopt(Napi::Env env, int fd);
  void change(const Napi::CallbackInfo& info, const Operation& operation);

  Napi::Value getFamily(const Napi::CallbackInfo& info);
  Napi::Value getFd(const Napi::CallbackInfo& info);
  void join(const Napi::CallbackInfo& info);
  void leave(const Napi::CallbackInfo& info);
  Napi::Value sources(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  Family family_;
  UniqueFd fd_;
};

}  // namespace mcroute
