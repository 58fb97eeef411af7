// Kerberos messages as Usher and MIT krb5 decode them.
#include <krb5/krb5.h>

#include "fuzz/diff_der.h"

// libkrb5 exports these and declares them in no installed header.
extern "C" {
#define USHER_MIT_CODEC(name, type)                                      \
  krb5_error_code decode_krb5_##name(const krb5_data* code, type** rep); \
  krb5_error_code encode_krb5_##name(const type* rep, krb5_data** code);
USHER_MIT_CODEC(ap_req, krb5_ap_req)
USHER_MIT_CODEC(ticket, krb5_ticket)
USHER_MIT_CODEC(enc_tkt_part, krb5_enc_tkt_part)
USHER_MIT_CODEC(authenticator, krb5_authenticator)
USHER_MIT_CODEC(ap_rep, krb5_ap_rep)
USHER_MIT_CODEC(ap_rep_enc_part, krb5_ap_rep_enc_part)
USHER_MIT_CODEC(error, krb5_error)
USHER_MIT_CODEC(cred, krb5_cred)
USHER_MIT_CODEC(enc_cred_part, krb5_cred_enc_part)
#undef USHER_MIT_CODEC
void krb5_free_ap_req(krb5_context, krb5_ap_req*);
void krb5_free_ap_rep(krb5_context, krb5_ap_rep*);
void krb5_free_enc_tkt_part(krb5_context, krb5_enc_tkt_part*);
void krb5_free_cred(krb5_context, krb5_cred*);
void krb5_free_cred_enc_part(krb5_context, krb5_cred_enc_part*);
}

namespace usher::fuzz {
namespace {

template <class Length>
Bytes octets_at(const void* data, Length length) {
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(length)};
}
Bytes octets_of(const krb5_data& data) { return octets_at(data.data, data.length); }

// Account tells what MIT has in memory. A class, so that its functions see one another.
struct Account {
  static void tell_name(Facts& facts, krb5_const_principal name) {
    if (name == nullptr) {
      facts.octets("realm", {});
      facts.number("name-type", 0);
      return;
    }
    facts.octets("realm", octets_of(name->realm));
    facts.number("name-type", name->type);
    for (krb5_int32 i = 0; i < name->length; ++i) {
      facts.octets("component", octets_of(name->data[i]));
    }
  }

  // MIT's timestamps are the low 32 bits, read as unsigned.
  static void tell_time(Facts& facts, const char* name, krb5_timestamp time) {
    facts.number(name, static_cast<std::uint32_t>(time));
  }

  static void tell(Facts& facts, const krb5_enc_data& data) {
    facts.number("etype", data.enctype);
    facts.number("kvno", data.kvno);
    facts.octets("cipher", octets_of(data.ciphertext));
  }

  static void tell(Facts& facts, const krb5_keyblock& key) {
    facts.number("key type", key.enctype);
    facts.octets("key", octets_at(key.contents, key.length));
  }

  static void tell_subkey(Facts& facts, const krb5_keyblock* key) {
    facts.number("has subkey", key != nullptr ? 1 : 0);
    if (key != nullptr) {
      tell(facts, *key);
    }
  }

  static void tell(Facts& facts, const krb5_address& address) {
    facts.number("list type", address.addrtype);
    facts.octets("list data", octets_at(address.contents, address.length));
  }
  static void tell(Facts& facts, const krb5_authdata& element) {
    facts.number("list type", element.ad_type);
    facts.octets("list data", octets_at(element.contents, element.length));
  }

  template <class Element>
  static void tell_list(Facts& facts, Element* const* list) {
    for (; list != nullptr && *list != nullptr; ++list) {
      tell(facts, **list);
    }
  }

  static void tell_address(Facts& facts, const krb5_address* address) {
    facts.number("has address", address != nullptr ? 1 : 0);
    if (address != nullptr) {
      tell(facts, *address);
    }
  }

  static void tell(Facts& facts, const krb5_ticket& ticket) {
    tell_name(facts, ticket.server);
    tell(facts, ticket.enc_part);
  }

  static void tell(Facts& facts, const krb5_ap_req& request) {
    facts.number("ap-options", static_cast<std::uint32_t>(request.ap_options));
    tell(facts, *request.ticket);
    tell(facts, request.authenticator);
  }

  static void tell(Facts& facts, const krb5_ticket_times& times) {
    tell_time(facts, "authtime", times.authtime);
    tell_time(facts, "starttime", times.starttime);
    tell_time(facts, "endtime", times.endtime);
    tell_time(facts, "renew-till", times.renew_till);
  }

