// What Usher reads from Kerberos messages, as Facts. Order and names are the contract with the
// functions that say the same of a peer's structures.
#pragma once

#include "fuzz/diff_facts.h"
#include "parsers/krb5.h"
#include "parsers/krb_cred.h"

namespace usher::fuzz {

inline void tell_name(Facts& facts, Bytes realm, const krb5::PrincipalName& name) {
  facts.octets("realm", realm);
  facts.number("name-type", name.type);
  krb5::each_component(name, [&](Bytes component) { facts.octets("component", component); });
}

inline void tell(Facts& facts, const krb5::EncryptedData& data) {
  facts.number("etype", data.etype);
  facts.present("has kvno", data.has_kvno);
  facts.number("kvno", data.kvno);
  facts.octets("cipher", data.cipher);
}

inline void tell(Facts& facts, const krb5::EncryptionKey& key) {
  facts.number("key type", key.etype);
  facts.octets("key", key.value);
}

// tell_element is a HostAddress or an element of AuthorizationData; both have one form.
inline void tell_element(Facts& facts, der::Reader& rest) {
  rest.in(der::Tag::kSequence, [&](der::Reader& parts) {
    parts.in(der::context(0), [&](der::Reader& type) { facts.number("list type", type.i32()); });
    parts.in(der::context(1), [&](der::Reader& data) {
      facts.octets("list data", data.bytes(der::Tag::kOctetString));
    });
  });
}

// tell_list is HostAddresses or AuthorizationData (RFC 4120 5.2.5, 5.2.6).
inline void tell_list(Facts& facts, Bytes list) {
  facts.present("has list", !list.empty());
  if (list.empty()) {
    return;
  }
  Parse parse(list);
  der::Reader reader(parse);
  reader.in(der::Tag::kSequence, [&](der::Reader& elements) {
    elements.each([&](der::Reader& rest) { tell_element(facts, rest); });
  });
}

inline void tell_time(Facts& facts, const char* name, bool there, krb5::UnixSeconds time) {
  facts.present("has time", there);
  facts.time(name, there ? time : 0);
}

inline void tell(Facts& facts, const krb5::Ticket& ticket) {
  tell_name(facts, ticket.realm, ticket.sname);
  tell(facts, ticket.enc_part);
}

inline void tell(Facts& facts, const krb5::ApReq& request) {
  facts.number("ap-options", request.ap_options);
  tell(facts, request.ticket);
  tell(facts, request.authenticator);
}

inline void tell(Facts& facts, const krb5::EncTicketPart& part) {
  facts.number("flags", part.flags);
  tell(facts, part.key);
  tell_name(facts, part.crealm, part.cname);
  facts.number("transited type", part.transited_type);
  facts.octets("transited", part.transited);
  tell_time(facts, "authtime", true, part.auth_time);
  tell_time(facts, "starttime", part.has_start_time, part.start_time);
  tell_time(facts, "endtime", true, part.end_time);
  tell_time(facts, "renew-till", part.has_renew_till, part.renew_till);
  tell_list(facts, part.addresses);
  tell_list(facts, part.authorization_data);
}

inline void tell_optional_key(Facts& facts, bool there, const krb5::EncryptionKey& key) {
  facts.number("has subkey", there ? 1 : 0);
  if (there) {
    tell(facts, key);
  }
}

inline void tell_seq_number(Facts& facts, bool there, std::uint32_t value) {
  facts.present("has seq-number", there);
  facts.number("seq-number", value);
}

inline void tell(Facts& facts, const krb5::Authenticator& authenticator) {
  tell_name(facts, authenticator.crealm, authenticator.cname);
  facts.number("has cksum", authenticator.has_checksum ? 1 : 0);
  if (authenticator.has_checksum) {
    facts.number("cksumtype", authenticator.checksum_type);
    facts.octets("checksum", authenticator.checksum);
  }
  facts.number("usec", authenticator.cusec);
  tell_time(facts, "ctime", true, authenticator.ctime);
  tell_optional_key(facts, authenticator.has_subkey, authenticator.subkey);
  tell_seq_number(facts, authenticator.has_seq_number, authenticator.seq_number);
  tell_list(facts, authenticator.authorization_data);
}

inline void tell(Facts& facts, const krb5::ApRep& reply) { tell(facts, reply.enc_part); }

inline void tell(Facts& facts, const krb5::EncApRepPart& part) {
  tell_time(facts, "ctime", true, part.ctime);
  facts.number("usec", part.cusec);
  tell_optional_key(facts, part.has_subkey, part.subkey);
  tell_seq_number(facts, part.has_seq_number, part.seq_number);
}

inline void tell(Facts& facts, const krb5::KrbError& error) {
  tell_time(facts, "ctime", error.has_client_time, error.ctime);
  facts.number("usec", error.cusec);
  tell_time(facts, "stime", true, error.stime);
  facts.number("usec", error.susec);
  facts.number("error-code", error.error_code);
  facts.half_name |= error.crealm.empty() != error.cname.components.empty();
  tell_name(facts, error.crealm, error.cname);
  tell_name(facts, error.realm, error.sname);
  facts.octets("e-text", error.e_text);
  facts.octets("e-data", error.e_data);
}

inline void tell(Facts& facts, const krb5::KrbCred& cred) {
  facts.number("tickets", cred.ticket_count);
  for (std::uint32_t i = 0; i < cred.ticket_count; ++i) {
    tell(facts, krb5::ticket_at(cred, i).ticket);
  }
  tell(facts, cred.enc_part);
}

inline void tell_address(Facts& facts, Bytes address) {
  facts.number("has address", address.empty() ? 0 : 1);
  if (address.empty()) {
    return;
  }
  Parse parse(address);
  der::Reader reader(parse);
  tell_element(facts, reader);
}

inline void tell(Facts& facts, const krb5::KrbCredInfo& info) {
  tell(facts, info.key);
  tell_name(facts, info.prealm, info.pname);
  facts.present("has flags", info.has_flags);
  facts.number("flags", info.flags);
  tell_time(facts, "authtime", info.has_auth_time, info.auth_time);
  tell_time(facts, "starttime", info.has_start_time, info.start_time);
  tell_time(facts, "endtime", info.has_end_time, info.end_time);
  tell_time(facts, "renew-till", info.has_renew_till, info.renew_till);
  tell_name(facts, info.srealm, info.sname);
  tell_list(facts, info.addresses);
}

inline void tell(Facts& facts, const krb5::EncKrbCredPart& part) {
  facts.number("infos", part.info_count);
  for (std::uint32_t i = 0; i < part.info_count; ++i) {
    tell(facts, krb5::info_at(part, i));
  }
  facts.present("has nonce", part.has_nonce);
  facts.number("nonce", part.nonce);
  tell_time(facts, "timestamp", part.has_timestamp, part.timestamp);
  facts.present("has usec", part.has_usec);
  facts.number("usec", part.usec);
  tell_address(facts, part.sender_address);
  tell_address(facts, part.recipient_address);
}

}  // namespace usher::fuzz
