#include "launch_smcrouted_options.h"

#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>

namespace mcroute {
namespace {

constexpr std::string_view kFlags = "hnNsv";
constexpr std::string_view kWithValue = "cdeFfiIlmpPtu";

/// A day; whoever wants to wait longer does not start the program yet.
constexpr std::uint32_t kMaxDelay = 86'400;

/// The letters that are there, each with its last value.
using Letters = std::map<char, std::string>;

/// Reads the letters of one word; the value of the last may be the next word. False: the words are wrong.
bool readLetters(std::string_view letters, const std::vector<std::string>& words, std::size_t& next, Letters& found) {
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const char letter = letters[i];
    if (kFlags.find(letter) != std::string_view::npos) {
      found[letter] = "";
      continue;
    }
    if (kWithValue.find(letter) == std::string_view::npos) return false;
    const char name = letter == 'I' ? 'i' : letter;
    if (i + 1 < letters.size()) {
      found[name] = letters.substr(i + 1);
    } else if (next < words.size()) {
      found[name] = words[next++];
    } else {
      return false;
    }
    return true;
  }
  return true;
}

/// The interpreter, its options and the file that it runs are none of ours.
std::size_t firstArgument(const std::vector<std::string>& words) {
  std::size_t file = 1;
  while (file < words.size() && words[file].starts_with("-")) ++file;
  return file + 1;
}

std::optional<Letters> readWords(const std::vector<std::string>& words) {
  Letters found;
  for (std::size_t next = firstArgument(words); next < words.size();) {
    const std::string_view word = words[next++];
    if (word == "--") break;
    if (word.size() < 2 || word.front() != '-') continue;
    if (!readLetters(word.substr(1), words, next, found)) return std::nullopt;
  }
  return found;
}

std::optional<std::uint32_t> parseNumber(const Letters& letters, char letter, std::uint32_t max) {
  const auto found = letters.find(letter);
  if (found == letters.end()) return 0;
  const std::string& text = found->second;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::string valueOr(const Letters& letters, char letter, const std::string& fallback) {
  const auto found = letters.find(letter);
  return found == letters.end() ? fallback : found->second;
}

/// A name alone is that of a file in /run, as with smcrouted.
std::string pidFile(const std::string& text) {
  if (text.find('/') == std::string::npos) return "/run/" + text + ".pid";
  return std::filesystem::absolute(text);
}

bool isPlainName(const std::string& name) { return !name.empty() && name.find('/') == std::string::npos; }

}  // namespace

void readSmcroutedArguments(LaunchOptions& options) {
  options.mode = LaunchMode::bare;
  const auto letters = readWords(options.program);
  if (!letters || letters->contains('h') || letters->contains('v') || letters->contains('F')) return;
  const auto table = parseNumber(*letters, 't', kMaxTable);
  const auto delay = parseNumber(*letters, 'd', kMaxDelay);
  const std::string identity = valueOr(*letters, 'i', "smcroute");
  const std::string socket = valueOr(*letters, 'u', "/run/" + identity + ".sock");
  const std::string pid = valueOr(*letters, 'P', identity);
  const std::string user = valueOr(*letters, 'p', "root");
  if (!table || !delay || !isPlainName(identity) || socket.empty() || pid.empty() || user.empty()) return;
  options.mode = LaunchMode::agent;
  options.table = *table;
  if (letters->contains('p')) options.user = user;
  options.smcrouted = SmcroutedOptions{.isForeground = letters->contains('n'),
                                       .delaySeconds = *delay,
                                       .identity = identity,
                                       .pidFile = pidFile(pid),
                                       .socket = std::filesystem::absolute(socket)};
}

}  // namespace mcroute