  static void tell(Facts& facts, const krb5_enc_tkt_part& part) {
    facts.number("flags", static_cast<std::uint32_t>(part.flags));
    tell(facts, *part.session);
    tell_name(facts, part.client);
    facts.number("transited type", part.transited.tr_type);
    facts.octets("transited", octets_of(part.transited.tr_contents));
    tell(facts, part.times);
    tell_list(facts, part.caddrs);
    tell_list(facts, part.authorization_data);
  }

  static void tell(Facts& facts, const krb5_authenticator& authenticator) {
    tell_name(facts, authenticator.client);
    facts.number("has cksum", authenticator.checksum != nullptr ? 1 : 0);
    if (authenticator.checksum != nullptr) {
      facts.number("cksumtype", authenticator.checksum->checksum_type);
      facts.octets("checksum",
                   octets_at(authenticator.checksum->contents, authenticator.checksum->length));
    }
    facts.number("usec", authenticator.cusec);
    tell_time(facts, "ctime", authenticator.ctime);
    tell_subkey(facts, authenticator.subkey);
    facts.number("seq-number", authenticator.seq_number);
    tell_list(facts, authenticator.authorization_data);
  }

  static void tell(Facts& facts, const krb5_ap_rep& reply) { tell(facts, reply.enc_part); }

  static void tell(Facts& facts, const krb5_ap_rep_enc_part& part) {
    tell_time(facts, "ctime", part.ctime);
    facts.number("usec", part.cusec);
    tell_subkey(facts, part.subkey);
    facts.number("seq-number", part.seq_number);
  }

  static void tell(Facts& facts, const krb5_error& error) {
    tell_time(facts, "ctime", error.ctime);
    facts.number("usec", error.cusec);
    tell_time(facts, "stime", error.stime);
    facts.number("usec", error.susec);
    facts.number("error-code", static_cast<std::int32_t>(error.error));
    tell_name(facts, error.client);
    tell_name(facts, error.server);
    facts.octets("e-text", octets_of(error.text));
    facts.octets("e-data", octets_of(error.e_data));
  }

  static void tell(Facts& facts, const krb5_cred& cred) {
    std::int64_t count = 0;
    while (cred.tickets[count] != nullptr) {
      ++count;
    }
    facts.number("tickets", count);
    tell_list(facts, cred.tickets);
    tell(facts, cred.enc_part);
  }

  static bool is_half(krb5_const_principal name) {
    return name != nullptr && (name->realm.data == nullptr || name->length == 0);
  }
  static void tell(Facts& facts, const krb5_cred_info& info) {
    facts.half_name |= is_half(info.client) || is_half(info.server);
    tell(facts, *info.session);
    tell_name(facts, info.client);
    facts.number("flags", static_cast<std::uint32_t>(info.flags));
    tell(facts, info.times);
    tell_name(facts, info.server);
    tell_list(facts, info.caddrs);
  }

