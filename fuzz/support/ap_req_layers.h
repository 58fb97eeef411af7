// An AP-REQ token taken apart with the keys of world(), and put together again: what lets a mutator
// work behind the encryption.
#pragma once

#include <optional>

#include "fuzz/support/mutator.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {

// ApReqLayers are the plaintexts of one token. `authenticator` is sealed with the session key that
// `ticket` holds when it is put together, so a mutated session key stays consistent.
struct ApReqLayers {
  bool spnego = false;  // In a NegTokenInit.
  bool bare = false;    // Without GSS framing: DCE style.
  std::uint32_t ap_options = 0;
  mint::Principal service;  // Clear part: realm and sname.
  std::int32_t ticket_etype = 18;
  std::optional<std::uint32_t> kvno = 1;
  Octets ticket;  // EncTicketPart.
  Octets authenticator;
  // The PAC that lies in `ticket`, if there is one; `seal` puts it back and, unless told not to,
  // signs it anew with the service's key.
  std::optional<Octets> pac;
  // The EncKrbCredPart of a KRB-CRED that lies in the authenticator's checksum, if there is one
  // that is sealed with the session key or not at all; `seal` puts it back, sealed as it was.
  std::optional<Octets> delegated;
};

// open_layers opens a token sealed with world()'s keys; nothing if it cannot be opened.
std::optional<ApReqLayers> open_layers(Bytes token);

// ap_req_in is the AP-REQ inside a token, without its framing; empty if there is none.
Bytes ap_req_in(Bytes token);

// Forgery says which layers are left with a seal that does not fit.
struct Forgery {
  bool ticket = false;
  bool authenticator = false;
  bool pac = false;  // The server signature of the PAC before the change.
  bool delegation = false;
};
Octets seal_layers(const ApReqLayers& layers, const Forgery& forgery = {});

// mutate_ap_req is a custom mutator for tokens: opens, changes one layer, seals again; what does
// not open is changed as it is. Returns at most size_max bytes.
Octets mutate_ap_req(Bytes token, std::size_t size_max, unsigned seed);

}  // namespace usher::fuzz
