// Takes apart what stands beside sign-on tokens: per-message tokens (RFC 4121 4.2, RFC 1964 1.2),
// NegoEx (MS-NEGOEX 2.2) and a delegated KRB-CRED (RFC 4120 5.8).
#include <fmt/format.h>

#include "engine/crypto/etype.h"
#include "parsers/gss_message.h"
#include "parsers/krb_cred.h"
#include "parsers/negoex.h"
#include "tools/usher/decoder.h"
#include "tools/usher/text.h"

namespace usher::cli {
namespace {

Json flag_names(std::uint8_t flags) {
  Json names = Json::array();
  if ((flags & gss::kSentByAcceptor) != 0) {
    names.push_back("sent-by-acceptor");
  }
  if ((flags & gss::kSealed) != 0) {
    names.push_back("sealed");
  }
  if ((flags & gss::kAcceptorSubkey) != 0) {
    names.push_back("acceptor-subkey");
  }
  return names;
}

std::string_view type_name(negoex::MessageType type) {
  switch (type) {
    case negoex::MessageType::kInitiatorNego:
      return "INITIATOR_NEGO";
    case negoex::MessageType::kAcceptorNego:
      return "ACCEPTOR_NEGO";
    case negoex::MessageType::kInitiatorMetaData:
      return "INITIATOR_META_DATA";
    case negoex::MessageType::kAcceptorMetaData:
      return "ACCEPTOR_META_DATA";
    case negoex::MessageType::kChallenge:
      return "CHALLENGE";
    case negoex::MessageType::kApRequest:
      return "AP_REQUEST";
    case negoex::MessageType::kVerify:
      return "VERIFY";
    case negoex::MessageType::kAlert:
      return "ALERT";
  }
  return "unknown";
}

Json negoex_message(const negoex::Message& message) {
  Json out = type_and_size(type_name(message.header.type), message.octets);
  out["sequence"] = message.header.sequence;
  out["conversation"] = hex_of(message.header.conversation_id);
  if (!message.random.empty()) {
    Json schemes = Json::array();
    for (Bytes rest = message.auth_schemes; !rest.empty(); rest = rest.subspan(negoex::kGuidSize)) {
      schemes.push_back(hex_of(rest.first(negoex::kGuidSize)));
    }
    out["auth schemes"] = std::move(schemes);
    out["extensions"] = message.extension_count;
  }
  if (!message.auth_scheme.empty()) {
    out["auth scheme"] = hex_of(message.auth_scheme);
  }
  if (!message.exchange.empty()) {
    out["exchange"] = sized(message.exchange.size());
  }
  if (message.header.type == negoex::MessageType::kVerify) {
    out["checksum"] = numbered(message.checksum_type, "");
    out["checksum"]["size"] = message.checksum.size();
  }
  if (message.header.type == negoex::MessageType::kAlert) {
    out["error"] = fmt::format("0x{:08x}", message.error_code);
  }
  return out;
}

}  // namespace

Json Decoder::mic_token(Bytes token) {
  Json out = type_and_size("Kerberos MIC token", token);
  const Result<gss::MicToken> mic = gss::parse_mic_token(token);
  if (!mic.ok()) {
    out["fault"] = fault(token, mic.fault(), "MIC token, RFC 4121 4.2.6.1");
    return out;
  }
  out["flags"] = flag_names(mic->flags);
  out["SND_SEQ"] = mic->sequence;
  out["SGN_CKSUM"] = sized(mic->checksum.size());
  return out;
}

Json Decoder::wrap_token(Bytes token) {
  Json out = type_and_size("Kerberos Wrap token", token);
  const Result<gss::WrapToken> wrap = gss::parse_wrap_token(token);
  if (!wrap.ok()) {
    out["fault"] = fault(token, wrap.fault(), "Wrap token, RFC 4121 4.2.6.2");
    return out;
  }
  out["flags"] = flag_names(wrap->flags);
  out["EC"] = wrap->extra_count;
  out["RRC"] = wrap->right_rotation_count;
  out["SND_SEQ"] = wrap->sequence;
  out["data"] = sized(wrap->payload.size());
  return out;
}

Json Decoder::legacy_token(Bytes token) {
  Json out = type_and_size("Kerberos per-message token of RFC 1964", token);
  const Result<gss::LegacyToken> legacy = gss::parse_legacy_token(token);
  if (!legacy.ok()) {
    out["fault"] = fault(token, legacy.fault(), "RFC 1964 1.2, RFC 4757 7");
    return out;
  }
  out["TOK_ID"] = fmt::format("0x{:04x}", static_cast<unsigned>(legacy->id));
  out["SGN_ALG"] = fmt::format("0x{:04x}", static_cast<unsigned>(legacy->sign));
  out["SEAL_ALG"] = fmt::format("0x{:04x}", static_cast<unsigned>(legacy->seal));
  out["SGN_CKSUM"] = sized(legacy->checksum.size());
  out["data"] = sized(legacy->payload.size());
  return out;
}

Json Decoder::negoex(Bytes token) {
  Json out = type_and_size("NegoEx", token);
  const Result<negoex::Token> parsed = negoex::parse_token(token);
  if (!parsed.ok()) {
    out["fault"] = fault(token, parsed.fault(), "MS-NEGOEX 2.2.6");
    return out;
  }
  Json messages = Json::array();
  for (std::uint32_t n = 0; n < parsed->message_count; ++n) {
    messages.push_back(negoex_message(negoex::message_at(*parsed, n)));
  }
  out["messages"] = std::move(messages);
  return out;
}

Json Decoder::krb_cred(Bytes message) {
  Json out = type_and_size("KRB-CRED", message);
  const Result<krb5::KrbCred> cred = krb5::parse_krb_cred(message);
  if (!cred.ok()) {
    out["fault"] = fault_in("delegated credential", cred.fault(), "KRB-CRED, RFC 4120 5.8.1");
    return out;
  }
  Json tickets = Json::array();
  for (std::uint32_t n = 0; n < cred->ticket_count; ++n) {
    tickets.push_back(closed_ticket(krb5::ticket_at(*cred, n).ticket));
  }
  out["tickets"] = std::move(tickets);
  out["etype"] = numbered(cred->enc_part.etype, crypto::etype_name(cred->enc_part.etype));
  out["cipher"] = sized(cred->enc_part.cipher.size());
  return out;
}

}  // namespace usher::cli
