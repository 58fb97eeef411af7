// The batch stages alone (engine/crypto/ticket_batch.h), at widths 1 to 64 with each back end, for
// each etype: open tickets, open authenticators (with the keys that their session keys give, the
// reply's too), seal replies. And NTLMv2 proofs, with their MIC.
#include <benchmark/benchmark.h>

#include <array>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "bench/allocations.h"
#include "engine/crypto/lanes.h"
#include "engine/crypto/proof_batch.h"
#include "engine/crypto/ticket_batch.h"
#include "parsers/ntlm.h"
#include "tools/mint/ticket_shapes.h"

namespace usher::bench {
namespace {

using crypto::LanesChoice;
using crypto::Outcome;

constexpr std::size_t kSignOns = 2048;
constexpr std::size_t kReplyPartSize = 96;  // EncAPRepPart with a subkey and a sequence number.
constexpr std::array<std::size_t, 7> kWidths = {1, 2, 4, 8, 16, 32, 64};

// SignOn is what one client sends, and the session key.
struct SignOn {
  mint::Octets ticket;
  mint::Octets authenticator;
  mint::Octets session_key;
};

// Work is sign-ons of one etype, and a seat for each of a batch.
struct Work {
  explicit Work(std::int32_t etype_of_all)
      : etype(etype_of_all), profile(*crypto::profile_of(etype_of_all)) {
    mint::SeededRandom random{static_cast<std::uint64_t>(etype)};
    const mint::KerberosMint mint(*kit, random);
    const mint::Service service =
        mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST", etype);
    const std::int64_t now_s = std::time(nullptr);
    const mint::TicketShaper shaper(*kit, random, service, {.session_etype = etype}, now_s);
    for (std::size_t n = 0; n < kSignOns; ++n) {
      const mint::Ticket ticket = shaper.make();
      mint::AuthenticatorFields fields;
      fields.ctime = now_s;
      fields.cusec = static_cast<std::uint32_t>(100'000 + n);
      fields.subkey_etype = etype;
      const mint::ApReq request = mint.ap_req(ticket, fields);
      const Result<krb5::ApReq> parsed = krb5::parse_ap_req(request.message);
      sign_ons.push_back({.ticket = mint::octets_of(parsed->ticket.enc_part.cipher),
                          .authenticator = mint::octets_of(parsed->authenticator.cipher),
                          .session_key = ticket.session_key});
    }
    ring = mint::make_ring(*kit, {&service, 1});
    key = ring->first_of_any(etype);
    plain = mint::draw(random, kReplyPartSize);
    confounder = mint::draw(random, profile.confounder_size);
  }

  struct Seat {
    std::array<std::uint8_t, 1024> room;
    std::array<std::uint8_t, 256> cipher;
    crypto::SessionKeys keys;
  };

  std::int32_t etype;
  const crypto::EtypeProfile& profile;
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  std::unique_ptr<const crypto::KeyRing> ring;
  const crypto::ServiceKey* key = nullptr;
  std::vector<SignOn> sign_ons;
  mint::Octets plain;
  mint::Octets confounder;
  std::vector<Seat> seats = std::vector<Seat>(kBatchMax);
  std::array<crypto::TicketJob, kBatchMax> tickets;
  std::array<crypto::AuthenticatorJob, kBatchMax> authenticators;
  std::array<crypto::SealJob, kBatchMax> replies;
};

// Each runs one batch of sign-ons `begin` to `begin` + `width`; true if all are done.
bool open_tickets(Work& work, crypto::Lanes& lanes, std::size_t begin, std::size_t width) {
  for (std::size_t n = 0; n < width; ++n) {
    work.tickets[n] = {
        .key = work.key, .cipher = work.sign_ons[begin + n].ticket, .room = work.seats[n].room};
  }
  const std::span jobs = std::span(work.tickets).first(width);
  crypto::open_tickets(lanes, jobs);
  return std::ranges::all_of(jobs, [](auto& job) { return job.outcome == Outcome::kDone; });
}

bool open_authenticators(Work& work, crypto::Lanes& lanes, std::size_t begin, std::size_t width) {
  for (std::size_t n = 0; n < width; ++n) {
    work.seats[n].keys.clear();
    work.authenticators[n] = {.profile = &work.profile,
                              .session_key = work.sign_ons[begin + n].session_key,
                              .keys = &work.seats[n].keys,
                              .reply_expected = true,
                              .cipher = work.sign_ons[begin + n].authenticator,
                              .room = work.seats[n].room};
  }
  const std::span jobs = std::span(work.authenticators).first(width);
  crypto::open_authenticators(lanes, jobs);
  return std::ranges::all_of(jobs, [](auto& job) { return job.outcome == Outcome::kDone; });
}

// The seats' keys are those that open_authenticators has left.
bool seal_replies(Work& work, crypto::Lanes& lanes, std::size_t begin, std::size_t width) {
  for (std::size_t n = 0; n < width; ++n) {
    work.replies[n] = {
        .profile = &work.profile,
        .session_key = work.sign_ons[begin + n].session_key,
        .keys = &work.seats[n].keys,
        .confounder = work.confounder,
        .plain = work.plain,
        .room = work.seats[n].room,
        .cipher =
            MutableBytes(work.seats[n].cipher).first(work.profile.overhead() + kReplyPartSize)};
  }
  const std::span jobs = std::span(work.replies).first(width);
  crypto::seal_replies(lanes, jobs);
  return std::ranges::all_of(jobs, [](auto& job) { return job.outcome == Outcome::kDone; });
}

using Stage = bool (*)(Work&, crypto::Lanes&, std::size_t, std::size_t);

void run(benchmark::State& state, Work& work, crypto::Lanes& lanes, Stage stage,
         std::size_t width) {
  bool good = open_authenticators(work, lanes, 0, width) && stage(work, lanes, 0, width);
  std::size_t next = 0;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    good = stage(work, lanes, next, width) && good;
    next = (next + width) % kSignOns;
  }
  expect_no_allocations_since(allocations, state);
  if (!good) {
    state.SkipWithError("a job is not done");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(width));
}

// ProofWork is NTLMv2 responses as large as Windows sends them.
struct ProofWork {
  ProofWork() {
    mint::SeededRandom random{7};
    nt_hash = mint::draw(random, crypto::kNtHashSize);
    account = mint::draw(random, 40);
    challenge = mint::draw(random, 8);
    client_data = mint::draw(random, 260);
    messages = {mint::draw(random, 40), mint::draw(random, 220), mint::draw(random, 560)};
    for (std::size_t n = 0; n < kBatchMax; ++n) {
      jobs[n] = {.nt_hash = nt_hash,
                 .user_upper = account,
                 .server_challenge = challenge,
                 .proof = proof,
                 .client_data = client_data,
                 .check_mic = true,
                 .negotiate = messages[0],
                 .challenge = messages[1],
                 .authenticate = messages[2],
                 .mic = mic,
                 .session_key = keys[n]};
    }
    mint::Octets response_key(16);
    const Bytes names[] = {account};
    const Bytes covered[] = {challenge, client_data};
    mint::require(
        kit->hmac_md5(nt_hash, names, response_key) && kit->hmac_md5(response_key, covered, proof),
        "no OpenSSL");
    crypto::ProofJob without = jobs[0];
    without.check_mic = false;
    crypto::verify_proofs(*kit, std::span(&without, 1));
    const std::array<std::uint8_t, ntlm::kMicSize> zeros{};
    const Bytes all[] = {messages[0], messages[1], Bytes(messages[2]).first(ntlm::kMicOffset),
                         zeros, Bytes(messages[2]).subspan(ntlm::kMicOffset + ntlm::kMicSize)};
    mint::require(kit->hmac_md5(keys[0], all, mic), "no OpenSSL");
  }

  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::Octets nt_hash;
  mint::Octets account;
  mint::Octets challenge;
  mint::Octets client_data;
  std::array<mint::Octets, 3> messages;
  std::array<std::uint8_t, 16> proof{};
  std::array<std::uint8_t, ntlm::kMicSize> mic{};
  std::array<std::array<std::uint8_t, 16>, kBatchMax> keys{};
  std::array<crypto::ProofJob, kBatchMax> jobs;
};

void run_proofs(benchmark::State& state, ProofWork& work, crypto::Lanes& lanes, std::size_t width) {
  const std::span jobs = std::span(work.jobs).first(width);
  bool good = true;
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    for (crypto::ProofJob& job : jobs) {
      job.proof_outcome = job.mic_outcome = Outcome::kPending;
    }
    crypto::verify_proofs(lanes, jobs);
    good = std::ranges::all_of(jobs, [](auto& job) { return job.mic_outcome == Outcome::kDone; }) &&
           good;
  }
  expect_no_allocations_since(allocations, state);
  if (!good) {
    state.SkipWithError("a job is not done");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(width));
}

void declare_proofs(ProofWork& work, crypto::Lanes& lanes, const char* backend) {
  for (const std::size_t width : kWidths) {
    const std::string name =
        std::string("verify_proofs/") + backend + "/width:" + std::to_string(width);
    benchmark::RegisterBenchmark(name.c_str(), [&work, &lanes, width](benchmark::State& state) {
      run_proofs(state, work, lanes, width);
    });
  }
}

struct Backend {
  const char* name;
  LanesChoice choice;
};
struct Named {
  const char* name;
  Stage stage;
};

void declare(Work& work, crypto::Lanes& lanes, const Backend& backend) {
  constexpr std::array<Named, 3> kStages = {Named{"open_tickets", open_tickets},
                                            Named{"open_authenticators", open_authenticators},
                                            Named{"seal_replies", seal_replies}};
  for (const Named& named : kStages) {
    for (const std::size_t width : kWidths) {
      const std::string name = std::string(named.name) + "/" + backend.name +
                               "/etype:" + std::to_string(work.etype) +
                               "/width:" + std::to_string(width);
      benchmark::RegisterBenchmark(
          name.c_str(), [&work, &lanes, stage = named.stage, width](benchmark::State& state) {
            run(state, work, lanes, stage, width);
          });
    }
  }
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  using namespace usher::bench;
  namespace crypto = usher::crypto;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  const auto kit = crypto::Kit::make();
  std::vector<std::unique_ptr<Work>> works;
  std::vector<std::unique_ptr<crypto::Lanes>> all_lanes;
  ProofWork proofs;
  for (const std::int32_t etype : {18, 17, 19, 20}) {
    works.push_back(std::make_unique<Work>(etype));
  }
  for (const Backend backend :
       {Backend{"openssl", LanesChoice::kOpenssl}, Backend{"ipsec-mb", LanesChoice::kIpsecMb},
        Backend{"x86", LanesChoice::kX86}}) {
    all_lanes.push_back(crypto::Lanes::make(*kit, backend.choice));
    if (all_lanes.back() == nullptr) {
      std::fprintf(stderr, "left out: %s\n", backend.name);
      continue;
    }
    for (const auto& work : works) {
      declare(*work, *all_lanes.back(), backend);
    }
    declare_proofs(proofs, *all_lanes.back(), backend.name);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
