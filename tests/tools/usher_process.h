// Runs the `usher` command as people do, and keeps what it wrote.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/test_data.h"

namespace usher::testing {

inline std::string transcript_path(const std::string& name) { return test_data(name); }

inline std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Scratch is a private folder that goes with the test.
class Scratch {
 public:
  Scratch() : path_("/tmp/usher_test_XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // write makes a file of `contents` and returns its path.
  [[nodiscard]] std::string write(const std::string& name, std::string_view contents,
                                  mode_t mode = 0600) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << contents;
    ::chmod(path.c_str(), mode);
    return path;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct Ran {
  int exit_status = -1;  // Negative: the signal it died of.
  std::string out;
  std::string err;
};

// run_usher runs it to its end. Output goes through files, so neither side ever waits for a pipe.
inline Ran run_usher(std::vector<std::string> arguments, std::string_view standard_input = {}) {
  const Scratch scratch;
  const std::string in = scratch.write("in", standard_input);
  const std::string out = scratch.path("out");
  const std::string err = scratch.path("err");
  arguments.insert(arguments.begin(), USHER_COMMAND);
  std::vector<char*> argv;
  for (std::string& argument : arguments) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_CREAT | O_WRONLY, 0600);
  ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_CREAT | O_WRONLY, 0600);
  pid_t child = 0;
  const int spawned = ::posix_spawn(&child, USHER_COMMAND, &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (spawned != 0 || ::waitpid(child, &status, 0) != child) {
    throw std::runtime_error("cannot run " USHER_COMMAND);
  }
  return {.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
          .out = read_whole(out),
          .err = read_whole(err)};
}

// Line is one of a transcript: "c2s" or "s2c", and hex.
struct Line {
  std::string direction;
  std::string hex;
};

inline std::vector<Line> transcript_lines(const std::string& name) {
  std::ifstream file(transcript_path(name));
  std::vector<Line> lines;
  std::string direction;
  std::string hex;
  while (file >> direction) {
    if (direction == "c2s" || direction == "s2c") {
      file >> hex;
      lines.push_back({direction, hex});
    } else {
      std::getline(file, hex);
    }
  }
  return lines;
}

inline std::string transcript_text(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) {
    text += line.direction + " " + line.hex + "\n";
  }
  return text;
}

}  // namespace usher::testing
