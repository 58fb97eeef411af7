// Takes one token apart: Kerberos (RFC 4120, RFC 4121), closed and, with a keytab, opened.
#include <fmt/format.h>

#include <vector>

#include "engine/crypto/etype.h"
#include "parsers/authorization_data.h"
#include "parsers/der.h"
#include "parsers/gss.h"
#include "parsers/gss_message.h"
#include "tools/usher/decoder.h"
#include "tools/usher/names.h"
#include "tools/usher/text.h"

namespace usher::cli {
namespace {

using der::Reader;
using der::Tag;

std::string principal_text(const krb5::PrincipalName& name, Bytes realm) {
  // Each byte may get a backslash, and each component a separator.
  std::vector<std::uint8_t> room(2 * (name.components.size() + realm.size()) + 2);
  const std::size_t size = krb5::write_principal_text(name, realm, room);
  return printable(Bytes(room).first(size));
}

Json etype(std::int32_t number) { return numbered(number, crypto::etype_name(number)); }

Json encrypted(const krb5::EncryptedData& data) {
  Json out{{"etype", etype(data.etype)}};
  if (data.has_kvno) {
    out["kvno"] = data.kvno;
  }
  out["cipher"] = sized(data.cipher.size());
  return out;
}

// is_legacy_message says whether TOK_ID is one of RFC 1964 1.2's per-message tokens.
bool is_legacy_message(Bytes inner) {
  if (inner.size() < 2) {
    return false;
  }
  const auto id = gss::LegacyTokenId(load_be<std::uint16_t>(inner));
  return id == gss::LegacyTokenId::kMic || id == gss::LegacyTokenId::kWrap ||
         id == gss::LegacyTokenId::kDelete;
}

Json key_without_value(const krb5::EncryptionKey& key) {
  Json out = etype(key.etype);
  out["size"] = key.value.size();
  return out;
}

// etype_list shows an EtypeList (RFC 4537 3), as far as it is one.
Json etype_list(Bytes data) {
  Json list = Json::array();
  Parse parse(data);
  Reader reader(parse);
  reader.in(Tag::kSequence, [&](Reader& etypes) {
    etypes.each([&](Reader& rest) {
      const std::int32_t number = rest.i32();
      if (parse.ok()) {
        list.push_back(etype(number));
      }
    });
  });
  return list;
}

// error_data shows what Microsoft puts into a KRB-ERROR; of other e-data only the size.
Json error_data(Bytes e_data) {
  const Result<krb5::ErrorData> data = krb5::parse_error_data(e_data);
  if (!data.ok()) {
    return sized(e_data.size());
  }
  const auto type = static_cast<std::int32_t>(data->type);
  Json out = type_and_size("KERB-ERROR-DATA", e_data);
  out["data-type"] = numbered(type, error_data_name(type));
  if (data->has_value) {
    out["data-value"] = sized(data->value.size());
  }
  return out;
}

}  // namespace

Json Decoder::kerberos(Bytes token, Bytes inner) {
  if (is_legacy_message(inner)) {
    return legacy_token(token);
  }
  const Result<gss::KerberosToken> framed = gss::parse_kerberos_token(inner);
  if (!framed.ok()) {
    Json out = type_and_size("Kerberos token", token);
    out["fault"] = fault(inner, framed.fault(), "TOK_ID, RFC 4121 4.1");
    return out;
  }
  switch (framed->id) {
    case gss::KerberosTokenId::kApReq:
      return ap_req(framed->message);
    case gss::KerberosTokenId::kApRep:
      return ap_rep(framed->message);
    case gss::KerberosTokenId::kError:
      return krb_error(framed->message);
  }
  return type_and_size("Kerberos token", token);
}

Json Decoder::ap_req(Bytes token) {
  Json out = type_and_size("Kerberos AP-REQ", token);
  const Result<krb5::ApReq> request = krb5::parse_ap_req(token);
  if (!request.ok()) {
    out["fault"] = der_fault(token, request.fault(), "AP-REQ, RFC 4120 5.5.1");
    return out;
  }
  out["ap-options"] = ap_option_names(request->ap_options);
  out["ticket"] = closed_ticket(request->ticket);
  out["authenticator"] = encrypted(request->authenticator);
  if (opener_ != nullptr) {
    open(out, *request);
  }
  return out;
}

Json Decoder::closed_ticket(const krb5::Ticket& ticket) {
  Json out{{"realm", printable(ticket.realm)}, {"sname", principal_text(ticket.sname, {})}};
  out.update(encrypted(ticket.enc_part));
  return out;
}

Json Decoder::ap_rep(Bytes token) {
  Json out = type_and_size("Kerberos AP-REP", token);
  const Result<krb5::ApRep> reply = krb5::parse_ap_rep(token);
  if (!reply.ok()) {
    out["fault"] = der_fault(token, reply.fault(), "AP-REP, RFC 4120 5.5.2");
    return out;
  }
  out.update(encrypted(reply->enc_part));
  return out;
}

Json Decoder::krb_error(Bytes token) {
  Json out = type_and_size("KRB-ERROR", token);
  const Result<krb5::KrbError> error = krb5::parse_krb_error(token);
  if (!error.ok()) {
    out["fault"] = der_fault(token, error.fault(), "KRB-ERROR, RFC 4120 5.9.1");
    return out;
  }
  out["error-code"] = numbered(error->error_code, error_name(error->error_code));
  if (error->has_client_time) {
    out["ctime"] = utc_micros(error->ctime, error->cusec);
  }
  out["stime"] = utc_micros(error->stime, error->susec);
  if (!error->cname.components.empty()) {
    out["cname"] = principal_text(error->cname, error->crealm);
  }
  out["sname"] = principal_text(error->sname, error->realm);
  if (!error->e_text.empty()) {
    out["e-text"] = printable(error->e_text);
  }
  if (!error->e_data.empty()) {
    out["e-data"] = error_data(error->e_data);
  }
  return out;
}

void Decoder::open(Json& out, const krb5::ApReq& request) {
  const Opener::Opened opened = opener_->open_ticket(request.ticket);
  if (!opened.ok()) {
    faulty_ = true;
    out["ticket"]["not opened"] = opened.why_not();
    return;
  }
  const Result<krb5::EncTicketPart> part = krb5::parse_enc_ticket_part(opened.bytes());
  if (!part.ok()) {
    out["ticket"]["fault"] =
        fault_in("decrypted ticket", part.fault(), "EncTicketPart, RFC 4120 5.3");
    return;
  }
  out["ticket"]["enc-part"] = enc_ticket_part(*part);
  open_authenticator(out["authenticator"], request, *part);
}

void Decoder::open_authenticator(Json& out, const krb5::ApReq& request,
                                 const krb5::EncTicketPart& ticket) {
  const Opener::Opened opened = opener_->open_authenticator(ticket.key, request.authenticator);
  if (!opened.ok()) {
    faulty_ = true;
    out["not opened"] = opened.why_not();
    return;
  }
  const Result<krb5::Authenticator> part = krb5::parse_authenticator(opened.bytes());
  if (!part.ok()) {
    out["fault"] =
        fault_in("decrypted authenticator", part.fault(), "Authenticator, RFC 4120 5.5.1");
    return;
  }
  out["plain"] = authenticator(*part);
}

Json Decoder::enc_ticket_part(const krb5::EncTicketPart& part) {
  Json out{{"client", principal_text(part.cname, part.crealm)},
           {"flags", ticket_flag_names(part.flags)},
           {"session key", key_without_value(part.key)},
           {"authtime", utc(part.auth_time)}};
  if (part.has_start_time) {
    out["starttime"] = utc(part.start_time);
  }
  out["endtime"] = utc(part.end_time);
  if (part.has_renew_till) {
    out["renew-till"] = utc(part.renew_till);
  }
  if (!part.transited.empty()) {
    out["transited"] = printable(part.transited);
  }
  if (!part.addresses.empty()) {
    out["caddr"] = sized(part.addresses.size());
  }
  if (!part.authorization_data.empty()) {
    out["authorization-data"] = authorization_data(part.authorization_data);
  }
  return out;
}

Json Decoder::authenticator(const krb5::Authenticator& part) {
  Json out{{"client", principal_text(part.cname, part.crealm)},
           {"ctime", utc_micros(part.ctime, part.cusec)}};
  if (part.has_subkey) {
    out["subkey"] = key_without_value(part.subkey);
  }
  if (part.has_seq_number) {
    out["seq-number"] = part.seq_number;
  }
  if (part.has_checksum && part.checksum_type == gss::kGssChecksumType) {
    out["cksum"] = gss_checksum(part.checksum);
  } else if (part.has_checksum) {
    out["cksum"] = Json{{"number", part.checksum_type}, {"size", part.checksum.size()}};
  }
  if (!part.authorization_data.empty()) {
    out["authorization-data"] = authorization_data(part.authorization_data);
  }
  return out;
}

// authorization_data lists an AuthorizationData element (RFC 4120 5.2.6) and what AD-IF-RELEVANT
// elements hold, since Windows wraps its PAC in one. A fault is the acceptor's: it stands beside
// the outermost list.
Json Decoder::authorization_data(Bytes element, std::uint32_t depth) {
  Json list = Json::array();
  Parse parse(element);
  Reader reader(parse);
  reader.in(Tag::kSequence, [&](Reader& entries) {
    entries.each([&](Reader& rest) {
      rest.in(Tag::kSequence, [&](Reader& entry) {
        std::int32_t type = 0;
        Bytes data;
        entry.in(der::context(0), [&](Reader& field) { type = field.i32(); });
        entry.in(der::context(1), [&](Reader& field) { data = field.bytes(Tag::kOctetString); });
        if (parse.ok()) {
          list.push_back(authorization_element(krb5::AdType(type), data, depth));
        }
      });
    });
  });
  if (const auto whole = krb5::parse_authorization_data(element); depth == 0 && !whole.ok()) {
    list.push_back(Json{{"fault", fault_in("AuthorizationData", whole.fault(), "RFC 4120 5.2.6")}});
  }
  return list;
}

Json Decoder::authorization_element(krb5::AdType type, Bytes data, std::uint32_t depth) {
  const auto number = static_cast<std::int32_t>(type);
  Json item = numbered(number, authorization_data_name(number));
  item["size"] = data.size();
  if (type == krb5::AdType::kIfRelevant && depth < krb5::kAdDepthMax) {
    item["ad-data"] = authorization_data(data, depth + 1);
  } else if (type == krb5::AdType::kWin2kPac) {
    item["PAC"] = pac(data);
  } else if (type == krb5::AdType::kEtypeNegotiation) {
    item["etypes"] = etype_list(data);
  }
  return item;
}

Json Decoder::gss_checksum(Bytes checksum) {
  Json out{{"type", "0x8003 GSS checksum"}, {"size", checksum.size()}};
  const Result<gss::GssChecksum> parsed = gss::parse_gss_checksum(checksum);
  if (!parsed.ok()) {
    out["fault"] = fault_in("checksum", parsed.fault(), "checksum 0x8003, RFC 4121 4.1.1");
    return out;
  }
  out["flags"] = context_flag_names(parsed->flags);
  out["bindings"] = bindings_text(parsed->bindings);
  if (!parsed->delegation.empty()) {
    out["delegated credential"] = krb_cred(parsed->delegation);
  }
  if (!parsed->extensions.empty()) {
    out["extensions"] = sized(parsed->extensions.size());
  }
  return out;
}

}  // namespace usher::cli
