// Runs one target over the files and folders on the command line, without a fuzzing engine; this is
// how ctest replays fuzz/corpus/<target>.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::string current_input;  // For the message of a run that aborts.

// A violated property aborts. Leaving with a status instead of the signal lets ctest expect it of
// the canary; whatever else abort would do, such as a core file, a replay does not need.
extern "C" void leave_after_abort(int /*signal*/) {
  std::fprintf(stderr, "while replaying %s\n", current_input.c_str());
  std::_Exit(EXIT_FAILURE);
}

bool replay(const fs::path& file) {
  current_input = file.string();
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    std::fprintf(stderr, "cannot read %s\n", current_input.c_str());
    return false;
  }
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  LLVMFuzzerInitialize(&argc, &argv);
  std::signal(SIGABRT, leave_after_abort);
  int count = 0;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      count += replay(argv[i]) ? 1 : 0;
      continue;
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(argv[i])) {
      count += entry.is_regular_file() && replay(entry.path()) ? 1 : 0;
    }
  }
  std::printf("replayed %d inputs\n", count);
  return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;  // An empty corpus is a broken test.
}
