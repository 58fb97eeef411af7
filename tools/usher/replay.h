// One recorded exchange through the real acceptor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tools/usher/input.h"

namespace usher::cli {

// SettableClock is the machine's clock, or one that stands still.
class SettableClock final : public Clock {
 public:
  explicit SettableClock(std::optional<std::int64_t> wall_s) : wall_s_(wall_s) {}
  [[nodiscard]] std::int64_t wall_us() const noexcept override {
    return wall_s_ ? *wall_s_ * kMicrosPerSecond : system_clock().wall_us();
  }
  [[nodiscard]] std::int64_t steady_us() const noexcept override {
    return system_clock().steady_us();
  }

 private:
  std::optional<std::int64_t> wall_s_;
};

// Leg is one token of the client and what it got.
struct Leg {
  std::size_t line = 0;
  std::size_t size = 0;
  Verdict verdict;
  std::uint32_t reply_size = 0;
};

// PacFacts is what a verified PAC says of the client; texts that it does not have are empty.
struct PacFacts {
  std::uint8_t signatures = 0;  // auth::PacSignature bits: verified.
  bool has_ticket_signature = false;
  bool has_full_signature = false;
  std::string logon_name;
  std::string full_name;
  std::string domain;
  std::string dns_domain;
  std::string upn;
  std::string logon_server;
  std::string user_sid;
  std::string primary_group_sid;
  std::vector<std::string> groups;  // SIDs.
  std::vector<std::string> extra_sids;
  std::vector<std::string> resource_groups;
  bool has_client_claims = false;
  bool has_device_claims = false;
};

// facts_of reads a PAC that was verified; nothing if it is none.
[[nodiscard]] std::optional<PacFacts> facts_of(Bytes pac, std::uint8_t signatures);

// Client is what an established context says.
struct Client {
  bool ntlm = false;
  std::string name;     // "alice@REALM" or "DOMAIN\alice".
  std::string service;  // Kerberos: "HTTP/host@REALM".
  std::int32_t ticket_etype = 0;
  gss::ContextFlags flags{};
  std::int64_t expires_s = 0;  // 0: never.
  std::optional<PacFacts> pac;
};

struct Outcome {
  std::vector<Leg> legs;                                           // At least one.
  auth::BindingResult bindings = auth::BindingResult::kUnchecked;  // Of the last leg.
  std::optional<Client> client;                                    // If it ended in SEC_E_OK.
  std::size_t unused = 0;  // Client tokens after a refusal, not replayed.

  [[nodiscard]] const Verdict& verdict() const { return legs.back().verdict; }
};

// Replayer is an engine and what it accepts with. Not for several threads.
class Replayer {
 public:
  // Throws UsageError if memory or OpenSSL fails. `clock` is borrowed.
  Replayer(std::unique_ptr<Credential> credential, const Clock& clock);

  // bind_to sets the application data of the channel bindings that clients' are compared with from
  // now on. Clients without any are still let in, unless the policy is `always`. Throws UsageError
  // if OpenSSL fails.
  void bind_to(Bytes application_data);

  // replay feeds the client's tokens of `exchange`, of which there is at least one, to a new
  // context, and ends it. Where the server's recorded answer was an NTLM CHALLENGE, the exchange
  // goes on with that one.
  [[nodiscard]] Outcome replay(const std::vector<Piece>& exchange);

 private:
  [[nodiscard]] Leg step(const Piece& piece, Bytes recorded_challenge, ContextHandle& context,
                         Outcome& outcome);

  std::unique_ptr<Credential> credential_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Desk> desk_;
  auth::ChannelBindings bindings_;
};

// challenge_in finds the NTLM CHALLENGE in a server's token, bare or in a NegTokenResp; empty if
// there is none. The result lies in `token`.
[[nodiscard]] Bytes challenge_in(Bytes token) noexcept;

}  // namespace usher::cli
