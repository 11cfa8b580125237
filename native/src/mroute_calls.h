// System calls of an MRT socket that need no JavaScript, so that the upcall thread can make them too.
#pragma once

#include <optional>

#include "uapi.h"

namespace mcroute {

/// MRT_ADD_MFC, MRT_DEL_MFC and their PROXY twins; an errno, 0 if it was taken. A proxy's source is ignored.
int applyMfc(Family family, int fd, MfcOperation operation, const MfcEntry& entry);

/// SIOCGETSGCNT, SIOCGETSGCNT_IN6; an errno, EADDRNOTAVAIL if there is no such entry.
int countFlow(Family family, int fd, const FlowKey& key, FlowCount& count);

/// SIOCGETVIFCNT, SIOCGETMIFCNT_IN6; an errno. EADDRNOTAVAIL is a hole, EINVAL is beyond the last vif.
int countVif(Family family, int fd, std::uint32_t vif, VifCount& count);

}  // namespace mcroute
