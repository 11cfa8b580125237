// The upcall thread as JavaScript has it.
#pragma once

#include <napi.h>

#include <memory>

#include "upcall_reader.h"
#include "upcall_responder.h"
#include "wakeup.h"

namespace mcroute {

class UpcallThread : public Napi::ObjectWrap<UpcallThread> {
 public:
  static Napi::Function define(Napi::Env env);

  /// (sockets, options, onEvents)
  explicit UpcallThread(const Napi::CallbackInfo& info);

 private:
  void launch(Napi::Env env, std::vector<UpcallSource> sources, const UpcallLimits& limits, bool wantsRealtime);
  /// Joins the thread and lets go of the sockets.
  void end();
  void announce();

  Napi::Value getTid(const Napi::CallbackInfo& info);
  Napi::Value getIsRealtime(const Napi::CallbackInfo& info);
  void setRules(const Napi::CallbackInfo& info);
  Napi::Value applyLearned(const Napi::CallbackInfo& info);
  void adopt(const Napi::CallbackInfo& info);
  void adoptUnresolved(const Napi::CallbackInfo& info);
  void start(const Napi::CallbackInfo& info);
  void touch(const Napi::CallbackInfo& info);
  Napi::Value learned(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  void stop(const Napi::CallbackInfo& info);

  Napi::FunctionReference onEvents_;
  /// JavaScript was called and has not drained since.
  bool isAnnounced_ = false;
  std::uint32_t tid_ = 0;
  bool isRealtime_ = false;
  // In the order of use: each is used by those below it and ends after them.
  std::unique_ptr<Wakeup> wakeup_;
  std::unique_ptr<UpcallResponder> responder_;
  /// Empty once stopped.
  std::unique_ptr<UpcallReader> reader_;
};

}  // namespace mcroute
