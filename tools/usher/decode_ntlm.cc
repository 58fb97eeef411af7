// Takes one token apart: NTLM messages (MS-NLMP 2.2).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tools/usher/decoder.h"
#include "tools/usher/names.h"
#include "tools/usher/text.h"

namespace usher::cli {
namespace {

using ntlm::NegotiateFlags;

constexpr std::size_t kNtlmv1ResponseSize = 24;

std::string string_text(Bytes string, bool oem) {
  return oem ? printable(string) : utf16_text(string);
}

// put_version shows the VERSION structure (MS-NLMP 2.2.2.10) at `offset`, if it is there.
void put_version(Json& out, Bytes message, NegotiateFlags flags, std::size_t offset) {
  if (!ntlm::has(flags, NegotiateFlags::kVersion) || message.size() < offset + 8) {
    return;
  }
  const Bytes version = message.subspan(offset, 8);
  out["Version"] = fmt::format("{}.{} build {}, NTLM revision {}", version[0], version[1],
                               load_le<std::uint16_t>(version.subspan(2)), version[7]);
}

// cannot_be_utf16 is asked when no CHALLENGE was seen, which alone settles an AUTHENTICATE's
// charset: wget and neon set the Unicode flag over OEM strings.
bool cannot_be_utf16(const ntlm::Authenticate& message) {
  return std::ranges::any_of(std::array{message.domain, message.user, message.workstation},
                             [](Bytes string) { return string.size() % 2 != 0; });
}

}  // namespace

Json Decoder::ntlm(Bytes token) {
  const Result<ntlm::MessageType> type = ntlm::message_type(token);
  if (!type.ok()) {
    Json out = type_and_size("NTLM message", token);
    out["fault"] = fault(token, type.fault(), "NTLM signature and type, MS-NLMP 2.2.1");
    return out;
  }
  switch (*type) {
    case ntlm::MessageType::kNegotiate:
      return ntlm_negotiate(token);
    case ntlm::MessageType::kChallenge:
      return ntlm_challenge(token);
    case ntlm::MessageType::kAuthenticate:
      return ntlm_authenticate(token);
  }
  return unknown(token);
}

Json Decoder::ntlm_negotiate(Bytes token) {
  Json out = type_and_size("NTLM NEGOTIATE", token);
  const Result<ntlm::Negotiate> message = ntlm::parse_negotiate(token);
  if (!message.ok()) {
    out["fault"] = fault(token, message.fault(), "NEGOTIATE, MS-NLMP 2.2.1.1");
    return out;
  }
  negotiated_.reset();
  out["NegotiateFlags"] = negotiate_flag_names(message->flags);
  if (!message->domain.empty()) {
    out["DomainName"] = printable(message->domain);
  }
  if (!message->workstation.empty()) {
    out["Workstation"] = printable(message->workstation);
  }
  put_version(out, token, message->flags, 32);
  return out;
}

Json Decoder::ntlm_challenge(Bytes token) {
  Json out = type_and_size("NTLM CHALLENGE", token);
  const Result<ntlm::Challenge> message = ntlm::parse_challenge(token);
  if (!message.ok()) {
    out["fault"] = fault(token, message.fault(), "CHALLENGE, MS-NLMP 2.2.1.2");
    return out;
  }
  negotiated_ = message->flags;
  out["NegotiateFlags"] = negotiate_flag_names(message->flags);
  if (!message->target_name.empty()) {
    out["TargetName"] =
        string_text(message->target_name, !ntlm::has(message->flags, NegotiateFlags::kUnicode));
  }
  // Not a secret, and whether two legs met the same server shows in it.
  out["ServerChallenge"] = hex_of(message->server_challenge);
  put_version(out, token, message->flags, 48);
  if (!message->target_info.empty()) {
    const Result<ntlm::AvPairs> pairs = ntlm::parse_av_pairs(message->target_info);
    if (pairs.ok()) {
      out["TargetInfo"] = av_pairs(*pairs);
    } else {
      out["TargetInfo"] = sized(message->target_info.size());
      out["TargetInfo"]["fault"] =
          fault(message->target_info, pairs.fault(), "AV_PAIRs, MS-NLMP 2.2.2.1");
    }
  }
  return out;
}

Json Decoder::ntlm_authenticate(Bytes token) {
  Json out = type_and_size("NTLM AUTHENTICATE", token);
  const Result<ntlm::Authenticate> message = ntlm::parse_authenticate(token);
  if (!message.ok()) {
    out["fault"] = fault(token, message.fault(), "AUTHENTICATE, MS-NLMP 2.2.1.3");
    return out;
  }
  const NegotiateFlags charset = negotiated_.value_or(message->flags);
  const bool oem =
      !ntlm::has(charset, NegotiateFlags::kUnicode) || (!negotiated_ && cannot_be_utf16(*message));
  out["NegotiateFlags"] = negotiate_flag_names(message->flags);
  out["charset"] = oem ? "OEM" : "UTF-16LE";
  out["DomainName"] = string_text(message->domain, oem);
  out["UserName"] = string_text(message->user, oem);
  out["Workstation"] = string_text(message->workstation, oem);
  put_version(out, token, message->flags, 64);
  out["LmChallengeResponse"] = sized(message->lm_response.size());
  if (all_zero(message->lm_response) && !message->lm_response.empty()) {
    out["LmChallengeResponse"]["name"] = "all zero";
  }
  out["NtChallengeResponse"] = nt_response(*message);
  out["EncryptedRandomSessionKey"] = sized(message->encrypted_session_key.size());
  if (message->mic.empty()) {
    out["MIC"] = "absent";
  } else {
    out["MIC"] = sized(message->mic.size());
  }
  return out;
}

Json Decoder::nt_response(const ntlm::Authenticate& message) {
  const Bytes response = message.nt_response;
  if (response.empty()) {
    return type_and_size("none, anonymous", response);
  }
  if (response.size() == kNtlmv1ResponseSize) {
    const bool session_security =
        ntlm::has(negotiated_.value_or(message.flags), NegotiateFlags::kExtendedSessionSecurity);
    return type_and_size(session_security ? "NTLMv1 with extended session security" : "NTLMv1",
                         response);
  }
  Json out = type_and_size("NTLMv2", response);
  const Result<ntlm::Ntlmv2Response> parsed = ntlm::parse_ntlmv2_response(response);
  if (!parsed.ok()) {
    out["fault"] = fault(response, parsed.fault(), "NTLMv2_RESPONSE, MS-NLMP 2.2.2.8");
    return out;
  }
  out["NTProofStr"] = sized(parsed->proof.size());
  out["TimeStamp"] = utc_filetime(parsed->timestamp);
  out["ChallengeFromClient"] = sized(parsed->client_challenge.size());
  out["AvPairs"] = av_pairs(parsed->pairs);
  return out;
}

Json Decoder::av_pairs(const ntlm::AvPairs& pairs) {
  Json out = Json::object();
  const auto name = [&](const char* key, Bytes value) {
    if (!value.empty()) {
      out[key] = utf16_text(value);
    }
  };
  name("MsvAvNbComputerName", pairs.netbios_computer);
  name("MsvAvNbDomainName", pairs.netbios_domain);
  name("MsvAvDnsComputerName", pairs.dns_computer);
  name("MsvAvDnsDomainName", pairs.dns_domain);
  name("MsvAvDnsTreeName", pairs.dns_tree);
  name("MsvAvTargetName", pairs.target_name);
  if (pairs.has_flags) {
    out["MsvAvFlags"] = av_flag_names(pairs.flags);
  }
  if (pairs.has_timestamp) {
    out["MsvAvTimestamp"] = utc_filetime(pairs.timestamp);
  }
  if (!pairs.channel_bindings.empty()) {
    out["MsvAvChannelBindings"] = bindings_text(pairs.channel_bindings);
  }
  return out;
}

}  // namespace usher::cli