  static void tell(Facts& facts, const krb5_cred_enc_part& part) {
    std::int64_t count = 0;
    while (part.ticket_info[count] != nullptr) {
      ++count;
    }
    facts.number("infos", count);
    tell_list(facts, part.ticket_info);
    facts.number("nonce", static_cast<std::uint32_t>(part.nonce));
    tell_time(facts, "timestamp", part.timestamp);
    facts.number("usec", part.usec);
    tell_address(facts, part.s_address);
    tell_address(facts, part.r_address);
  }
};

// free_whole frees what krb5_free_cred_enc_part leaves.
void free_whole(krb5_context context, krb5_cred_enc_part* part) {
  krb5_free_cred_enc_part(context, part);
  std::free(part);
}

// Codec is how Usher parses a type, and MIT decodes, frees and encodes it.
template <class Ours, class Theirs>
struct Codec {
  using Peer = Theirs;
  const char* type;
  Result<Ours> (*parse)(Bytes) noexcept;
  krb5_error_code (*decode)(const krb5_data*, Theirs**);
  void (*free)(krb5_context, Theirs*);
  krb5_error_code (*encode)(const Theirs*, krb5_data**);
};

constexpr Codec<krb5::ApReq, krb5_ap_req> kApReq = {
    "AP-REQ", krb5::parse_ap_req, decode_krb5_ap_req, krb5_free_ap_req, encode_krb5_ap_req};
constexpr Codec<krb5::Ticket, krb5_ticket> kTicket = {
    "Ticket", krb5::parse_ticket, decode_krb5_ticket, krb5_free_ticket, encode_krb5_ticket};
constexpr Codec<krb5::EncTicketPart, krb5_enc_tkt_part> kEncTicketPart = {
    "EncTicketPart", krb5::parse_enc_ticket_part, decode_krb5_enc_tkt_part, krb5_free_enc_tkt_part,
    encode_krb5_enc_tkt_part};
constexpr Codec<krb5::Authenticator, krb5_authenticator> kAuthenticator = {
    "Authenticator", krb5::parse_authenticator, decode_krb5_authenticator, krb5_free_authenticator,
    encode_krb5_authenticator};
constexpr Codec<krb5::ApRep, krb5_ap_rep> kApRep = {
    "AP-REP", krb5::parse_ap_rep, decode_krb5_ap_rep, krb5_free_ap_rep, encode_krb5_ap_rep};
constexpr Codec<krb5::EncApRepPart, krb5_ap_rep_enc_part> kEncApRepPart = {
    "EncAPRepPart", krb5::parse_enc_ap_rep_part, decode_krb5_ap_rep_enc_part,
    krb5_free_ap_rep_enc_part, encode_krb5_ap_rep_enc_part};
constexpr Codec<krb5::KrbError, krb5_error> kKrbError = {
    "KRB-ERROR", krb5::parse_krb_error, decode_krb5_error, krb5_free_error, encode_krb5_error};
constexpr Codec<krb5::KrbCred, krb5_cred> kKrbCred = {
    "KRB-CRED", krb5::parse_krb_cred, decode_krb5_cred, krb5_free_cred, encode_krb5_cred};
constexpr Codec<krb5::EncKrbCredPart, krb5_cred_enc_part> kEncKrbCredPart = {
    "EncKrbCredPart", krb5::parse_enc_krb_cred_part, decode_krb5_enc_cred_part, free_whole,
    encode_krb5_enc_cred_part};

// Message is one as MIT has it in memory. Freeing needs no context.
template <const auto& kCodec>
class Message {
 public:
  static constexpr const char* kType = kCodec.type;
  static auto parse(Bytes message) { return kCodec.parse(message); }

  explicit Message(Bytes message) {
    krb5_data data{};
    data.length = static_cast<unsigned>(message.size());
    data.data = const_cast<char*>(reinterpret_cast<const char*>(message.data()));
    if (kCodec.decode(&data, &decoded_) != 0) {
      decoded_ = nullptr;
    }
  }
  ~Message() {
    if (decoded_ != nullptr) {
      kCodec.free(nullptr, decoded_);
    }
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  [[nodiscard]] bool ok() const { return decoded_ != nullptr; }
  void tell(Facts& facts) const { Account::tell(facts, *decoded_); }

  // encode gives nothing where MIT finds its own structure not worth writing.
  [[nodiscard]] std::vector<std::uint8_t> encode() const {
    krb5_data* code = nullptr;
    if (kCodec.encode(decoded_, &code) != 0) {
      return {};
    }
    const Bytes octets = octets_of(*code);
    std::vector<std::uint8_t> written(octets.begin(), octets.end());
    krb5_free_data(nullptr, code);
    return written;
  }

 private:
  typename std::remove_cvref_t<decltype(kCodec)>::Peer* decoded_ = nullptr;
};

class Mit {
 public:
  static constexpr const char* kName = "MIT krb5";
  static constexpr bool kTellsPresence = false;
  static constexpr bool kNarrowTimes = true;

