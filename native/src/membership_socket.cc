#include "membership_socket.h"

#include "adopted_socket.h"
#include "arguments.h"
#include "errno_error.h"
#include "socket_calls.h"

namespace mcroute {

Napi::Function MembershipSocket::define(Napi::Env env) {
  return DefineClass(env, "MembershipSocket",
                     {
                         InstanceAccessor<&MembershipSocket::getFamily>("family"),
                         InstanceAccessor<&MembershipSocket::getFd>("fd"),
                         InstanceMethod<&MembershipSocket::join>("join"),
                         InstanceMethod<&MembershipSocket::leave>("leave"),
                         InstanceMethod<&MembershipSocket::close>("close"),
                     });
}

MembershipSocket::MembershipSocket(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<MembershipSocket>(info), family_(arguments::family(info[0])) {
  if (arguments::boolean(info[2], "isAdopted")) {
    adopt(info.Env(), arguments::descriptor(info[1], "fd"));
  } else {
    open(info.Env());
  }
}

void MembershipSocket::open(Napi::Env env) {
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    // Never bound, so no datagram comes to it: it only holds memberships.
    fd_ = UniqueFd(socket(Uapi::kDomain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
    if (!fd_) throwErrno(env, errno, "socket");
  });
}

void MembershipSocket::adopt(Napi::Env env, int fd) {
  withUapi(family_, [&]<typename Uapi>(Uapi) { checkAdopted(env, fd, Uapi::kDomain, SOCK_DGRAM, IPPROTO_UDP); });
  setAdopted(env, fd);
  fd_ = UniqueFd(fd);
}

void MembershipSocket::change(const Napi::CallbackInfo& info, const Operation& operation) {
  const std::uint32_t ifindex = arguments::ifindex(info[0]);
  const Address group = arguments::address(family_, info[1], "group");
  const bool hasSource = !info[2].IsUndefined();
  const Address source = hasSource ? arguments::address(family_, info[2], "source") : Address{};
  withUapi(family_, [&]<typename Uapi>(Uapi) {
    if (hasSource) {
      group_source_req request{};
      request.gsr_interface = ifindex;
      request.gsr_group = Uapi::socketAddress(group);
      request.gsr_source = Uapi::socketAddress(source);
      const int error = setOption(fd_.get(), Uapi::kLevel, operation.sourceOption, request);
      checkErrno(info.Env(), error, operation.sourceCall);
    } else {
      group_req request{};
      request.gr_interface = ifindex;
      request.gr_group = Uapi::socketAddress(group);
      const int error = setOption(fd_.get(), Uapi::kLevel, operation.groupOption, request);
      checkErrno(info.Env(), error, operation.groupCall);
    }
  });
}

Napi::Value MembershipSocket::getFamily(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<int>(family_));
}

Napi::Value MembershipSocket::getFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

void MembershipSocket::join(const Napi::CallbackInfo& info) {
  change(info, {MCAST_JOIN_GROUP, "setsockopt(MCAST_JOIN_GROUP)", MCAST_JOIN_SOURCE_GROUP,
                "setsockopt(MCAST_JOIN_SOURCE_GROUP)"});
}

void MembershipSocket::leave(const Napi::CallbackInfo& info) {
  change(info, {MCAST_LEAVE_GROUP, "setsockopt(MCAST_LEAVE_GROUP)", MCAST_LEAVE_SOURCE_GROUP,
                "setsockopt(MCAST_LEAVE_SOURCE_GROUP)"});
}

void MembershipSocket::close(const Napi::CallbackInfo&) { fd_.reset(); }

}  // namespace mcroute
