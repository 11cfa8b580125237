#include "upcall_thread.h"

#include <cstring>
#include <system_error>

#include "arguments.h"
#include "errno_error.h"
#include "loop_callback.h"
#include "mroute_socket.h"

namespace mcroute {

namespace {

/// Of each limit; slots are numbered with 32 bits and reserved as address space at the start.
constexpr std::uint32_t kLimitMax = 1 << 20;

std::size_t readLimit(const Napi::Object& options, const char* name) {
  return arguments::integer(options.Get(name), name, 1, kLimitMax);
}

std::vector<UpcallSource> readSources(const Napi::Value& value) {
  if (!value.IsArray()) arguments::throwType(value, "sockets", "an array of MrouteSocket");
  const auto array = value.As<Napi::Array>();
  if (array.Length() < 1 || array.Length() > kFamilies) {
    arguments::throwRange(value.Env(), "sockets must hold one or two sockets");
  }
  std::vector<UpcallSource> sources;
  for (std::uint32_t at = 0; at < array.Length(); ++at) {
    const MrouteSocket& socket = MrouteSocket::from(array.Get(at));
    if (!socket.descriptor()) throwErrno(value.Env(), EBADF, "poll");
    sources.push_back({.family = socket.family(), .fd = socket.descriptor(), .recentEntries = socket.recentEntries()});
  }
  if (sources.size() == kFamilies && sources[0].family == sources[1].family) {
    arguments::throwRange(value.Env(), "sockets must be of different families");
  }
  return sources;
}

Napi::Uint32Array toWords(Napi::Env env, const std::vector<UpcallEvent>& events) {
  static_assert(sizeof(UpcallEvent) == kUpcallEventWords * sizeof(std::uint32_t));
  auto words = Napi::Uint32Array::New(env, events.size() * kUpcallEventWords);
  if (!events.empty()) std::memcpy(words.Data(), events.data(), words.ByteLength());
  return words;
}

}  // namespace

Napi::Function UpcallThread::define(Napi::Env env) {
  return DefineClass(env, "UpcallThread",
                     {
                         InstanceAccessor<&UpcallThread::getTid>("tid"),
                         InstanceAccessor<&UpcallThread::getIsRealtime>("isRealtime"),
                         InstanceMethod<&UpcallThread::setRules>("setRules"),
                         InstanceMethod<&UpcallThread::applyLearned>("applyLearned"),
                         InstanceMethod<&UpcallThread::adopt>("adopt"),
                         InstanceMethod<&UpcallThread::adoptUnresolved>("adoptUnresolved"),
                         InstanceMethod<&UpcallThread::start>("start"),
                         InstanceMethod<&UpcallThread::touch>("touch"),
                         InstanceMethod<&UpcallThread::learned>("learned"),
                         InstanceMethod<&UpcallThread::drain>("drain"),
                         InstanceMethod<&UpcallThread::stats>("stats"),
                         InstanceMethod<&UpcallThread::stop>("stop"),
                     });
}

UpcallThread::UpcallThread(const Napi::CallbackInfo& info) : Napi::ObjectWrap<UpcallThread>(info) {
  std::vector<UpcallSource> sources = readSources(info[0]);
  if (!info[1].IsObject()) arguments::throwType(info[1], "options", "an object");
  const auto options = info[1].As<Napi::Object>();
  const UpcallLimits limits{.unmatched = readLimit(options, "unmatchedLimit"),
                            .learned = readLimit(options, "learnedLimit"),
                            .ring = readLimit(options, "ringLimit")};
  const bool wantsRealtime = arguments::boolean(options.Get("realtime"), "realtime");
  onEvents_ = Napi::Persistent(arguments::function(info[2], "onEvents"));
  launch(info.Env(), std::move(sources), limits, wantsRealtime);
  // Until `stop`, so that a thread is never garbage.
  Ref();
}

void UpcallThread::launch(Napi::Env env, std::vector<UpcallSource> sources, const UpcallLimits& limits,
                          bool wantsRealtime) {
  std::array<UpcallTable, kFamilies> tables;
  for (const UpcallSource& source : sources) {
    tables[familyIndex(source.family)] = {.fd = source.fd->get(), .recentEntries = source.recentEntries};
  }
  wakeup_ = std::make_unique<Wakeup>(
      env, [this] { announce(); }, [this] { end(); });
  try {
    responder_ = std::make_unique<UpcallResponder>(std::move(tables), limits, [this] { wakeup_->send(); });
    reader_ = std::make_unique<UpcallReader>(std::move(sources), *responder_, wantsRealtime);
  } catch (const std::system_error& error) {
    throwErrno(env, error.code().value(), "pthread_create");
  }
  tid_ = static_cast<std::uint32_t>(reader_->tid());
  isRealtime_ = reader_->isRealtime();
}

void UpcallThread::end() {
  reader_.reset();
  wakeup_->close();
}

void UpcallThread::announce() {
  // Drained before the loop came round, or announced and not drained since.
  if (isAnnounced_ || !responder_->hasEvents()) return;
  isAnnounced_ = true;
  callFromLoop(onEvents_);
}

Napi::Value UpcallThread::getTid(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), tid_); }

