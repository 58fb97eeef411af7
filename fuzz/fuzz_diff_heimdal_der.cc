// Kerberos messages as Usher and Heimdal decode them.
#include <cstring>

#include "fuzz/diff_der.h"

extern "C" {
#include <krb5_asn1.h>
}

namespace usher::fuzz {
namespace {

Bytes octets_of(const heim_octet_string& octets) {
  return {static_cast<const std::uint8_t*>(octets.data), octets.length};
}
Bytes octets_of(const char* text) {
  return {reinterpret_cast<const std::uint8_t*>(text), std::strlen(text)};
}

// number_of is what lies in an enum, which its decoder fills with whatever was sent.
template <class Enum>
std::int32_t number_of(const Enum& value) {
  static_assert(sizeof(Enum) == sizeof(std::int32_t));
  std::int32_t number = 0;
  std::memcpy(&number, &value, sizeof(number));
  return number;
}

// bits_of turns a word with flag n at bit n into one of RFC 4120 5.2.8's order.
std::uint32_t bits_of(unsigned flags) {
  std::uint32_t bits = 0;
  for (unsigned n = 0; n < 32; ++n) {
    bits |= (flags >> n & 1) != 0 ? krb5::flag_bit(n) : 0;
  }
  return bits;
}

// Account tells what Heimdal has in memory. A class, so that its functions see one another.
struct Account {
  static void tell_name(Facts& facts, const char* realm, const PrincipalName* name) {
    facts.octets("realm", realm != nullptr ? octets_of(realm) : Bytes{});
    facts.number("name-type", name != nullptr ? number_of(name->name_type) : 0);
    for (unsigned i = 0; name != nullptr && i < name->name_string.len; ++i) {
      facts.octets("component", octets_of(name->name_string.val[i]));
    }
  }
  static void tell_name(Facts& facts, const Realm* realm, const PrincipalName* name) {
    tell_name(facts, realm != nullptr ? *realm : nullptr, name);
  }

  static void tell(Facts& facts, const EncryptedData& data) {
    facts.number("etype", number_of(data.etype));
    facts.present("has kvno", data.kvno != nullptr);
    facts.number("kvno", data.kvno != nullptr ? static_cast<std::uint32_t>(*data.kvno) : 0);
    facts.octets("cipher", octets_of(data.cipher));
  }

  static void tell(Facts& facts, const EncryptionKey& key) {
    facts.number("key type", key.keytype);
    facts.octets("key", octets_of(key.keyvalue));
  }
  static void tell_subkey(Facts& facts, const EncryptionKey* key) {
    facts.number("has subkey", key != nullptr ? 1 : 0);
    if (key != nullptr) {
      tell(facts, *key);
    }
  }

  static void tell(Facts& facts, const HostAddress& address) {
    facts.number("list type", address.addr_type);
    facts.octets("list data", octets_of(address.address));
  }
  static void tell(Facts& facts, const AuthorizationDataElement& element) {
    facts.number("list type", element.ad_type);
    facts.octets("list data", octets_of(element.ad_data));
  }
  template <class List>
  static void tell_all(Facts& facts, const List& list) {
    for (unsigned i = 0; i < list.len; ++i) {
      tell(facts, list.val[i]);
    }
  }
  template <class List>
  static void tell_list(Facts& facts, const List* list) {
    facts.present("has list", list != nullptr);
    if (list != nullptr) {
      tell_all(facts, *list);
    }
  }
  static void tell_address(Facts& facts, const HostAddress* address) {
    facts.number("has address", address != nullptr ? 1 : 0);
    if (address != nullptr) {
      tell(facts, *address);
    }
  }

  static void tell_time(Facts& facts, const char* name, const KerberosTime* time) {
    facts.present("has time", time != nullptr);
    facts.time(name, time != nullptr ? *time : 0);
  }
  template <class Number>
  static void tell_optional(Facts& facts, const char* presence, const char* name,
                            const Number* number) {
    facts.present(presence, number != nullptr);
    facts.number(name, number != nullptr ? *number : 0);
  }

  static void tell(Facts& facts, const Ticket& ticket) {
    tell_name(facts, ticket.realm, &ticket.sname);
    tell(facts, ticket.enc_part);
  }

  static void tell(Facts& facts, const AP_REQ& request) {
    facts.number("ap-options", bits_of(APOptions2int(request.ap_options)));
    tell(facts, request.ticket);
    tell(facts, request.authenticator);
  }

