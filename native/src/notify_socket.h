// sd_notify datagrams with descriptors.
#pragma once

#include <napi.h>

#include <cstddef>

namespace mcroute {

/// SCM_MAX_FD in the kernel: descriptors of one message.
constexpr std::size_t kNotifyDescriptorLimit = 253;

/// notify(path, state, fds): one datagram of the sd_notify(3) protocol. It never waits: EAGAIN if the receiver's queue
/// is full.
void notify(const Napi::CallbackInfo& info);

}  // namespace mcroute