Napi::Value UpcallThread::getIsRealtime(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), isRealtime_);
}

void UpcallThread::setRules(const Napi::CallbackInfo& info) {
  const Family family = arguments::family(info[0]);
  const auto records = arguments::words(info[1], "records", 1);
  std::vector<GroupChange> changes;
  try {
    changes = parseGroupChanges(family, records);
  } catch (const RecordError& error) {
    arguments::throwRange(info.Env(), error.what());
  }
  // A stopped thread answers nothing, and its descriptors may be something else by now.
  if (reader_) responder_->setRules(family, std::move(changes));
  responder_->announce();
}

Napi::Value UpcallThread::applyLearned(const Napi::CallbackInfo& info) {
  const Family family = arguments::family(info[0]);
  const auto records = arguments::mfcRecords(info[1], static_cast<std::uint32_t>(MfcOperation::remove));
  // The descriptors may be gone, or be something else by now.
  if (!reader_) throwErrno(info.Env(), EBADF, "setsockopt");
  const std::size_t count = records.size() / kMfcRecordWords;
  auto errors = Napi::Int32Array::New(info.Env(), count);
  for (std::size_t at = 0; at < count; ++at) {
    const auto record = records.subspan(at * kMfcRecordWords).first<kMfcRecordWords>();
    errors[at] = responder_->applyLearned(family, static_cast<MfcOperation>(record[0]), readMfcEntry(family, record));
  }
  responder_->announce();
  return errors;
}

void UpcallThread::adopt(const Napi::CallbackInfo& info) {
  const Family family = arguments::family(info[0]);
  const auto records = arguments::mfcRecords(info[1], static_cast<std::uint32_t>(MfcOperation::put));
  // What is evicted is deleted through descriptors that may be gone, or be something else by now.
  if (!reader_) return;
  for (std::size_t at = 0; at < records.size(); at += kMfcRecordWords) {
    responder_->adopt(family, readMfcEntry(family, records.subspan(at).first<kMfcRecordWords>()));
  }
  responder_->announce();
}

void UpcallThread::adoptUnresolved(const Napi::CallbackInfo& info) {
  const Family family = arguments::family(info[0]);
  const auto keys = arguments::words(info[1], "keys", kFlowKeyWords);
  for (std::size_t at = 0; at < keys.size(); at += kFlowKeyWords) {
    responder_->adoptUnresolved(family, readFlowKey(family, keys.subspan(at).first<kFlowKeyWords>()));
  }
}

void UpcallThread::start(const Napi::CallbackInfo&) {
  if (reader_) reader_->begin();
}

void UpcallThread::touch(const Napi::CallbackInfo& info) {
  const Family family = arguments::family(info[0]);
  const auto keys = arguments::words(info[1], "keys", kFlowKeyWords);
  for (std::size_t at = 0; at < keys.size(); at += kFlowKeyWords) {
    responder_->touch(family, readFlowKey(family, keys.subspan(at).first<kFlowKeyWords>()));
  }
}

Napi::Value UpcallThread::learned(const Napi::CallbackInfo& info) {
  return toWords(info.Env(), responder_->learned(arguments::family(info[0])));
}

Napi::Value UpcallThread::drain(const Napi::CallbackInfo& info) {
  isAnnounced_ = false;
  return toWords(info.Env(), responder_->drain());
}

Napi::Value UpcallThread::stats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const UpcallStats totals = responder_->stats();
  const auto stats = Napi::Object::New(env);
  const auto set = [&](const char* name, std::uint64_t total) { stats.Set(name, Napi::BigInt::New(env, total)); };
  set("noCache", totals.noCache);
  set("wrongVif", totals.wrongVif);
  set("learned", totals.learned);
  set("unmatched", totals.unmatched);
  set("evicted", totals.evicted);
  set("failed", totals.failed);
  set("unresolved", totals.unresolved);
  set("droppedEvents", totals.droppedEvents);
  set("droppedUpcalls", totals.droppedUpcalls);
  return stats;
}

void UpcallThread::stop(const Napi::CallbackInfo&) {
  if (!reader_) return;
  end();
  Unref();
}

}  // namespace mcroute
