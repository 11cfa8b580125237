#include "memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "arguments.h"
#include "errno_error.h"
#include "unique_fd.h"

// Node 20.4. Its header has it as experimental, and with it other rules for all finalizers.
extern "C" napi_status node_api_create_external_string_latin1(napi_env env, char* str, size_t length,
                                                              napi_finalize finalize, void* hint, napi_value* result,
                                                              bool* copied);

namespace mcroute {

namespace {

/// A whole file, read only. The descriptor is not needed any more.
class Mapping {
 public:
  Mapping(void* address, std::size_t size) : address_(address), size_(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { munmap(address_, size_); }

  void* address() const { return address_; }
  std::size_t size() const { return size_; }

 private:
  void* address_;
  std::size_t size_;
};

/// What a value of JavaScript has of a mapping, until it is collected.
using Share = std::shared_ptr<const Mapping>;

void dropShare(napi_env /*env*/, void* /*address*/, void* hint) { delete static_cast<Share*>(hint); }

Share mapFile(Napi::Env env, const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throwErrno(env, errno, "open");
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) throwErrno(env, errno, "fstat");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) throwErrno(env, errno, "mmap");
  return std::make_shared<const Mapping>(address, size);
}

Napi::Value toText(Napi::Env env, const Share& mapping) {
  auto share = std::make_unique<Share>(mapping);
  napi_value text = nullptr;
  bool isCopied = false;
  const napi_status status = node_api_create_external_string_latin1(
      env, static_cast<char*>(mapping->address()), mapping->size(), dropShare, share.get(), &text, &isCopied);
  if (status != napi_ok) throw Napi::Error::New(env);
  // The finalizer has been called already where the engine made a copy.
  share.release();
  return {env, text};
}

Napi::Value toBytes(Napi::Env env, const Share& mapping) {
  auto share = std::make_unique<Share>(mapping);
  const auto buffer = Napi::ArrayBuffer::New(
      env, mapping->address(), mapping->size(), [](Napi::Env, void*, Share* hint) { delete hint; }, share.get());
  share.release();
  return Napi::Uint8Array::New(env, mapping->size(), buffer, 0);
}

}  // namespace

Napi::Value mapText(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Share mapping = mapFile(env, arguments::text(info[0], "path"));
  const Napi::Object result = Napi::Object::New(env);
  result.Set("text", toText(env, mapping));
  result.Set("bytes", toBytes(env, mapping));
  return result;
}

void trimHeap(const Napi::CallbackInfo& /*info*/) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace mcroute
