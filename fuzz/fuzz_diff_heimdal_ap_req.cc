// A sign-on as Usher judges it, and its AP-REQ as Heimdal's krb5_rd_req does: verdict, client,
// keys, sequence number. The mutator works behind the encryption.
#include "fuzz/diff_ap_req.h"
#include "parsers/pac.h"

extern "C" {
#include <krb5.h>
}

namespace usher::fuzz {
namespace {

Excuses excuses{"diff_heimdal_ap_req"};

template <class Length>
Octets octets_of(const void* data, Length length) {
  const auto* begin = static_cast<const std::uint8_t*>(data);
  return {begin, begin + length};
}

// append_quoted writes a component as MIT does in a name.
void append_quoted(Octets& out, std::string_view component) {
  for (const char octet : component) {
    const std::string_view kSpecial = "/@\\\n\t\b";
    const std::size_t at = kSpecial.find(octet);
    if (at != std::string_view::npos) {
      out.push_back('\\');
    }
    out.push_back(static_cast<std::uint8_t>(at == std::string_view::npos ? octet : "/@\\ntb"[at]));
  }
}

// Heimdal is its acceptor with world()'s keys in a keytab in memory and without a replay cache.
class Heimdal {
 public:
  Heimdal() {
    setenv("KRB5_CONFIG", "/dev/null", 1);
    check(krb5_init_context(&context_) == 0 &&
              krb5_kt_resolve(context_, "MEMORY:usher", &keytab_) == 0 &&
              krb5_rd_req_in_ctx_alloc(context_, &options_) == 0 &&
              krb5_rd_req_in_set_keytab(context_, options_, keytab_) == 0 &&
              krb5_rd_req_in_set_pac_check(context_, options_, 1) == 0 &&
              krb5_parse_name(context_, "HTTP/web.example.test@EXAMPLE.TEST", &service_) == 0,
          "Heimdal starts");
    for (mint::Service& service : world().services) {
      krb5_keytab_entry entry{};
      entry.principal = service_;
      entry.vno = static_cast<int>(service.kvno);
      entry.keyblock.keytype = service.etype;
      entry.keyblock.keyvalue.length = service.key.size();
      entry.keyblock.keyvalue.data = service.key.data();
      check(krb5_kt_add_entry(context_, keytab_, &entry) == 0, "Heimdal takes the key");
    }
  }

  // would_check_realms says whether Heimdal would open the ticket and look at the realms it went
  // through.
  bool would_check_realms(Bytes ap_req) {
    AP_REQ request{};
    std::size_t size = 0;
    if (decode_AP_REQ(ap_req.data(), ap_req.size(), &request, &size) != 0) {
      return false;
    }
    bool would = false;
    for (mint::Service& service : world().services) {
      would = would || has_realms(request.ticket.enc_part, service);
    }
    free_AP_REQ(&request);
    return would;
  }

