// Who is at the other end of a unix socket, as the kernel says.
#pragma once

#include <napi.h>

namespace mcroute {

/// peerCredentials(fd): `{ pid, uid, gids }` of who connected, as it was then; the first of `gids` is the effective
/// one.
Napi::Value peerCredentials(const Napi::CallbackInfo& info);

}  // namespace mcroute