  static void tell(Facts& facts, const EncTicketPart& part) {
    facts.number("flags", bits_of(TicketFlags2int(part.flags)));
    tell(facts, part.key);
    tell_name(facts, part.crealm, &part.cname);
    facts.number("transited type", part.transited.tr_type);
    facts.octets("transited", octets_of(part.transited.contents));
    tell_time(facts, "authtime", &part.authtime);
    tell_time(facts, "starttime", part.starttime);
    tell_time(facts, "endtime", &part.endtime);
    tell_time(facts, "renew-till", part.renew_till);
    tell_list(facts, part.caddr);
    tell_list(facts, part.authorization_data);
  }

  static void tell(Facts& facts, const Authenticator& authenticator) {
    tell_name(facts, authenticator.crealm, &authenticator.cname);
    facts.number("has cksum", authenticator.cksum != nullptr ? 1 : 0);
    if (authenticator.cksum != nullptr) {
      facts.number("cksumtype", number_of(authenticator.cksum->cksumtype));
      facts.octets("checksum", octets_of(authenticator.cksum->checksum));
    }
    facts.number("usec", authenticator.cusec);
    tell_time(facts, "ctime", &authenticator.ctime);
    tell_subkey(facts, authenticator.subkey);
    tell_optional(facts, "has seq-number", "seq-number", authenticator.seq_number);
    tell_list(facts, authenticator.authorization_data);
  }

  static void tell(Facts& facts, const AP_REP& reply) { tell(facts, reply.enc_part); }

  static void tell(Facts& facts, const EncAPRepPart& part) {
    tell_time(facts, "ctime", &part.ctime);
    facts.number("usec", part.cusec);
    tell_subkey(facts, part.subkey);
    tell_optional(facts, "has seq-number", "seq-number", part.seq_number);
  }

  static void tell(Facts& facts, const KRB_ERROR& error) {
    tell_time(facts, "ctime", error.ctime);
    facts.number("usec", error.cusec != nullptr ? *error.cusec : 0);
    tell_time(facts, "stime", &error.stime);
    facts.number("usec", error.susec);
    facts.number("error-code", error.error_code);
    tell_name(facts, error.crealm, error.cname);
    tell_name(facts, error.realm, &error.sname);
    facts.octets("e-text", error.e_text != nullptr ? octets_of(*error.e_text) : Bytes{});
    facts.octets("e-data", error.e_data != nullptr ? octets_of(*error.e_data) : Bytes{});
  }

  static void tell(Facts& facts, const KRB_CRED& cred) {
    facts.number("tickets", cred.tickets.len);
    tell_all(facts, cred.tickets);
    tell(facts, cred.enc_part);
  }

  static void tell(Facts& facts, const KrbCredInfo& info) {
    tell(facts, info.key);
    facts.half_name |= (info.prealm == nullptr) != (info.pname == nullptr) ||
                       (info.srealm == nullptr) != (info.sname == nullptr);
    tell_name(facts, info.prealm, info.pname);
    facts.present("has flags", info.flags != nullptr);
    facts.number("flags", info.flags != nullptr ? bits_of(TicketFlags2int(*info.flags)) : 0);
    tell_time(facts, "authtime", info.authtime);
    tell_time(facts, "starttime", info.starttime);
    tell_time(facts, "endtime", info.endtime);
    tell_time(facts, "renew-till", info.renew_till);
    tell_name(facts, info.srealm, info.sname);
    tell_list(facts, info.caddr);
  }

