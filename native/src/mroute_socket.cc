#include "mroute_socket.h"

#include <linux/sock_diag.h>
#include <netinet/icmp6.h>

#include <array>

#include "adopted_socket.h"
#include "arguments.h"
#include "errno_error.h"
#include "mroute_calls.h"
#include "socket_calls.h"

namespace mcroute {

namespace {

constexpr napi_type_tag kTypeTag{0x6d63726f75746531, 0xd0a7c1b8a5e94f02};

/// Some 2500 upcalls of 832 bytes. More would only lengthen the kernel's linear list of unresolved entries.
constexpr int kReceiveBuffer = 1024 * 1024;

/// MLD queries and reports of both versions (RFC 2710, RFC 3810). All else stays out: neighbour discovery would flood
/// the socket, and a packet of type 0 would look like an upcall. Upcalls do not pass the filter.
constexpr std::array<int, 4> kMldTypes{130, 131, 132, 143};

int filterIcmp6(int fd) {
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  for (const int type : kMldTypes) ICMP6_FILTER_SETPASS(type, &filter);
  return setOption(fd, IPPROTO_ICMPV6, ICMP6_FILTER, filter);
}

/// What an opened and an adopted socket need alike.
void prepare(Napi::Env env, Family family, int fd) {
  if (family == Family::ipv6) checkErrno(env, filterIcmp6(fd), "setsockopt(ICMP6_FILTER)");
  // Without CAP_NET_ADMIN in the first user namespace the buffer stays as it is: fewer upcalls can wait.
  setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);
}

/// Whether packets can have come to a table.
bool hasVifs(Family family, int fd) {
  for (std::uint32_t vif = 0; vif < kVifLimit; ++vif) {
    VifCount count;
    const int error = countVif(family, fd, vif, count);
    // Beyond the last one.
    if (error == EINVAL) return false;
    if (error != EADDRNOTAVAIL) return true;
  }
  return false;
}

}  // namespace

Napi::Function MrouteSocket::define(Napi::Env env) {
  return DefineClass(env, "MrouteSocket",
                     {
                         InstanceAccessor<&MrouteSocket::getFamily>("family"),
                         InstanceAccessor<&MrouteSocket::getFd>("fd"),
                         InstanceMethod<&MrouteSocket::addVif>("addVif"),
                         InstanceMethod<&MrouteSocket::deleteVif>("deleteVif"),
                         InstanceMethod<&MrouteSocket::applyMfc>("applyMfc"),
                         InstanceMethod<&MrouteSocket::counters>("counters"),
                         InstanceMethod<&MrouteSocket::vifCounters>("vifCounters"),
                         InstanceMethod<&MrouteSocket::flush>("flush"),
                         InstanceMethod<&MrouteSocket::setWrongVifUpcalls>("setWrongVifUpcalls"),
                         InstanceMethod<&MrouteSocket::drops>("drops"),
                         InstanceMethod<&MrouteSocket::close>("close"),
                     });
}

MrouteSocket& MrouteSocket::from(const Napi::Value& value) {
  // The tag, because unwrapping an object of another class would take its memory for a socket.
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) {
    arguments::throwType(value, "sockets", "an array of MrouteSocket");
  }
  return *Unwrap(value.As<Napi::Object>());
}

MrouteSocket::MrouteSocket(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<MrouteSocket>(info), family_(arguments::family(info[0])) {
  if (arguments::boolean(info[2], "isAdopted")) {
    adopt(info.Env(), arguments::descriptor(info[1], "fd"));
  } else {
    // 0 means "all tables" in netlink, so it names none here.
    open(info.Env(), arguments::integer(info[1], "table", 1, UINT32_MAX));
  }
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

void MrouteSocket::open(Napi::Env env, std::uint32_t table) {
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    UniqueFd fd(socket(Uapi::kDomain, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, Uapi::kRawProtocol));
    if (!fd) throwErrno(env, errno, "socket");
    prepare(env, family_, fd.get());
    // MRT_INIT does not ask for CAP_NET_ADMIN: after a refused MRT_TABLE it would seize the default table.
    checkErrno(env, setOption(fd.get(), Uapi::kLevel, Uapi::kTable.number, table), Uapi::kTable.name);
    checkErrno(env, setOption(fd.get(), Uapi::kLevel, Uapi::kInit.number, int{1}), Uapi::kInit.name);
    fd_ = std::make_shared<const UniqueFd>(std::move(fd));
  });
}

void MrouteSocket::adopt(Napi::Env env, int fd) {
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    checkAdopted(env, fd, Uapi::kDomain, SOCK_RAW, Uapi::kRawProtocol);
    int version = 0;
    checkErrno(env, getOption(fd, Uapi::kLevel, Uapi::kVersion.number, version), Uapi::kVersion.name);
  });
  prepare(env, family_, fd);
  setAdopted(env, fd);
  // Who had it before may have made entries a moment ago.
  if (hasVifs(family_, fd)) recentEntries_->noteAll();
  // Only now: a descriptor that was refused is still its giver's.
  fd_ = std::make_shared<const UniqueFd>(UniqueFd(fd));
}