  bool refusal_excused(const Disagreement& input) {
    if (input.facts.time_wrapped) {
      return excuses_.use(Allowed::kMitTimeRange);
    }
    if (input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
          return name == "kvno" && number > INT32_MAX;
        })) {
      return excuses_.use(Allowed::kMitKvno);
    }
    if (input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
          return name == "nonce" && number > INT32_MAX;
        })) {
      return excuses_.use(Allowed::kMitNonce);
    }
    if (input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
          return name == "error-code" && number < 0;
        })) {
      return excuses_.use(Allowed::kMitErrorCode);
    }
    return input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
      return name == "transited type" && (number < 0 || number > 255);
    }) && excuses_.use(Allowed::kMitTransitedType);
  }

  bool reading_excused(const Disagreement& input, std::string_view name, std::int64_t our_number,
                       Bytes, std::int64_t, Bytes) {
    return name == "usec" && our_number == 0 && input.type == "EncKrbCredPart" &&
           excuses_.use(Allowed::kMitLoneUsec);
  }

  bool acceptance_excused(const Disagreement& input) {
    const Form& form = input.form;
    return (form.is_ber() && excuses_.use(Allowed::kMitBer)) ||
           (form.trailing && excuses_.use(Allowed::kMitTrailing)) ||
           ((form.crowded || form.broken) && excuses_.use(Allowed::kMitCrowdedTag)) ||
           (form.disorder && excuses_.use(Allowed::kMitDisorder)) ||
           (form.other_number && excuses_.use(Allowed::kMitErrorType)) ||
           (form.bad_time && excuses_.use(Allowed::kMitTime)) ||
           (form.odd_flags && excuses_.use(Allowed::kMitFlags)) ||
           (form.over_int32 && input.type == "KRB-ERROR" && excuses_.use(Allowed::kMitErrorCode)) ||
           (input.facts.half_name && excuses_.use(Allowed::kMitHalfName)) ||
           value_excused(input.facts) ||
           // Nothing else is left to be too much: a field behind the last of a type in the message.
           (input.fault.code == ParseCode::kTrailingBytes &&
            excuses_.use(Allowed::kMitInnerExtension));
  }

  bool value_excused(const Facts& facts) {
    int components = 0;
    Allowed row{};
    const auto excuses = [&](std::string_view name, std::int64_t number, Bytes octets) {
      const bool text = name == "component" || name == "realm";
      components = name == "component" ? components + 1 : 0;
      if (text && std::ranges::find(octets, 0) != octets.end()) {
        row = Allowed::kMitNul;
      } else if (components > int(krb5::kNameComponentsMax)) {
        row = Allowed::kMitComponents;
      } else if (name == "key" && octets.empty()) {
        row = Allowed::kMitEmptyKey;
      } else if (name == "usec" && (number < 0 || number > 999'999)) {
        row = Allowed::kMitMicroseconds;
      } else if ((name == "tickets" || name == "infos") &&
                 (number < 1 || number > krb5::kCredTicketsMax)) {
        row = Allowed::kMitCredCount;
      } else {
        return false;
      }
      return true;
    };
    return facts.any(excuses) && excuses_.use(row);
  }

  bool writing_excused(const Disagreement& input) {
    if (input.form.extended) {
      return excuses_.use(Allowed::kMitExtension);
    }
    if (input.facts.half_name) {
      return excuses_.use(Allowed::kMitHalfError);
    }
    if (input.form.empty_sequence) {
      return excuses_.use(Allowed::kMitEmptyList);
    }
    if (input.facts.time_wrapped) {
      return excuses_.use(Allowed::kMitTimeModulo);
    }
    if (input.form.odd_flags) {
      return excuses_.use(Allowed::kMitFlags);
    }
    if (input.form.negative && input.facts.any([](std::string_view name, std::int64_t, Bytes) {
          return name == "seq-number";
        })) {
      return excuses_.use(Allowed::kMitNegative);
    }
    if (input.type == "EncKrbCredPart" &&
        input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
          return name == "timestamp" && number == 0;
        })) {
      return excuses_.use(Allowed::kMitLoneUsec);
    }
    return input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
      return number == 0 && (name == "kvno" || name == "seq-number" || name == "nonce" ||
                             name == "usec" || name == "flags" || name.ends_with("time") ||
                             name == "renew-till" || name == "timestamp");
    }) && excuses_.use(Allowed::kMitZeroIsAbsent);
  }

 private:
  Excuses excuses_{"diff_mit_der"};
};

}  // namespace

// The first byte says which message the rest is.
void run_one(Bytes input) {
  static Mit mit;
  if (input.empty()) {
    return;
  }
  const Bytes message = input.subspan(1);
  switch (input[0] % 9) {
    case 0:
      return judge<Mit, Message<kApReq>>(mit, message);
    case 1:
      return judge<Mit, Message<kTicket>>(mit, message);
    case 2:
      return judge<Mit, Message<kEncTicketPart>>(mit, message);
    case 3:
      return judge<Mit, Message<kAuthenticator>>(mit, message);
    case 4:
      return judge<Mit, Message<kApRep>>(mit, message);
    case 5:
      return judge<Mit, Message<kEncApRepPart>>(mit, message);
    case 6:
      return judge<Mit, Message<kKrbError>>(mit, message);
    case 7:
      return judge<Mit, Message<kKrbCred>>(mit, message);
    default:
      return judge<Mit, Message<kEncKrbCredPart>>(mit, message);
  }
}

}  // namespace usher::fuzz
