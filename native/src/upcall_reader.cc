#include "upcall_reader.h"

#include <linux/sock_diag.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "scheduling.h"
#include "socket_calls.h"

namespace mcroute {

namespace {

/// Upcalls of one system call. The other socket and the wish to stop are looked at after each batch.
constexpr std::size_t kBatch = 64;

/// Holds an upcall of either family; the rest of ordinary packets is cut off.
constexpr std::size_t kDatagram = 64;

/// How long a socket that gives an unexpected error is left alone, so that an error that stays does not take a CPU
/// from everybody at realtime priority.
constexpr int kErrorPauseMs = 10;

/// Signals are Node's: no handler runs on a thread that holds the lock. Threads inherit the mask of their maker.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

struct UpcallReader::Buffers {
  std::array<std::array<std::uint8_t, kDatagram>, kBatch> datagrams;
  struct Control {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint32_t))> bytes;
  };
  std::array<Control, kBatch> controls;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages;

  Buffers() {
    for (std::size_t at = 0; at < kBatch; ++at) parts[at] = {datagrams[at].data(), kDatagram};
  }

  /// Before each call: the kernel writes lengths into the headers.
  void prepare() {
    for (std::size_t at = 0; at < kBatch; ++at) {
      messages[at] = {};
      messages[at].msg_hdr.msg_iov = &parts[at];
      messages[at].msg_hdr.msg_iovlen = 1;
      messages[at].msg_hdr.msg_control = controls[at].bytes.data();
      messages[at].msg_hdr.msg_controllen = controls[at].bytes.size();
    }
  }
};

UpcallReader::UpcallReader(std::vector<UpcallSource> sources, UpcallResponder& responder, bool wantsRealtime)
    : sources_(std::move(sources)),
      responder_(responder),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffers_(std::make_unique<Buffers>()) {
  if (!stop_) throw std::system_error(errno, std::generic_category(), "eventfd");
  for (UpcallSource& source : sources_) {
    const int error = setOption(source.fd->get(), SOL_SOCKET, SO_RXQ_OVFL, int{1});
    if (error != 0) throw std::system_error(error, std::generic_category(), "setsockopt(SO_RXQ_OVFL)");
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    if (getOption(source.fd->get(), SOL_SOCKET, SO_MEMINFO, memory) == 0) source.knownDrops = memory[SK_MEMINFO_DROPS];
  }
  const SignalsBlocked blocked;
  thread_ = std::thread([this, wantsRealtime] { run(wantsRealtime); });
  started_.wait();
}

UpcallReader::~UpcallReader() {
  if (!thread_.joinable()) return;
  // The counter is at zero, so the write cannot fail.
  eventfd_write(stop_.get(), 1);
  begin();
  thread_.join();
}

void UpcallReader::begin() {
  if (!std::exchange(hasBegun_, true)) begun_.count_down();
}

void UpcallReader::run(bool wantsRealtime) {
  pthread_setname_np(pthread_self(), "mcroute-upcall");
  isRealtime_ = setRealtime(wantsRealtime);
  tid_ = gettid();
  started_.count_down();
  // Also for a stop before the beginning: it is seen before anything is read.
  begun_.wait();

  std::vector<pollfd> polled{{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  for (const UpcallSource& source : sources_) polled.push_back({source.fd->get(), POLLIN, 0});
  while (true) {
    // EINTR leaves revents as they were, so they are cleared by hand.
    for (pollfd& one : polled) one.revents = 0;
    poll(polled.data(), polled.size(), -1);
    if (polled[0].revents != 0) return;
    for (std::size_t at = 0; at < sources_.size(); ++at) {
      if (polled[at + 1].revents != 0) readBatch(sources_[at]);
    }
  }
}

void UpcallReader::readBatch(UpcallSource& source) {
  buffers_->prepare();
  const int count = recvmmsg(source.fd->get(), buffers_->messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (count < 0) {
    if (errno != EAGAIN && errno != EINTR) poll(nullptr, 0, kErrorPauseMs);
    return;
  }
  for (std::size_t at = 0; at < static_cast<std::size_t>(count); ++at) {
    mmsghdr& message = buffers_->messages[at];
    const std::span<const std::uint8_t> datagram(buffers_->datagrams[at].data(), message.msg_len);
    const auto upcall = withUapi(source.family, [&]<typename Uapi>(Uapi) { return Uapi::parseUpcall(datagram); });
    if (upcall) responder_.respond(source.family, *upcall);
    const cmsghdr* control = CMSG_FIRSTHDR(&message.msg_hdr);
    if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_RXQ_OVFL) continue;
    std::uint32_t drops;
    std::memcpy(&drops, CMSG_DATA(control), sizeof drops);
    countDrops(source, drops);
  }
}

void UpcallReader::countDrops(UpcallSource& source, std::uint32_t drops) {
  // Packets that were queued on different CPUs may carry the counter out of order.
  const auto more = static_cast<std::int32_t>(drops - source.knownDrops);
  if (more <= 0) return;
  source.knownDrops = drops;
  responder_.addDroppedUpcalls(static_cast<std::uint32_t>(more));
}

}  // namespace mcroute
