// Memory that the process shares with others, or gives back to the kernel.
#pragma once

#include <napi.h>

namespace mcroute {

/// mapText(path): a file of Latin-1 characters as {text, bytes}, neither of which is copied: the pages are those of the
/// kernel's cache, which all processes share. The file must stay as it is; it may be unlinked or replaced.
Napi::Value mapText(const Napi::CallbackInfo& info);

/// trimHeap(): gives the free pages of malloc's arenas back to the kernel (malloc_trim(3)).
void trimHeap(const Napi::CallbackInfo& info);

}  // namespace mcroute