Napi::Value MrouteSocket::getFamily(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<int>(family_));
}

Napi::Value MrouteSocket::getFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd()); }

void MrouteSocket::addVif(const Napi::CallbackInfo& info) {
  const std::uint32_t vif = arguments::vif(info[0]);
  const std::uint32_t ifindex = arguments::ifindex(info[1]);
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    // The kernel's struct would cut the number off and take another interface.
    if (ifindex > Uapi::kIfindexMax) throwErrno(info.Env(), EOVERFLOW, Uapi::kAddVif.name);
    const auto option = Uapi::vif(vif, ifindex);
    checkErrno(info.Env(), setOption(fd(), Uapi::kLevel, Uapi::kAddVif.number, option), Uapi::kAddVif.name);
  });
}

void MrouteSocket::deleteVif(const Napi::CallbackInfo& info) {
  const std::uint32_t vif = arguments::vif(info[0]);
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    const auto option = Uapi::deletedVif(vif);
    checkErrno(info.Env(), setOption(fd(), Uapi::kLevel, Uapi::kDeleteVif.number, option), Uapi::kDeleteVif.name);
  });
}

Napi::Value MrouteSocket::applyMfc(const Napi::CallbackInfo& info) {
  const auto records = arguments::mfcRecords(info[0], static_cast<std::uint32_t>(MfcOperation::removeProxy));
  const std::size_t count = records.size() / kMfcRecordWords;
  auto errors = Napi::Int32Array::New(info.Env(), count);
  for (std::size_t at = 0; at < count; ++at) {
    const auto record = records.subspan(at * kMfcRecordWords).first<kMfcRecordWords>();
    const auto operation = static_cast<MfcOperation>(record[0]);
    const MfcEntry entry = readMfcEntry(family_, record);
    if (operation == MfcOperation::put) recentEntries_->note(entry.key);
    errors[at] = mcroute::applyMfc(family_, fd(), operation, entry);
  }
  return errors;
}

Napi::Value MrouteSocket::counters(const Napi::CallbackInfo& info) {
  const auto keys = arguments::words(info[0], "keys", kFlowKeyWords);
  const std::size_t count = keys.size() / kFlowKeyWords;
  auto counters = Napi::BigUint64Array::New(info.Env(), 3 * count);
  for (std::size_t at = 0; at < count; ++at) {
    const FlowKey key = readFlowKey(family_, keys.subspan(at * kFlowKeyWords).first<kFlowKeyWords>());
    FlowCount flow{UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const int error = countFlow(family_, fd(), key, flow);
    if (error != 0 && error != EADDRNOTAVAIL) {
      withUapi(family_, [&]<typename Uapi>(Uapi) { throwErrno(info.Env(), error, Uapi::kCountFlow.name); });
    }
    counters[3 * at] = flow.packets;
    counters[3 * at + 1] = flow.bytes;
    counters[3 * at + 2] = flow.wrongIf;
  }
  return counters;
}

Napi::Value MrouteSocket::vifCounters(const Napi::CallbackInfo& info) {
  VifCount count;
  const int error = countVif(family_, fd(), arguments::vif(info[0]), count);
  if (error == EADDRNOTAVAIL || error == EINVAL) return info.Env().Undefined();
  withUapi(family_, [&]<typename Uapi>(Uapi) { checkErrno(info.Env(), error, Uapi::kCountVif.name); });
  auto counters = Napi::BigUint64Array::New(info.Env(), 4);
  counters[0] = count.inPackets;
  counters[1] = count.inBytes;
  counters[2] = count.outPackets;
  counters[3] = count.outBytes;
  return counters;
}

void MrouteSocket::flush(const Napi::CallbackInfo& info) {
  constexpr std::uint32_t kAllBits = 15;
  const int what = static_cast<int>(arguments::integer(info[0], "what", 0, kAllBits));
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    checkErrno(info.Env(), setOption(fd(), Uapi::kLevel, Uapi::kFlush.number, what), Uapi::kFlush.name);
  });
}

void MrouteSocket::setWrongVifUpcalls(const Napi::CallbackInfo& info) {
  const int isOn = arguments::boolean(info[0], "isOn") ? 1 : 0;
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    checkErrno(info.Env(), setOption(fd(), Uapi::kLevel, Uapi::kPim.number, isOn), Uapi::kPim.name);
  });
}

Napi::Value MrouteSocket::drops(const Napi::CallbackInfo& info) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  checkErrno(info.Env(), getOption(fd(), SOL_SOCKET, SO_MEMINFO, memory), "getsockopt(SO_MEMINFO)");
  return Napi::Number::New(info.Env(), memory[SK_MEMINFO_DROPS]);
}

void MrouteSocket::close(const Napi::CallbackInfo&) { fd_.reset(); }

}  // namespace mcroute