  // read asks again if the system's clock, from which Heimdal's is counted, went on to another
  // second meanwhile.
  TheirSignOn read(Bytes ap_req) {
    for (;;) {
      // Microseconds that are never smaller than the system's: what is borrowed is a second less.
      check(krb5_set_real_time(context_, krb5_timestamp(kNowSeconds), 999'999) == 0,
            "Heimdal has a clock");
      const bool began_in_time = now() == kNowSeconds;
      TheirSignOn sign_on = read_now(ap_req);
      if (began_in_time && now() == kNowSeconds) {
        return sign_on;
      }
    }
  }

 private:
  bool has_realms(const EncryptedData& sealed, mint::Service& service) {
    krb5_keyblock key{};
    key.keytype = service.etype;
    key.keyvalue.length = service.key.size();
    key.keyvalue.data = service.key.data();
    krb5_crypto crypto = nullptr;
    check(krb5_crypto_init(context_, &key, krb5_enctype(0), &crypto) == 0, "Heimdal has ciphers");
    krb5_data plain{};
    bool has = false;
    if (krb5_decrypt_EncryptedData(context_, crypto, KRB5_KU_TICKET, &sealed, &plain) == 0) {
      EncTicketPart part{};
      std::size_t size = 0;
      if (decode_EncTicketPart(static_cast<const unsigned char*>(plain.data), plain.length, &part,
                               &size) == 0) {
        has = part.flags.transited_policy_checked == 0 &&
              (part.transited.contents.length > 0 || part.transited.tr_type != 1);
        free_EncTicketPart(&part);
      }
      krb5_data_free(&plain);
    }
    krb5_crypto_destroy(context_, crypto);
    return has;
  }

  std::int64_t now() {
    krb5_timestamp seconds = 0;
    krb5_timeofday(context_, &seconds);
    return seconds;
  }

  TheirSignOn read_now(Bytes ap_req) {
    krb5_auth_context auth = nullptr;
    check(krb5_auth_con_init(context_, &auth) == 0 &&
              krb5_auth_con_setflags(context_, auth, 0) == 0,  // Neither replays nor addresses.
          "Heimdal has memory");
    krb5_data message{};
    message.length = ap_req.size();
    message.data = const_cast<std::uint8_t*>(ap_req.data());
    krb5_rd_req_out_ctx out = nullptr;
    TheirSignOn sign_on;
    sign_on.error = krb5_rd_req_ctx(context_, &auth, &message, service_, options_, &out);
    if (sign_on.error == 0) {
      krb5_ticket* ticket = nullptr;
      check(krb5_rd_req_out_get_ticket(context_, out, &ticket) == 0, "Heimdal keeps the ticket");
      sign_on.accepted = true;
      tell(auth, *ticket, sign_on);
      krb5_free_ticket(context_, ticket);
      krb5_rd_req_out_ctx_free(context_, out);
    }
    krb5_auth_con_free(context_, auth);
    return sign_on;
  }

  static TheirKey key_of(const EncryptionKey* key) {
    return key == nullptr
               ? TheirKey{}
               : TheirKey{key->keytype, octets_of(key->keyvalue.data, key->keyvalue.length)};
  }

  void tell(krb5_auth_context auth, const krb5_ticket& ticket, TheirSignOn& sign_on) {
    sign_on.realm = mint::octets_of(std::string_view(ticket.client->realm));
    // Not krb5_unparse_name: Heimdal's quotes spaces, too.
    const unsigned count = krb5_principal_get_num_comp(context_, ticket.client);
    for (unsigned i = 0; i < count; ++i) {
      if (i > 0) {
        sign_on.user.push_back('/');
      }
      append_quoted(sign_on.user, krb5_principal_get_comp_string(context_, ticket.client, i));
    }
    sign_on.session_key = key_of(&ticket.ticket.key);
    krb5_authenticator authenticator = nullptr;
    check(krb5_auth_con_getauthenticator(context_, auth, &authenticator) == 0,
          "Heimdal keeps the authenticator");
    sign_on.subkey = key_of(authenticator->subkey);
    sign_on.sequence = authenticator->seq_number != nullptr ? *authenticator->seq_number : 0;
    sign_on.ctime = authenticator->ctime;
    sign_on.cusec = static_cast<std::uint32_t>(authenticator->cusec);
    krb5_free_authenticator(context_, &authenticator);
  }

  krb5_context context_ = nullptr;
  krb5_keytab keytab_ = nullptr;
  krb5_principal service_ = nullptr;
  krb5_rd_req_in_ctx options_ = nullptr;
};

// is_mislabelled says whether an authenticator is labelled with another etype than its key's.
bool is_mislabelled(Bytes token) {
  const std::optional<ApReqLayers> layers = open_layers(token);
  const auto ticket = krb5::parse_enc_ticket_part(layers ? Bytes(layers->ticket) : Bytes{});
  const auto request = krb5::parse_ap_req(ap_req_in(token));
  return ticket.ok() && request.ok() && request->authenticator.etype != ticket->key.etype;
}

// refusal_allowed is which of Usher's refusals Heimdal need not share.
bool refusal_allowed(Bytes token, const TheirSignOn& theirs, Status status) {
  switch (status) {
    case Status::kContinue:  // A MIC or the third leg of DCE style is owed.
    case Status::kNotAToken:
    case Status::kMalformedSpnego:
    case Status::kMalformedGss:
    case Status::kUnexpectedToken:
    case Status::kNoCommonMechanism:
    case Status::kMechanismNotAllowed:
    case Status::kMechTypesTooLong:
    case Status::kMechListMicMissing:
    case Status::kMechListMicWrong:
    case Status::kMalformedGssChecksum:
    case Status::kChecksumType:
    case Status::kDceStyle:  // Framing and flag contradict each other.
      return excuses.use(Allowed::kHeimdalRdGssLayer);
    case Status::kMalformedApReq:
    case Status::kMalformedTicket:
    case Status::kMalformedAuthenticator:
      return excuses.use(Allowed::kHeimdalRdDecoder);
    case Status::kTicketGranting:
    case Status::kNoSuchService:
    case Status::kNoKeyOfEtype:
      return excuses.use(Allowed::kHeimdalRdAnyService);
    case Status::kSessionKeyEtype:
      return excuses.use(Allowed::kHeimdalRdEtype);
    case Status::kKerberosAnonymous:
      return excuses.use(Allowed::kHeimdalRdAnonymous);
    case Status::kAuthorizationData:
      return excuses.use(Allowed::kHeimdalRdCritical);
    case Status::kNameTooLong:
      return excuses.use(Allowed::kHeimdalRdLongName);
    case Status::kMalformedPac:
    case Status::kPacClient:
    case Status::kPacKdcSignature:
      return excuses.use(Allowed::kHeimdalRdPac);
    case Status::kTicketEtype:  // 0 finds any key of the service.
      return excuses.use(Allowed::kHeimdalRdLabel);
    case Status::kAuthenticatorKey:
      return is_mislabelled(token) && excuses.use(Allowed::kHeimdalRdLabel);
    case Status::kClockSkew:
      return std::abs(theirs.ctime - kNowSeconds) == kSkewMaxSeconds &&
             excuses.use(Allowed::kHeimdalRdSkew);
    case Status::kTicketNotYetValid:
    case Status::kTicketExpired:
      return has_far_times(token) && excuses.use(Allowed::kHeimdalRdFarTime);
    default:
      return false;
  }
}

// pac_allowed is which PACs Heimdal refuses and Usher does not.
bool pac_allowed(Bytes token) {
  const std::optional<ApReqLayers> layers = open_layers(token);
  const Result<pac::Pac> pac =
      pac::parse_pac(layers && layers->pac ? Bytes(*layers->pac) : Bytes{});
  if (!pac.ok()) {
    return false;
  }
  if (pac->server_signature.has_rodc_id || pac->kdc_signature.has_rodc_id) {
    return excuses.use(Allowed::kHeimdalRdRodc);
  }
  constexpr std::uint64_t kUnitsPerSecond = 10'000'000;
  const bool special = std::ranges::any_of(pac->client_info.name, [](std::uint8_t octet) {
    return octet == '@' || octet == '/' || octet == '\\';
  });
  return (special || pac->client_info.client_id % kUnitsPerSecond != 0) &&
         excuses.use(Allowed::kHeimdalRdClientInfo);
}

// acceptance_allowed is which of Heimdal's refusals Usher need not share.
bool acceptance_allowed(Bytes token, std::int32_t error) {
  if (error == KRB5_KT_NOTFOUND) {
    return excuses.use(Allowed::kHeimdalRdStaleKvno);
  }
  if (is_asn1_error(error)) {
    return excuses.use(Allowed::kHeimdalRdDecoder);
  }
  if (has_far_times(token)) {
    return excuses.use(Allowed::kHeimdalRdFarTime);
  }
  return pac_allowed(token);
}

}  // namespace

void run_one(Bytes token) {
  static Heimdal heimdal;
  const Bytes ap_req = ap_req_in(token);
  if (heimdal.would_check_realms(ap_req)) {
    // krb5_domain_x500_decode of Heimdal 7.8 copies -1 octets for a NUL among the realms: not
    // asked.
    excuses.use(Allowed::kHeimdalRdTransited);
    return;
  }
  const SignOn ours = offer(token);
  TheirSignOn theirs = heimdal.read(ap_req);
  if (ours.accepted() && theirs.accepted && ours.sequence > INT32_MAX &&
      theirs.sequence < ours.sequence) {
    theirs.has_sequence = !excuses.use(Allowed::kHeimdalRdNegative);
  }
  if (ours.accepted() && theirs.accepted) {
    return check_same_sign_on(ours, theirs);
  }
  if (theirs.accepted && !refusal_allowed(token, theirs, ours.status)) {
    std::fprintf(stderr, "Usher: %s\n", text_of(ours.status).data());
    check(false, "what Heimdal accepts Usher accepts");
  }
  if (ours.accepted() && !acceptance_allowed(token, theirs.error)) {
    std::fprintf(stderr, "Heimdal: %d\n", int(theirs.error));
    check(false, "what Usher accepts Heimdal accepts");
  }
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  return hand_back(mutate_ap_req({data, size}, size_max, seed), data, size_max);
}

// Heimdal 7.8 leaks where it refuses a PAC: what it has read of one, and its copy for the KDC's
// signature. That is not what is looked for here, and it would end every campaign.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libkrb5.so.26\n"; }
