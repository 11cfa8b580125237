// The environment, which the launcher reads and the program gets.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

#include "launch_report.h"

namespace mcroute {

/// Empty if it is not set.
inline std::string_view readEnvironment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

inline void setEnvironment(const char* name, const std::string& value) {
  if (setenv(name, value.c_str(), 1) != 0) throw kernelError("setenv", errno);
}

}  // namespace mcroute
