// The thread that reads upcalls from the MRT sockets.
#pragma once

#include <sys/types.h>

#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "unique_fd.h"
#include "upcall_responder.h"

namespace mcroute {

/// An MRT socket; the reader keeps it open.
struct UpcallSource {
  Family family;
  std::shared_ptr<const UniqueFd> fd;
  std::shared_ptr<RecentEntries> recentEntries;
  /// Drops of the receive buffer that are accounted for (sk_drops, which wraps).
  std::uint32_t knownDrops = 0;
};

/// A thread from its construction to its destruction. It is the only reader of its sockets.
class UpcallReader {
 public:
  /// Returns when the thread runs; it waits for `begin`. Throws std::system_error.
  UpcallReader(std::vector<UpcallSource> sources, UpcallResponder& responder, bool wantsRealtime);
  UpcallReader(const UpcallReader&) = delete;
  UpcallReader& operator=(const UpcallReader&) = delete;
  /// Joins the thread.
  ~UpcallReader();

  /// Lets the thread read; what came before waits in the sockets. Later calls do nothing.
  void begin();

  pid_t tid() const { return tid_; }
  bool isRealtime() const { return isRealtime_; }

 private:
  void run(bool wantsRealtime);
  void readBatch(UpcallSource& source);
  bool readOne(UpcallSource& source);
  void countDrops(UpcallSource& source, std::uint32_t drops);

  std::vector<UpcallSource> sources_;
  UpcallResponder& responder_;
  UniqueFd stop_;
  pid_t tid_ = 0;
  bool isRealtime_ = false;
  std::latch started_{1};
  std::latch begun_{1};
  bool hasBegun_ = false;
  std::thread thread_;
};

}  // namespace mcroute
