// Descriptors that JavaScript owns as numbers.
#pragma once

#include <napi.h>

namespace mcroute {

/// createMemoryFile(name): a descriptor of a new, empty file that is nowhere but in memory.
Napi::Value createMemoryFile(const Napi::CallbackInfo& info);

/// lockFile(path): a descriptor that holds the lock of the file; undefined if another open file has it.
Napi::Value lockFile(const Napi::CallbackInfo& info);

/// detachStandardStreams(): /dev/null is stdin, stdout and stderr from now on.
void detachStandardStreams(const Napi::CallbackInfo& info);

/// closeDescriptor(fd)
void closeDescriptor(const Napi::CallbackInfo& info);

}  // namespace mcroute
