// parsers/ntlm.h: the three messages; the type in the message decides which.
#include <algorithm>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "parsers/ntlm.h"

namespace usher::fuzz {
namespace {

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

// check_payload holds views to the part of the message behind its header.
void check_payload(std::initializer_list<Bytes> views, Bytes message, std::size_t header_size) {
  for (const Bytes view : views) {
    check(view.empty() || within(view, message.subspan(header_size)), "a field is in the payload");
    check(view.size() <= 0xffff, "a length has 16 bits");
  }
}

template <class T>
bool accepted(const Result<T>& result, Bytes message) {
  check(result.ok() || result.fault().offset <= message.size(), "a fault points into the message");
  return result.ok();
}

void check_negotiate(Bytes message) {
  const Result<ntlm::Negotiate> negotiate = ntlm::parse_negotiate(message);
  if (!accepted(negotiate, message)) {
    return;
  }
  check(message.size() == 16 || message.size() >= 32, "no header is cut in two");
  check_payload({negotiate->domain, negotiate->workstation}, message,
                std::min<std::size_t>(message.size(), 24));  // Heimdal's; see the parser.
  check(negotiate->domain.empty() || has(negotiate->flags, ntlm::NegotiateFlags::kDomainSupplied),
        "a domain is announced");
}

void check_challenge(Bytes message) {
  const Result<ntlm::Challenge> challenge = ntlm::parse_challenge(message);
  if (!accepted(challenge, message)) {
    return;
  }
  const bool has_target_info = has(challenge->flags, ntlm::NegotiateFlags::kTargetInfo);
  check_payload({challenge->target_name, challenge->target_info}, message,
                has_target_info ? 48 : 32);
  check(challenge->server_challenge.size() == 8 && within(challenge->server_challenge, message),
        "a challenge has 8 bytes");

  const std::size_t size = 56 + challenge->target_name.size() + challenge->target_info.size();
  std::vector<std::uint8_t> out(size);
  check(ntlm::write_challenge(*challenge, MutableBytes(out).first(size - 1)) == 0,
        "too little room is noticed");
  check(ntlm::write_challenge(*challenge, out) == size, "a challenge can be written");
  const Result<ntlm::Challenge> again = ntlm::parse_challenge(out);
  check(again.ok() && again->flags == challenge->flags &&
            same(again->target_name, challenge->target_name) &&
            same(again->server_challenge, challenge->server_challenge) &&
            same(again->target_info, challenge->target_info),
        "a written challenge comes back");
}

void check_authenticate(Bytes message) {
  const Result<ntlm::Authenticate> authenticate = ntlm::parse_authenticate(message);
  if (!accepted(authenticate, message)) {
    return;
  }
  const std::initializer_list<Bytes> payload = {
      authenticate->lm_response, authenticate->nt_response, authenticate->domain,
      authenticate->user,        authenticate->workstation, authenticate->encrypted_session_key};
  check_payload(payload, message, 64);
  if (!authenticate->mic.empty()) {
    check(same(authenticate->mic, message.subspan(ntlm::kMicOffset, ntlm::kMicSize)),
          "a MIC is at its place");
    check_payload(payload, message, ntlm::kMicOffset + ntlm::kMicSize);
  }

  // A MIC is computed over a copy with zeros in its place, which must be cut up as the original is.
  std::vector<std::uint8_t> zeroed(message.begin(), message.end());
  std::ranges::fill(MutableBytes(zeroed).subspan(64), std::uint8_t{0});
  const Result<ntlm::Authenticate> again = ntlm::parse_authenticate(zeroed);
  check(again.ok() && again->mic.size() == authenticate->mic.size() &&
            again->user.size() == authenticate->user.size(),
        "the header alone says where things are");
}

}  // namespace

void run_one(Bytes input) {
  const Result<ntlm::MessageType> type = ntlm::message_type(input);
  const std::uint32_t number = type.ok() ? std::uint32_t(*type) : 0;
  check(number == 1 || !ntlm::parse_negotiate(input).ok(), "only type 1 is a NEGOTIATE");
  check(number == 2 || !ntlm::parse_challenge(input).ok(), "only type 2 is a CHALLENGE");
  check(number == 3 || !ntlm::parse_authenticate(input).ok(), "only type 3 is an AUTHENTICATE");
  check_negotiate(input);
  check_challenge(input);
  check_authenticate(input);
}

}  // namespace usher::fuzz