  static void tell(Facts& facts, const EncKrbCredPart& part) {
    facts.number("infos", part.ticket_info.len);
    tell_all(facts, part.ticket_info);
    facts.present("has nonce", part.nonce != nullptr);
    facts.number("nonce", part.nonce != nullptr ? static_cast<std::uint32_t>(*part.nonce) : 0);
    tell_time(facts, "timestamp", part.timestamp);
    tell_optional(facts, "has usec", "usec", part.usec);
    tell_address(facts, part.s_address);
    tell_address(facts, part.r_address);
  }
};

// Codec is how Usher parses a type, and Heimdal decodes, frees and encodes it.
template <class Ours, class Theirs>
struct Codec {
  using Peer = Theirs;
  const char* type;
  Result<Ours> (*parse)(Bytes) noexcept;
  int (*decode)(const unsigned char*, std::size_t, Theirs*, std::size_t*);
  void (*free)(Theirs*);
  std::size_t (*length)(const Theirs*);
  int (*encode)(unsigned char*, std::size_t, const Theirs*, std::size_t*);
};

#define USHER_HEIMDAL_CODEC(name, ours, type, parse)                                   \
  constexpr Codec<krb5::ours, type> name = {#type,       krb5::parse,   decode_##type, \
                                            free_##type, length_##type, encode_##type}
USHER_HEIMDAL_CODEC(kApReq, ApReq, AP_REQ, parse_ap_req);
USHER_HEIMDAL_CODEC(kTicket, Ticket, Ticket, parse_ticket);
USHER_HEIMDAL_CODEC(kEncTicketPart, EncTicketPart, EncTicketPart, parse_enc_ticket_part);
USHER_HEIMDAL_CODEC(kAuthenticator, Authenticator, Authenticator, parse_authenticator);
USHER_HEIMDAL_CODEC(kApRep, ApRep, AP_REP, parse_ap_rep);
USHER_HEIMDAL_CODEC(kEncApRepPart, EncApRepPart, EncAPRepPart, parse_enc_ap_rep_part);
USHER_HEIMDAL_CODEC(kKrbError, KrbError, KRB_ERROR, parse_krb_error);
USHER_HEIMDAL_CODEC(kKrbCred, KrbCred, KRB_CRED, parse_krb_cred);
USHER_HEIMDAL_CODEC(kEncKrbCredPart, EncKrbCredPart, EncKrbCredPart, parse_enc_krb_cred_part);
#undef USHER_HEIMDAL_CODEC

// Message is one as Heimdal has it in memory.
template <const auto& kCodec>
class Message {
 public:
  static constexpr const char* kType = kCodec.type;
  static auto parse(Bytes message) { return kCodec.parse(message); }

  explicit Message(Bytes message)
      : ok_(kCodec.decode(message.data(), message.size(), &decoded_, &size_) == 0),
        all_(size_ == message.size()) {}
  ~Message() {
    if (ok_) {
      kCodec.free(&decoded_);
    }
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  // Heimdal's decoders leave octets behind a message to their callers.
  [[nodiscard]] bool ok() const { return ok_ && all_; }
  void tell(Facts& facts) const { Account::tell(facts, decoded_); }

  [[nodiscard]] std::vector<std::uint8_t> encode() const {
    std::vector<std::uint8_t> written(kCodec.length(&decoded_));
    std::size_t size = 0;
    const bool done =
        kCodec.encode(written.data() + written.size() - 1, written.size(), &decoded_, &size) == 0;
    check(!done || size == written.size(), "Heimdal writes as much as it said");
    return done ? written : std::vector<std::uint8_t>{};
  }

 private:
  typename std::remove_cvref_t<decltype(kCodec)>::Peer decoded_{};
  std::size_t size_ = 0;
  bool ok_;
  bool all_;
};

class Heimdal {
 public:
  static constexpr const char* kName = "Heimdal";
  static constexpr bool kTellsPresence = true;
  static constexpr bool kNarrowTimes = false;

  bool refusal_excused(const Disagreement& input) {
    if (input.form.extended) {
      return excuses_.use(Allowed::kHeimdalExtension);
    }
    if (input.form.nul && input.type == "KRB_ERROR") {
      return excuses_.use(Allowed::kHeimdalTextNul);
    }
    return false;
  }

  bool reading_excused(const Disagreement& input, std::string_view name, std::int64_t our_number,
                       Bytes our_octets, std::int64_t their_number, Bytes their_octets) {
    if (name == "seq-number" && input.form.negative && their_number < our_number) {
      return excuses_.use(Allowed::kHeimdalNegative);
    }
    const std::uint32_t named = named_flags(name);
    if (named != 0 && their_number == (our_number & named)) {
      return excuses_.use(Allowed::kHeimdalUnnamedFlag);
    }
    if (is_time(name) && our_number != std::uint32_t(our_number)) {
      return excuses_.use(Allowed::kHeimdalTimeRange);
    }
    return name == "e-text" &&
           std::ranges::equal(our_octets.first(their_octets.size()), their_octets) &&
           std::ranges::all_of(our_octets.subspan(their_octets.size()),
                               [](int c) { return c == 0; }) &&
           excuses_.use(Allowed::kHeimdalTextNul);
  }

  bool acceptance_excused(const Disagreement& input) {
    const Form& form = input.form;
    return (form.is_ber() && excuses_.use(Allowed::kHeimdalBer)) ||
           ((form.broken || form.crowded || form.disorder) &&
            excuses_.use(Allowed::kHeimdalTail)) ||
           (form.other_number && excuses_.use(Allowed::kHeimdalConstant)) ||
           (form.bad_time && excuses_.use(Allowed::kHeimdalTime)) ||
           (form.odd_flags && excuses_.use(Allowed::kHeimdalFlags)) ||
           (form.over_int32 && excuses_.use(Allowed::kHeimdalInt32)) ||
           (form.nul && excuses_.use(Allowed::kHeimdalNul)) ||
           (input.facts.half_name && excuses_.use(Allowed::kHeimdalHalfName)) ||
           value_excused(input.facts);
  }

  bool value_excused(const Facts& facts) {
    int components = 0;
    Allowed row{};
    const auto excuses = [&](std::string_view name, std::int64_t number, Bytes octets) {
      components = name == "component" ? components + 1 : 0;
      if (components > int(krb5::kNameComponentsMax)) {
        row = Allowed::kHeimdalComponents;
      } else if (name == "key" && octets.empty()) {
        row = Allowed::kHeimdalEmptyKey;
      } else if (name == "usec" && (number < 0 || number > 999'999)) {
        row = Allowed::kHeimdalMicroseconds;
      } else if ((name == "tickets" || name == "infos") &&
                 (number < 1 || number > krb5::kCredTicketsMax)) {
        row = Allowed::kHeimdalCredCount;
      } else {
        return false;
      }
      return true;
    };
    return facts.any(excuses) && excuses_.use(row);
  }

  static bool is_time(std::string_view name) {
    return name.ends_with("time") || name == "renew-till" || name == "timestamp";
  }

  // named_flags is the bits that Heimdal's ASN.1 module has names for.
  static std::uint32_t named_flags(std::string_view name) {
    return name == "flags" ? 0xfffd8000 : name == "ap-options" ? 0xe0000000 : 0;
  }

  bool writing_excused(const Disagreement& input) {
    if (input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
          const std::uint32_t named = named_flags(name);
          return named != 0 && number != (number & named);
        })) {
      return excuses_.use(Allowed::kHeimdalUnnamedFlag);
    }
    if (input.form.odd_flags) {
      return excuses_.use(Allowed::kHeimdalFlags);
    }
    if (input.form.over_int32) {
      return excuses_.use(Allowed::kHeimdalKvno);
    }
    if (input.facts.any([](std::string_view name, std::int64_t number, Bytes) {
          return is_time(name) && number != std::uint32_t(number);
        })) {
      return excuses_.use(Allowed::kHeimdalTimeRange);
    }
    if (input.facts.any([](std::string_view name, std::int64_t, Bytes octets) {
          return name == "e-text" && !octets.empty() && octets.back() == 0;
        })) {
      return excuses_.use(Allowed::kHeimdalTextNul);
    }
    return input.form.negative && input.facts.any([](std::string_view name, std::int64_t, Bytes) {
      return name == "seq-number";
    }) && excuses_.use(Allowed::kHeimdalNegative);
  }

 private:
  Excuses excuses_{"diff_heimdal_der"};
};

}  // namespace

// The first byte says which message the rest is.
void run_one(Bytes input) {
  static Heimdal heimdal;
  if (input.empty()) {
    return;
  }
  const Bytes message = input.subspan(1);
  switch (input[0] % 9) {
    case 0:
      return judge<Heimdal, Message<kApReq>>(heimdal, message);
    case 1:
      return judge<Heimdal, Message<kTicket>>(heimdal, message);
    case 2:
      return judge<Heimdal, Message<kEncTicketPart>>(heimdal, message);
    case 3:
      return judge<Heimdal, Message<kAuthenticator>>(heimdal, message);
    case 4:
      return judge<Heimdal, Message<kApRep>>(heimdal, message);
    case 5:
      return judge<Heimdal, Message<kEncApRepPart>>(heimdal, message);
    case 6:
      return judge<Heimdal, Message<kKrbError>>(heimdal, message);
    case 7:
      return judge<Heimdal, Message<kKrbCred>>(heimdal, message);
    default:
      return judge<Heimdal, Message<kEncKrbCredPart>>(heimdal, message);
  }
}

}  // namespace usher::fuzz
