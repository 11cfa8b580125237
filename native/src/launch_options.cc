#include "launch_options.h"

#include <charconv>
#include <string_view>

#include "launch_report.h"
#include "launch_smcrouted_options.h"

namespace mcroute {

const char kUsage[] =
    R"(usage: mcroute-launch [OPTION...] -- PROGRAM [ARGUMENT...]

Opens the multicast routing sockets of one table, drops every privilege but
CAP_NET_ADMIN, and runs PROGRAM with the sockets as descriptors from 3 on, named
mrt4 and mrt6 as in sd_listen_fds(3). Sockets that come in that way are kept.

  --table ID               multicast routing table, 1 to 99999999
  --user USER[:GROUP]      user of PROGRAM when started as root; default mcroute,
                           or nobody where there is no mcroute
  --families LIST          ipv4,ipv6 (default), ipv4 or ipv6
  --receive-buffer BYTES   of each socket, 4096 to 1073741823; default 1048576
  --signalling             also open sockets for IGMP and MLD queries and router
                           discovery, named igmp4, icmp6 and packet
  --runtime-directory DIR  made for the user if it is missing; default
                           $MCROUTE_RUNTIME_DIRECTORY, or /run/mcroute as root
  --state-directory DIR    made if it is missing, and in it one of the table
                           for the user; default $MCROUTE_STATE_DIRECTORY,
                           $STATE_DIRECTORY, or /var/lib/mcroute as root
  --die-with-parent[=PID]  PROGRAM is killed when the process that started this
                           one ends, and does not begin if that is not PID
  --unprivileged           no table: open nothing, and PROGRAM has no capability
  --from-arguments         take -t/--table, -p/--user, --families and
                           --state-directory from the ARGUMENTs, where they
                           stay; open nothing if these have --help, --version
                           or --check
  --smcrouted              PROGRAM is an interpreter, and behind its options and
                           its file stand those of smcrouted: take all from there,
                           become a daemon unless there is -n, open the control
                           socket, and leave a process behind for the pid file
  --help, --version

Exit status before PROGRAM runs: 64 usage, 69 table in use or kernel support
missing, 71 system error or PROGRAM cannot be run, 77 capability missing.
)";

namespace {

constexpr int kMinReceiveBuffer = 4096;
/// sk_rcvbuf is an int that holds twice what is asked for.
constexpr int kMaxReceiveBuffer = 1'073'741'823;

/// Short options of mcroute-agent that take a value, so that a value is never taken for an option.
constexpr std::string_view kAgentOptionsWithValue = "FIPcdefilmptu";

LaunchError invalid(const std::string& sentence) { return LaunchError(Reason::invalidField, sentence); }

/// Digits only, no sign, no blank; nothing if it is not a number or does not fit.
std::optional<std::uint32_t> parseNumber(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::uint32_t parseTable(std::string_view text) {
  const auto table = parseNumber(text);
  if (!table || *table < kMinTable || *table > kMaxTable) {
    throw invalid("--table \"" + std::string(text) + "\" is not a table id: give a number from " +
                  std::to_string(kMinTable) + " to " + std::to_string(kMaxTable) +
                  " (0 means every table to the kernel, and IPv6 takes no larger one)");
  }
  return *table;
}

int parseReceiveBuffer(std::string_view text) {
  const auto bytes = parseNumber(text);
  if (!bytes || *bytes < kMinReceiveBuffer || *bytes > kMaxReceiveBuffer) {
    throw invalid("--receive-buffer \"" + std::string(text) + "\" is not a number of bytes from " +
                  std::to_string(kMinReceiveBuffer) + " to " + std::to_string(kMaxReceiveBuffer) +
                  ": leave it out for the default of " + std::to_string(kDefaultReceiveBuffer));
  }
  return static_cast<int>(*bytes);
}

pid_t parseParent(std::string_view text) {
  const auto pid = parseNumber(text);
  // PID_MAX_LIMIT of the kernel.
  constexpr std::uint32_t kMaxPid = 4'194'304;
  if (!pid || *pid == 0 || *pid > kMaxPid) {
    throw invalid("--die-with-parent \"" + std::string(text) + "\" is not a process id: leave it out for the parent");
  }
  return static_cast<pid_t>(*pid);
}

void parseFamilies(std::string_view text, LaunchOptions& options) {
  options.wantsIpv4 = options.wantsIpv6 = false;
  for (std::string_view rest = text;;) {
    const auto comma = rest.find(',');
    const auto family = rest.substr(0, comma);
    if (family == "ipv4") {
      options.wantsIpv4 = true;
    } else if (family == "ipv6") {
      options.wantsIpv6 = true;
    } else {
      throw invalid("--families \"" + std::string(text) + "\" has \"" + std::string(family) +
                    "\": give ipv4, ipv6 or ipv4,ipv6");
    }
    if (comma == std::string_view::npos) return;
    rest.remove_prefix(comma + 1);
  }
}

std::string parseText(std::string_view name, std::string_view text) {
  if (text.empty()) throw invalid(std::string(name) + " needs a value that is not empty");
  return std::string(text);
}

/// Words, one after the other; an option's value is the rest of its word or the next word.
class Words {
 public:
  explicit Words(const std::vector<std::string>& words) : words_(words) {}
  bool isAtEnd() const { return next_ == words_.size(); }
  std::string_view take() { return words_[next_++]; }
  std::vector<std::string> takeRest() const {
    return {words_.begin() + static_cast<std::ptrdiff_t>(next_), words_.end()};
  }

  std::string_view takeValue(std::string_view option, std::optional<std::string_view> attached) {
    if (attached) return *attached;
    if (isAtEnd() || words_[next_] == "--") {
      throw invalid(std::string(option) + " needs a value: see mcroute-launch --help");
    }
    return take();
  }

 private:
  const std::vector<std::string>& words_;
  std::size_t next_ = 0;
};

/// `--name` or `--name=value`.
struct LongOption {
  std::string_view name;
  std::optional<std::string_view> value;
};

LongOption splitLongOption(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos) return {word, std::nullopt};
  return {word.substr(0, equals), word.substr(equals + 1)};
}

/// Options that mcroute-launch and the program share. False: it is none of them.
bool takeSharedOption(std::string_view name, std::optional<std::string_view> attached, Words& words,
                      LaunchOptions& options, std::optional<std::string_view>& table) {
  if (name == "--table") {
    table = words.takeValue(name, attached);
  } else if (name == "--user") {
    options.user = parseText(name, words.takeValue(name, attached));
  } else if (name == "--families") {
    parseFamilies(words.takeValue(name, attached), options);
  } else if (name == "--state-directory") {
    options.stateDirectory = parseText(name, words.takeValue(name, attached));
  } else {
    return false;
  }
  return true;
}

/// A word such as `-t5` or `-nt5`: flags, then at most one option whose value is the rest or the next word.
void readShortOptions(std::string_view word, Words& words, LaunchOptions& options,
                      std::optional<std::string_view>& table) {
  for (std::size_t i = 1; i < word.size(); ++i) {
    const char letter = word[i];
    if (letter == 'h' || letter == 'v' || letter == 'F') options.mode = LaunchMode::bare;
    if (kAgentOptionsWithValue.find(letter) == std::string_view::npos) continue;
    const auto attached = i + 1 < word.size() ? std::optional(word.substr(i + 1)) : std::nullopt;
    if (letter == 't' || letter == 'p') {
      takeSharedOption(letter == 't' ? "--table" : "--user", attached, words, options, table);
    } else if (!attached && !words.isAtEnd()) {
      words.take();
    }
    return;
  }
}

/// The options that stay with the program but concern its sockets and its user.
void readProgramArguments(LaunchOptions& options, std::optional<std::string_view>& table) {
  Words words(options.program);
  words.take();
  while (!words.isAtEnd()) {
    const std::string_view word = words.take();
    if (word == "--") return;
    if (word.starts_with("--")) {
      const auto [name, value] = splitLongOption(word);
      if (name == "--help" || name == "--version" || name == "--check") {
        options.mode = LaunchMode::bare;
      } else {
        takeSharedOption(name, value, words, options, table);
      }
    } else if (word.starts_with("-")) {
      readShortOptions(word, words, options, table);
    }
  }
}

}  // namespace

