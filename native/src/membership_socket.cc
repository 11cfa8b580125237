#include "membership_socket.h"

#include <cstddef>
#include <cstring>
#include <vector>

#include "adopted_socket.h"
#include "arguments.h"
#include "errno_error.h"
#include "socket_calls.h"

namespace mcroute {

namespace {

/// Sources for which there is room at first: mld_max_msf, and more than igmp_max_msf, unless an administrator changed
/// them.
constexpr std::uint32_t kUsualSources = 64;

/// A group_filter behind whose header lie as many sources as it has room for.
class GroupFilter {
 public:
  explicit GroupFilter(std::uint32_t room) : room_(room), bytes_(GROUP_FILTER_SIZE(std::size_t{room})) {}

  /// getsockopt(MCAST_MSFILTER); an errno.
  int read(int fd, int level, group_filter request) {
    request.gf_numsrc = room_;
    std::memcpy(bytes_.data(), &request, kHeader);
    auto length = static_cast<socklen_t>(bytes_.size());
    return getsockopt(fd, level, MCAST_MSFILTER, bytes_.data(), &length) == 0 ? 0 : errno;
  }

  /// Sources that the group has, which may be more than came.
  std::uint32_t count() const { return header().gf_numsrc; }
  bool isComplete() const { return count() <= room_; }
  /// Of the sources listed and no other; else of any but these.
  bool isOfSources() const { return header().gf_fmode == MCAST_INCLUDE; }

  sockaddr_storage source(std::uint32_t at) const {
    sockaddr_storage source;
    std::memcpy(&source, bytes_.data() + GROUP_FILTER_SIZE(std::size_t{at}), sizeof source);
    return source;
  }

 private:
  static constexpr std::size_t kHeader = GROUP_FILTER_SIZE(0);

  group_filter header() const {
    group_filter header{};
    std::memcpy(&header, bytes_.data(), kHeader);
    return header;
  }

  std::uint32_t room_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace

Napi::Function MembershipSocket::define(Napi::Env env) {
  return DefineClass(env, "MembershipSocket",
                     {
                         InstanceAccessor<&MembershipSocket::getFamily>("family"),
                         InstanceAccessor<&MembershipSocket::getFd>("fd"),
                         InstanceMethod<&MembershipSocket::join>("join"),
                         InstanceMethod<&MembershipSocket::leave>("leave"),
                         InstanceMethod<&MembershipSocket::sources>("sources"),
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

Napi::Value MembershipSocket::sources(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  group_filter request{};
  request.gf_interface = arguments::ifindex(info[0]);
  const Address group = arguments::address(family_, info[1], "group");
  return withUapi(family_, [&]<typename Uapi>(Uapi) -> Napi::Value {
    request.gf_group = Uapi::socketAddress(group);
    GroupFilter filter(kUsualSources);
    int error = filter.read(fd_.get(), Uapi::kLevel, request);
    // More than once only where another process that has the socket joins meanwhile.
    while (error == 0 && !filter.isComplete()) {
      filter = GroupFilter(filter.count());
      error = filter.read(fd_.get(), Uapi::kLevel, request);
    }
    // IPv6 of kernels before 5.13 says ENODEV where the interface is gone.
    if (error == EADDRNOTAVAIL || error == ENODEV) return env.Undefined();
    checkErrno(env, error, "getsockopt(MCAST_MSFILTER)");
    // A join of the first source that failed halfway for want of memory leaves the group joined, of no source.
    if (filter.isOfSources() && filter.count() == 0) return env.Undefined();
    auto words = Napi::Uint32Array::New(env, filter.count() * kAddressWords);
    for (std::uint32_t at = 0; at < filter.count(); ++at) {
      const Address source = Uapi::readSocketAddress(filter.source(at));
      std::copy(source.begin(), source.end(), words.Data() + at * kAddressWords);
    }
    return words;
  });
}

void MembershipSocket::close(const Napi::CallbackInfo&) { fd_.reset(); }

}  // namespace mcroute
