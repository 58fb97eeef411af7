// Recorded NTLM exchanges as the jobs that verify them.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <vector>

#include "engine/crypto/proof_batch.h"
#include "parsers/ntlm.h"
#include "tests/crypto/recorded.h"

namespace usher::testing {

// RecordedNtlm holds one exchange of user alice: its three messages, its proof job, and its result.
class RecordedNtlm {
 public:
  RecordedNtlm(crypto::Kit& kit, const std::string& file) {
    const std::vector<Octets> tokens = transcript(file);
    if (tokens.size() < 3) {
      ADD_FAILURE() << file << " is no exchange";
      return;
    }
    negotiate_ = ntlm_message(tokens[0]);
    challenge_ = ntlm_message(tokens[1]);
    authenticate_ = ntlm_message(tokens[2]);
    EXPECT_TRUE(nt_hash_of(kit, utf16("Al1ce-Passw0rd"), nt_hash_));
    read();
  }
  RecordedNtlm(const RecordedNtlm&) = delete;
  RecordedNtlm& operator=(const RecordedNtlm&) = delete;

  [[nodiscard]] crypto::ProofJob job() { return job_; }
  [[nodiscard]] ntlm::NegotiateFlags flags() const { return flags_; }
  [[nodiscard]] bool has_mic() const { return has_mic_; }
  [[nodiscard]] Bytes session_key() const { return session_key_; }
  [[nodiscard]] Octets& authenticate() { return authenticate_; }
  [[nodiscard]] Octets& challenge() { return challenge_; }
  [[nodiscard]] Octets& negotiate() { return negotiate_; }

 private:
  void read() {
    const auto challenge = ntlm::parse_challenge(challenge_);
    const auto authenticate = ntlm::parse_authenticate(authenticate_);
    ASSERT_TRUE(challenge.ok() && authenticate.ok());
    const auto response = ntlm::parse_ntlmv2_response(authenticate->nt_response);
    ASSERT_TRUE(response.ok());
    flags_ = challenge->flags & authenticate->flags;
    const bool unicode = has(challenge->flags, ntlm::NegotiateFlags::kUnicode);
    user_ = as_utf16(authenticate->user, unicode);
    for (std::size_t i = 0; i < user_.size(); i += 2) {
      user_[i] = static_cast<std::uint8_t>(std::toupper(user_[i]));
    }
    domain_ = as_utf16(authenticate->domain, unicode);
    has_mic_ = response->pairs.has_flags && (response->pairs.flags & ntlm::kAvFlagMic) != 0;
    job_ = {.nt_hash = nt_hash_,
            .user_upper = user_,
            .domain = domain_,
            .server_challenge = challenge->server_challenge,
            .proof = response->proof,
            .client_data = response->client_data,
            .key_exchange = has(flags_, ntlm::NegotiateFlags::kKeyExchange),
            .encrypted_session_key = authenticate->encrypted_session_key,
            .check_mic = has_mic_,
            .negotiate = negotiate_,
            .challenge = challenge_,
            .authenticate = authenticate_,
            .mic = authenticate->mic,
            .session_key = session_key_};
  }

  static Octets as_utf16(Bytes text, bool unicode) {
    return unicode ? Octets(text.begin(), text.end())
                   : utf16({reinterpret_cast<const char*>(text.data()), text.size()});
  }

  Octets negotiate_;
  Octets challenge_;
  Octets authenticate_;
  Octets nt_hash_ = Octets(crypto::kNtHashSize);
  Octets user_;
  Octets domain_;
  Octets session_key_ = Octets(16);
  ntlm::NegotiateFlags flags_{};
  bool has_mic_ = false;
  crypto::ProofJob job_;
};

}  // namespace usher::testing
