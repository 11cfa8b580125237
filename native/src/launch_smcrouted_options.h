// The options of smcrouted, as far as they concern the launcher. The program reads and checks all of them again.
#pragma once

#include <string>
#include <vector>

#include "launch_options.h"

namespace mcroute {

/// Reads the arguments of a program, which is an interpreter, its options and a file, as getopt(3) does: single
/// letters, joined or apart, before and after other words. Fills in `smcrouted`, the table and the user; where
/// something is wrong with the words, or they ask for no daemon, the mode becomes `bare`, so that the program says what
/// it is.
void readSmcroutedArguments(LaunchOptions& options);

}  // namespace mcroute
