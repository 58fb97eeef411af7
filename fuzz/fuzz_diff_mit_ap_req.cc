// A sign-on as Usher judges it, and its AP-REQ as MIT's krb5_rd_req does: verdict, client, keys,
// sequence number. The mutator works behind the encryption.
#include <krb5/krb5.h>

#include "fuzz/diff_ap_req.h"

// libkrb5 exports it and declares it in no installed header: stops the context's clock.
extern "C" krb5_error_code krb5_set_debugging_time(krb5_context, krb5_timestamp, krb5_int32);

namespace usher::fuzz {
namespace {

Excuses excuses{"diff_mit_ap_req"};

template <class Length>
Octets octets_of(const void* data, Length length) {
  const auto* begin = static_cast<const std::uint8_t*>(data);
  return {begin, begin + length};
}

// Mit is MIT's acceptor with world()'s keys in a keytab in memory, its clock stopped at world()'s
// time, and without a replay cache.
class Mit {
 public:
  Mit() {
    setenv("KRB5_CONFIG", "/dev/null", 1);
    check(krb5_init_context(&context_) == 0 &&
              krb5_set_debugging_time(context_, krb5_timestamp(kNowSeconds), 0) == 0 &&
              krb5_kt_resolve(context_, "MEMORY:usher", &keytab_) == 0 &&
              krb5_parse_name(context_, "HTTP/web.example.test@EXAMPLE.TEST", &service_) == 0,
          "MIT starts");
    for (mint::Service& service : world().services) {
      krb5_keytab_entry entry{};
      entry.principal = service_;
      entry.vno = service.kvno;
      entry.key.enctype = service.etype;
      entry.key.length = static_cast<unsigned>(service.key.size());
      entry.key.contents = service.key.data();
      check(krb5_kt_add_entry(context_, keytab_, &entry) == 0, "MIT takes the key");
    }
  }

  TheirSignOn read(Bytes ap_req) {
    krb5_auth_context auth = nullptr;
    check(krb5_auth_con_init(context_, &auth) == 0 &&
              krb5_auth_con_setflags(context_, auth, 0) == 0,  // Neither replays nor addresses.
          "MIT has memory");
    krb5_data message{};
    message.length = static_cast<unsigned>(ap_req.size());
    message.data = const_cast<char*>(reinterpret_cast<const char*>(ap_req.data()));
    krb5_flags options = 0;
    krb5_ticket* ticket = nullptr;
    TheirSignOn sign_on;
    sign_on.error = krb5_rd_req(context_, &auth, &message, service_, keytab_, &options, &ticket);
    if (sign_on.error == 0) {
      sign_on.accepted = true;
      tell(auth, *ticket, sign_on);
      krb5_free_ticket(context_, ticket);
    }
    krb5_auth_con_free(context_, auth);
    return sign_on;
  }

 private:
  static TheirKey key_of(const krb5_keyblock* key) {
    return key == nullptr ? TheirKey{}
                          : TheirKey{key->enctype, octets_of(key->contents, key->length)};
  }

  void tell(krb5_auth_context auth, const krb5_ticket& ticket, TheirSignOn& sign_on) {
    const krb5_principal client = ticket.enc_part2->client;
    sign_on.realm = octets_of(client->realm.data, client->realm.length);
    char* name = nullptr;
    check(krb5_unparse_name(context_, client, &name) == 0, "MIT writes the name");
    sign_on.user = user_of(name);
    krb5_free_unparsed_name(context_, name);
    sign_on.session_key = key_of(ticket.enc_part2->session);
    krb5_authenticator* authenticator = nullptr;
    check(krb5_auth_con_getauthenticator(context_, auth, &authenticator) == 0,
          "MIT keeps the authenticator");
    sign_on.subkey = key_of(authenticator->subkey);
    sign_on.sequence = authenticator->seq_number;
    sign_on.ctime = static_cast<std::uint32_t>(authenticator->ctime);
    sign_on.cusec = static_cast<std::uint32_t>(authenticator->cusec);
    krb5_free_authenticator(context_, authenticator);
  }

  krb5_context context_ = nullptr;
  krb5_keytab keytab_ = nullptr;
  krb5_principal service_ = nullptr;
};

// refusal_allowed is which of Usher's refusals MIT need not share.
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
      return excuses.use(Allowed::kMitRdGssLayer);
    case Status::kMalformedApReq:
    case Status::kMalformedTicket:
    case Status::kMalformedAuthenticator:
      return excuses.use(Allowed::kMitRdDecoder);
    case Status::kUserToUser:
      return excuses.use(Allowed::kMitRdNotServed);
    case Status::kTicketGranting:
    case Status::kNoSuchService:
    case Status::kNoKeyOfEtype:
      return excuses.use(Allowed::kMitRdAnyService);
    case Status::kTransited:
      return excuses.use(Allowed::kMitRdRealmPath);
    case Status::kSessionKeyEtype:
      return excuses.use(Allowed::kMitRdEtype);
    case Status::kKerberosAnonymous:
      return excuses.use(Allowed::kMitRdAnonymous);
    case Status::kAuthorizationData:
      return excuses.use(Allowed::kMitRdCritical);
    case Status::kNameTooLong:
      return excuses.use(Allowed::kMitRdLongName);
    case Status::kMalformedPac:
    case Status::kPacSignature:
    case Status::kPacKdcSignature:
    case Status::kPacClient:
      return excuses.use(Allowed::kMitRdPacUnused);
    case Status::kClockSkew:
      return std::abs(theirs.ctime - kNowSeconds) == kSkewMaxSeconds &&
             excuses.use(Allowed::kMitRdSkew);
    case Status::kTicketNotYetValid:
    case Status::kTicketExpired:
      return has_far_times(token) && excuses.use(Allowed::kMitRdFarTime);
    default:
      return false;
  }
}

// acceptance_allowed is which of MIT's refusals Usher need not share.
bool acceptance_allowed(Bytes token, std::int32_t error) {
  if (error == KRB5KRB_AP_ERR_BADKEYVER) {
    return excuses.use(Allowed::kMitRdStaleKvno);
  }
  if (is_asn1_error(error)) {
    return excuses.use(Allowed::kMitRdDecoder);
  }
  return has_far_times(token) && excuses.use(Allowed::kMitRdFarTime);
}

}  // namespace

void run_one(Bytes token) {
  static Mit mit;
  const Bytes ap_req = ap_req_in(token);
  const SignOn ours = offer(token);
  const TheirSignOn theirs = mit.read(ap_req);
  if (ours.accepted() && theirs.accepted) {
    return check_same_sign_on(ours, theirs);
  }
  if (theirs.accepted && !refusal_allowed(token, theirs, ours.status)) {
    std::fprintf(stderr, "Usher: %s\n", text_of(ours.status).data());
    check(false, "what MIT accepts Usher accepts");
  }
  if (ours.accepted() && !acceptance_allowed(token, theirs.error)) {
    std::fprintf(stderr, "MIT: %d\n", int(theirs.error));
    check(false, "what Usher accepts MIT accepts");
  }
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  return hand_back(mutate_ap_req({data, size}, size_max, seed), data, size_max);
}
