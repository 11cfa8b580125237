#include "notify_receiver.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "errno_error.h"
#include "notify_socket.h"
#include "socket_calls.h"
#include "unix_address.h"

namespace mcroute {

namespace {

/// Longest state that is taken; systemd takes no more than a page.
constexpr std::size_t kLongestState = 64 * 1024;

/// Datagrams that are dropped in one call. After that it returns, so that a program that floods the socket with them
/// does not hold the JavaScript thread.
constexpr int kDroppedLimit = 64;

/// Everyone may send.
constexpr mode_t kMode = 0666;

struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kNotifyDescriptorLimit * sizeof(int)) + CMSG_SPACE(sizeof(ucred))> bytes;
};

/// What came beside the text. Its descriptors are closed unless they are released.
struct Attachments {
  ucred sender{};
  std::vector<UniqueFd> fds;
};

Attachments takeAttachments(msghdr& message) {
  Attachments attachments;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS) {
      std::memcpy(&attachments.sender, CMSG_DATA(header), sizeof attachments.sender);
    } else if (header->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      attachments.fds.reserve(attachments.fds.size() + count);
      for (std::size_t at = 0; at < count; ++at) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(header) + at * sizeof fd, sizeof fd);
        attachments.fds.emplace_back(fd);
      }
    }
  }
  return attachments;
}

Napi::Object toMessage(Napi::Env env, const std::string& state, Attachments attachments) {
  auto fds = Napi::Array::New(env, attachments.fds.size());
  for (std::uint32_t at = 0; at < attachments.fds.size(); ++at) {
    fds.Set(at, Napi::Number::New(env, attachments.fds[at].get()));
  }
  auto message = Napi::Object::New(env);
  message.Set("pid", Napi::Number::New(env, attachments.sender.pid));
  message.Set("uid", Napi::Number::New(env, attachments.sender.uid));
  message.Set("state", Napi::String::New(env, state));
  message.Set("fds", fds);
  // Only now does JavaScript have them.
  for (UniqueFd& fd : attachments.fds) fd.release();
  return message;
}

}  // namespace

Napi::Function NotifyReceiver::define(Napi::Env env) {
  return DefineClass(env, "NotifyReceiver",
                     {
                         InstanceAccessor<&NotifyReceiver::getFd>("fd"),
                         InstanceMethod<&NotifyReceiver::receive>("receive"),
                         InstanceMethod<&NotifyReceiver::onReadable>("onReadable"),
                         InstanceMethod<&NotifyReceiver::close>("close"),
                     });
}

NotifyReceiver::NotifyReceiver(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NotifyReceiver>(info), buffer_(std::make_unique<char[]>(kLongestState)) {
  const Napi::Env env = info.Env();
  const std::string path = arguments::text(info[0], "path");
  fd_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) throwErrno(env, errno, "socket");
  // Before there is a name to send to: the kernel notes the sender as it sends.
  checkErrno(env, setOption(fd_.get(), SOL_SOCKET, SO_PASSCRED, int{1}), "setsockopt(SO_PASSCRED)");
  bindTo(env, path);
}

void NotifyReceiver::bindTo(Napi::Env env, const std::string& path) {
  const UnixAddress name = unixAddress(env, path);
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&name.address), name.length) != 0) {
    throwErrno(env, errno, "bind");
  }
  // The umask has narrowed what bind(2) made. Not through a symbolic link: the directory may belong to another user.
  if (isAbstract(path) || fchmodat(AT_FDCWD, path.c_str(), kMode, AT_SYMLINK_NOFOLLOW) == 0) return;
  const int error = errno;
  unlink(path.c_str());
  throwErrno(env, error, "fchmodat");
}

Napi::Value NotifyReceiver::getFd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

Napi::Value NotifyReceiver::receive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  for (int dropped = 0; dropped < kDroppedLimit; ++dropped) {
    Control control;
    iovec part{.iov_base = buffer_.get(), .iov_len = kLongestState};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    ssize_t length;
    do {
      length = recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0 && errno == EAGAIN) return env.Undefined();
    if (length < 0) throwErrno(env, errno, "recvmsg");
    Attachments attachments = takeAttachments(message);
    // Too long, or this process can have no more descriptors (`scm_detach_fds`): what came is closed.
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) continue;
    return toMessage(env, std::string(buffer_.get(), static_cast<std::size_t>(length)), std::move(attachments));
  }
  return env.Undefined();
}

void NotifyReceiver::onReadable(const Napi::CallbackInfo& info) { FdWatcher::watch(info, fd_, watcher_); }

void NotifyReceiver::close(const Napi::CallbackInfo&) {
  watcher_.reset();
  fd_.reset();
}

}  // namespace mcroute
