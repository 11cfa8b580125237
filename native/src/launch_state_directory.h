// The directory in which the program saves what outlives it: one for all tables, and in it one of the table's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch_report.h"
#include "launch_user.h"

namespace mcroute {

class StateDirectory {
 public:
  /// The directory asked for, or else that of MCROUTE_STATE_DIRECTORY or STATE_DIRECTORY (systemd.exec(5); the first of
  /// several), or else the default when started as root. Nothing otherwise: the program saves nothing.
  static std::optional<StateDirectory> choose(const std::optional<std::string>& requested, std::uint32_t table);

  /// Makes the directory with mode 0755, and gives the table's own to the identity with mode 0700.
  void prepare(const Identity& identity);

  /// After the drop of privileges: exports the directory as MCROUTE_STATE_DIRECTORY. One that the program cannot use is
  /// a warning with the cure. It is exported all the same if it was asked for, so that the program does not run without
  /// what it was told to have; the default is not, so that it does run.
  void pass(const Console& console) const;

 private:
  StateDirectory(const std::string& path, bool isDefault, std::uint32_t table)
      : path_(path), ofTable_(path + "/" + std::to_string(table)), isDefault_(isDefault) {}

  std::string path_;
  std::string ofTable_;
  bool isDefault_;
  /// What went wrong in `prepare`.
  std::optional<std::string> failure_;
};

}  // namespace mcroute
