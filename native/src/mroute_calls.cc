#include "mroute_calls.h"

#include <sys/ioctl.h>

#include <cstdlib>

#include "socket_calls.h"

namespace mcroute {

namespace {

template <typename Uapi>
int optionOf(MfcOperation operation) {
  switch (operation) {
    case MfcOperation::put:
      return Uapi::kAddMfc;
    case MfcOperation::remove:
      return Uapi::kDeleteMfc;
    case MfcOperation::putProxy:
      return Uapi::kAddProxy;
    case MfcOperation::removeProxy:
      return Uapi::kDeleteProxy;
  }
  std::abort();
}

bool isProxy(MfcOperation operation) {
  return operation == MfcOperation::putProxy || operation == MfcOperation::removeProxy;
}

}  // namespace

int applyMfc(Family family, int fd, MfcOperation operation, const MfcEntry& entry) {
  return withUapi(family, [&]<typename Uapi>(Uapi) {
    MfcEntry put = entry;
    if (isProxy(operation)) put.key.source = {};
    return setOption(fd, Uapi::kLevel, optionOf<Uapi>(operation), Uapi::mfc(put));
  });
}

int countFlow(Family family, int fd, const FlowKey& key, FlowCount& count) {
  return withUapi(family, [&]<typename Uapi>(Uapi) {
    auto request = Uapi::flowRequest(key);
    if (ioctl(fd, Uapi::kCountFlow.number, &request) != 0) return errno;
    count = {.packets = request.pktcnt, .bytes = request.bytecnt, .wrongIf = request.wrong_if};
    return 0;
  });
}

int countVif(Family family, int fd, std::uint32_t vif, VifCount& count) {
  return withUapi(family, [&]<typename Uapi>(Uapi) {
    auto request = Uapi::vifRequest(vif);
    if (ioctl(fd, Uapi::kCountVif.number, &request) != 0) return errno;
    count = {.inPackets = request.icount,
             .inBytes = request.ibytes,
             .outPackets = request.ocount,
             .outBytes = request.obytes};
    return 0;
  });
}

}  // namespace mcroute
