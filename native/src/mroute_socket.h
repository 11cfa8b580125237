// An MRT socket as JavaScript has it: open, adopt, vifs, mfc entries, counters.
#pragma once

#include <napi.h>

#include <memory>

#include "mfc.h"
#include "recent_entries.h"
#include "unique_fd.h"

namespace mcroute {

class MrouteSocket : public Napi::ObjectWrap<MrouteSocket> {
 public:
  static Napi::Function define(Napi::Env env);
  /// The socket behind a JavaScript value; a TypeError if it is none.
  static MrouteSocket& from(const Napi::Value& value);

  /// (family, table, false) opens; (family, fd, true) adopts.
  explicit MrouteSocket(const Napi::CallbackInfo& info);

  Family family() const { return family_; }
  /// Shared, so that the upcall thread can keep the descriptor open; empty once closed.
  const std::shared_ptr<const UniqueFd>& descriptor() const { return fd_; }
  /// Shared with the upcall thread, which makes entries too.
  const std::shared_ptr<RecentEntries>& recentEntries() const { return recentEntries_; }

 private:
  void open(Napi::Env env, std::uint32_t table);
  void adopt(Napi::Env env, int fd);
  int fd() const { return fd_ ? fd_->get() : -1; }

  Napi::Value getFamily(const Napi::CallbackInfo& info);
  Napi::Value getFd(const Napi::CallbackInfo& info);
  void addVif(const Napi::CallbackInfo& info);
  void deleteVif(const Napi::CallbackInfo& info);
  Napi::Value applyMfc(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  Napi::Value vifCounters(const Napi::CallbackInfo& info);
  void flush(const Napi::CallbackInfo& info);
  void setWrongVifUpcalls(const Napi::CallbackInfo& info);
  Napi::Value drops(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  Family family_;
  std::shared_ptr<const UniqueFd> fd_;
  std::shared_ptr<RecentEntries> recentEntries_ = std::make_shared<RecentEntries>();
};

}  // namespace mcroute
