// A mutex for threads of different priority.
#pragma once

#include <pthread.h>

#include <system_error>

namespace mcroute {

/// A mutex with priority inheritance: while the upcall thread waits, its holder runs at the upcall thread's priority,
/// so that no third thread keeps both from the CPU.
class PriorityMutex {
 public:
  PriorityMutex() {
    pthread_mutexattr_t attributes;
    check(pthread_mutexattr_init(&attributes));
    int error = pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    if (error == 0) error = pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
    check(error);
  }
  PriorityMutex(const PriorityMutex&) = delete;
  PriorityMutex& operator=(const PriorityMutex&) = delete;
  ~PriorityMutex() { pthread_mutex_destroy(&mutex_); }

  void lock() { check(pthread_mutex_lock(&mutex_)); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  static void check(int error) {
    if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_mutex");
  }

  pthread_mutex_t mutex_;
};

}  // namespace mcroute
