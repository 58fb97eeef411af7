// write_attack_seeds DIR writes every attack to DIR/<fuzz target>/<row>-<name>; DIR is fuzz/corpus.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/attacks/attacks.h"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc != 2 || !fs::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: write_attack_seeds DIR\n");
    return 1;
  }
  int count = 0;
  for (const usher::attacks::Attack& attack : usher::attacks::all_attacks()) {
    const fs::path folder = fs::path(argv[1]) / attack.parser.target;
    fs::create_directories(folder);
    std::ofstream file(folder / attack.seed_name(), std::ios::binary);
    for (const std::uint8_t octet : attack.seed_octets()) {
      file.put(static_cast<char>(octet));
    }
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write %s\n", (folder / attack.seed_name()).c_str());
      return 1;
    }
    ++count;
  }
  std::printf("wrote %d seeds\n", count);
  return 0;
}