LaunchOptions parseLaunchOptions(const std::vector<std::string>& arguments) {
  LaunchOptions options;
  // Checked at the end: what is wrong with a table is of no interest to `--help`.
  std::optional<std::string_view> table;
  bool isFromArguments = false;
  Words words(arguments);
  while (!words.isAtEnd()) {
    const std::string_view word = words.take();
    if (word == "--") {
      options.program = words.takeRest();
      break;
    }
    const auto [name, value] = splitLongOption(word);
    if (name == "--help" || name == "-h") {
      options.mode = LaunchMode::help;
      return options;
    }
    if (name == "--version" || name == "-v") {
      options.mode = LaunchMode::version;
      return options;
    }
    if (name == "--from-arguments" && !value) {
      isFromArguments = true;
    } else if (name == "--smcrouted" && !value) {
      options.isSmcrouted = true;
    } else if (name == "--unprivileged" && !value) {
      options.mode = LaunchMode::unprivileged;
    } else if (name == "--signalling" && !value) {
      options.wantsSignalling = true;
    } else if (name == "--die-with-parent") {
      options.diesWithParent = true;
      if (value) options.parent = parseParent(*value);
    } else if (name == "--receive-buffer") {
      options.receiveBuffer = parseReceiveBuffer(words.takeValue(name, value));
    } else if (name == "--runtime-directory") {
      options.runtimeDirectory = parseText(name, words.takeValue(name, value));
    } else if (!takeSharedOption(name, value, words, options, table)) {
      throw invalid("\"" + std::string(word) +
                    "\" is not an option: see mcroute-launch --help; the program goes behind --");
    }
  }
  if (options.program.empty()) {
    throw invalid("the program is missing: mcroute-launch --table ID -- PROGRAM [ARGUMENT...]");
  }
  if (options.isSmcrouted) {
    readSmcroutedArguments(options);
    return options;
  }
  if (isFromArguments) readProgramArguments(options, table);
  if (options.mode == LaunchMode::bare) return options;
  if (options.mode == LaunchMode::unprivileged) {
    if (table || options.wantsSignalling) {
      throw invalid("--unprivileged opens nothing: leave --table and --signalling out");
    }
    return options;
  }
  if (!table) {
    throw invalid("the table id is missing: add --table ID, a number from " + std::to_string(kMinTable) + " to " +
                  std::to_string(kMaxTable));
  }
  options.table = parseTable(*table);
  return options;
}

}  // namespace mcroute
