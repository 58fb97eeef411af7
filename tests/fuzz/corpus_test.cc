// fuzz/corpus: seeds that are named accepted- still are. A seed that is refused at the door shows
// an engine nothing of what lies behind it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/support/ntlm_layers.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {
namespace {

namespace fs = std::filesystem;

// each_accepted calls check(seed, name) for every seed whose name says so, and returns how many.
template <class Check>
int each_accepted(const std::string& target, Check check) {
  int count = 0;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(USHER_FUZZ_CORPUS) / target)) {
    const std::string name = entry.path().filename().string();
    if (name.find("accepted-") != std::string::npos) {
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
      check(Octets(bytes.begin(), bytes.end()), name);
      ++count;
    }
  }
  return count;
}

TEST(Corpus, ApReqSeedsAreAccepted) {
  const int count = each_accepted("ap_req", [](const Octets& token, const std::string& name) {
    Door door;
    if (name.find("rc4") != std::string::npos) {
      EXPECT_EQ(door.accept(token).status, Status::kRc4) << name;
      auth::Policy& policy = world().credential->policy;
      policy.allow_rc4 = policy.allow_weaker_keys = true;
    }
    EXPECT_EQ(door.accept(token).status, Status::kEstablished) << name;
  });
  EXPECT_GE(count, 15);
}

TEST(Corpus, NtlmProofSeedsAreAccepted) {
  const int count = each_accepted("ntlm_proof", [](const Octets& message, const std::string& name) {
    const NtlmExchange& exchange = exchange_of(message);
    Door door;
    const Door::Answer first =
        door.accept(exchange.negotiate, {}, {.recorded_challenge = exchange.challenge});
    EXPECT_EQ(door.accept(message, first.context).status, Status::kEstablished) << name;
  });
  EXPECT_GE(count, 5);
}

}  // namespace
}  // namespace usher::fuzz
