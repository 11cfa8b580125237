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

/// Upcalls in a row. The other socket and the wish to stop are looked at after each batch, and the loop is woken.
constexpr int kBatch = 64;

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

UpcallReader::UpcallReader(std::vector<UpcallSource> sources, UpcallResponder& responder, bool wantsRealtime)
    : sources_(std::move(sources)), responder_(responder), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
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
  for (int count = 0; count < kBatch && readOne(source);) ++count;
  responder_.announce();
}

/// One system call an upcall: it is answered before the next is looked for. False where there is none.
bool UpcallReader::readOne(UpcallSource& source) {
  std::array<std::uint8_t, kDatagram> datagram;
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint32_t))> controls;
  iovec part{datagram.data(), datagram.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = controls.data();
  message.msg_controllen = controls.size();
  const ssize_t size = recvmsg(source.fd->get(), &message, MSG_DONTWAIT);
  if (size < 0) {
    if (errno != EAGAIN && errno != EINTR) poll(nullptr, 0, kErrorPauseMs);
    return false;
  }
  const auto read = std::span<const std::uint8_t>(datagram).first(static_cast<std::size_t>(size));
  const auto upcall = withUapi(source.family, [&]<typename Uapi>(Uapi) { return Uapi::parseUpcall(read); });
  if (upcall) responder_.respond(source.family, *upcall);
  const auto drops = findControl<std::uint32_t>(message, SOL_SOCKET, SO_RXQ_OVFL);
  if (drops) countDrops(source, *drops);
  return true;
}

void UpcallReader::countDrops(UpcallSource& source, std::uint32_t drops) {
  // Packets that were queued on different CPUs may carry the counter out of order.
  const auto more = static_cast<std::int32_t>(drops - source.knownDrops);
  if (more <= 0) return;
  source.knownDrops = drops;
  responder_.addDroppedUpcalls(static_cast<std::uint32_t>(more));
}

}  // namespace mcroute
