// PACs as Usher and MIT krb5 read them, and the server signature as MIT checks it and as it is
// computed here. The mutator changes one thing in a PAC and, mostly, signs it again.
#include <krb5/krb5.h>

#include <algorithm>
#include <array>
#include <vector>

#include "engine/auth/unicode.h"
#include "engine/crypto/kerberos_keys.h"
#include "fuzz/allowed_differences.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/support/pac_edit.h"
#include "fuzz/support/world.h"
#include "parsers/pac.h"

namespace usher::fuzz {
namespace {

Excuses excuses{"diff_mit_pac"};

krb5_context mit() {
  static const krb5_context made = [] {
    krb5_context context = nullptr;
    setenv("KRB5_CONFIG", "/dev/null", 1);
    check(krb5_init_context(&context) == 0, "MIT starts");
    return context;
  }();
  return made;
}

// MitPac is a PAC as MIT has it in memory.
class MitPac {
 public:
  explicit MitPac(Bytes pac) {
    if (krb5_pac_parse(mit(), pac.data(), pac.size(), &pac_) != 0) {
      pac_ = nullptr;
    }
  }
  ~MitPac() {
    if (pac_ != nullptr) {
      krb5_pac_free(mit(), pac_);
    }
  }
  MitPac(const MitPac&) = delete;
  MitPac& operator=(const MitPac&) = delete;

  [[nodiscard]] bool ok() const { return pac_ != nullptr; }

  [[nodiscard]] std::vector<std::uint32_t> types() const {
    std::size_t count = 0;
    krb5_ui_4* raw = nullptr;
    check(krb5_pac_get_types(mit(), pac_, &count, &raw) == 0, "MIT lists the types");
    const std::vector<std::uint32_t> types(raw, raw + count);
    std::free(raw);
    return types;
  }

  // buffer copies the only buffer of a type.
  [[nodiscard]] bool buffer(std::uint32_t type, Octets& out) const {
    krb5_data data{};
    if (krb5_pac_get_buffer(mit(), pac_, type, &data) != 0) {
      return false;
    }
    out.assign(data.data, data.data + data.length);
    krb5_free_data_contents(mit(), &data);
    return true;
  }

  [[nodiscard]] bool client_info(std::uint32_t& auth_time, std::string& name) const {
    krb5_timestamp time = 0;
    char* text = nullptr;
    if (krb5_pac_get_client_info(mit(), pac_, &time, &text) != 0) {
      return false;
    }
    auth_time = static_cast<std::uint32_t>(time);
    name = text;
    std::free(text);
    return true;
  }

  // verify checks the server signature alone.
  [[nodiscard]] bool verify(const mint::Service& service) const {
    krb5_keyblock key{};
    key.enctype = service.etype;
    key.length = static_cast<unsigned>(service.key.size());
    key.contents = const_cast<krb5_octet*>(service.key.data());
    return krb5_pac_verify(mit(), pac_, 0, nullptr, &key, nullptr) == 0;
  }

 private:
  krb5_pac pac_ = nullptr;
};

bool same(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

// signed_by computes the server signature (MS-PAC 2.8.1): over the whole PAC, with both signatures'
// octets zero.
bool signed_by(const mint::Service& service, Bytes octets, const pac::Pac& pac) {
  const pac::Signature& ours = pac.server_signature;
  if (ours.value.empty() || pac.kdc_signature.value.empty() ||
      ours.type != (service.etype == 18 ? 16 : 15)) {
    return false;
  }
  Octets covered(octets.begin(), octets.end());
  for (const Bytes value : {ours.value, pac.kdc_signature.value}) {
    std::fill_n(covered.begin() + (value.data() - octets.data()), value.size(), std::uint8_t{0});
  }
  crypto::Key kc;
  std::array<std::uint8_t, 20> mac{};
  const Bytes parts[] = {covered};
  check(derive_checksum(*world().kit, *crypto::profile_of(service.etype), service.key,
                        crypto::KeyUsage(17), kc) &&
            world().kit->hmac_sha1(kc.bytes(), parts, mac),
        "a signature can be computed");
  return same(ours.value, Bytes(mac).first(ours.value.size()));
}

void check_client_info(const MitPac& theirs, const pac::Pac& pac) {
  std::uint32_t auth_time = 0;
  std::string name;
  const bool read = pac.has_client_info && theirs.client_info(auth_time, name);
  if (!read) {
    return;  // Absent, or a name that is no text; check_buffers has compared its octets.
  }
  constexpr std::int64_t kEpoch = 11'644'473'600;
  const std::int64_t seconds =
      static_cast<std::int64_t>(pac.client_info.client_id / 10'000'000) - kEpoch;
  check(seconds == std::int64_t{auth_time}, "both read the client info's time");
  Octets text(pac.client_info.name.size() * 2);
  const std::optional<Bytes> utf8 = auth::utf16_to_utf8(pac.client_info.name, text);
  check(!utf8 || same(*utf8, mint::octets_of(name)), "both read the client info's name");
}

// check_buffers compares what Usher read of each buffer with what it reads of MIT's copy of it.
void check_buffers(const MitPac& theirs, const pac::Pac& pac) {
  Octets buffer;
  for (const std::uint32_t type : theirs.types()) {
    check(theirs.buffer(type, buffer), "MIT finds each type once");
    const auto signature = [&](const pac::Signature& ours) {
      const Result<pac::Signature> again = pac::parse_signature(buffer);
      check(again.ok() && again->type == ours.type && same(again->value, ours.value) &&
                again->rodc_id == ours.rodc_id,
            "a signature is the buffer's");
    };
    switch (pac::BufferType(type)) {
      case pac::BufferType::kServerSignature:
        signature(pac.server_signature);
        break;
      case pac::BufferType::kKdcSignature:
        signature(pac.kdc_signature);
        break;
      case pac::BufferType::kTicketSignature:
        signature(pac.ticket_signature);
        break;
      case pac::BufferType::kFullSignature:
        signature(pac.full_signature);
        break;
      case pac::BufferType::kCredentials:
        check(same(pac.credentials, buffer), "credentials are the buffer");
        break;
      case pac::BufferType::kDeviceInfo:
        check(same(pac.device_info, buffer), "device info is the buffer");
        break;
      case pac::BufferType::kClientClaims:
        check(same(pac.client_claims, buffer), "client claims are the buffer");
        break;
      case pac::BufferType::kDeviceClaims:
        check(same(pac.device_claims, buffer), "device claims are the buffer");
        break;
      case pac::BufferType::kRequestor:
        check(same(pac.requestor.octets, buffer), "the requestor is the buffer");
        break;
      case pac::BufferType::kClientInfo: {
        const Result<pac::ClientInfo> again = pac::parse_client_info(buffer);
        check(again.ok() && again->client_id == pac.client_info.client_id &&
                  same(again->name, pac.client_info.name),
              "client info is the buffer's");
        break;
      }
      case pac::BufferType::kLogonInfo: {
        const Result<pac::LogonInfo> again = pac::parse_logon_info(buffer);
        check(again.ok() && again->user_id == pac.logon_info.user_id &&
                  same(again->effective_name, pac.logon_info.effective_name) &&
                  same(again->groups, pac.logon_info.groups),
              "logon info is the buffer's");
        break;
      }
      default:
        break;
    }
  }
}

// strictness_excused looks for what MIT does not: at the table alone, without Usher's parser, and,
// if nothing is wrong with that, at where Usher's fault lies.
bool strictness_excused(const MitPac& theirs, Bytes octets, ParseFault fault) {
  const std::vector<std::uint32_t> types = theirs.types();
  if (types.empty() || types.size() > pac::kBuffersMax) {
    return excuses.use(Allowed::kMitPacCount);
  }
  std::vector<std::uint32_t> sorted = types;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) {
    return excuses.use(Allowed::kMitPacTwice);
  }
  const std::size_t bodies = 8 + 16 * types.size();
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto place = [&](std::size_t entry) {
        const Bytes at = octets.subspan(8 + 16 * entry + 4);
        const std::uint64_t begin = load_le<std::uint64_t>(at.subspan(4));
        return std::pair(begin, begin + load_le<std::uint32_t>(at));
      };
      const auto [begin, end] = place(i);
      const auto [other_begin, other_end] = place(j);
      if (begin < other_end && other_begin < end) {
        return excuses.use(Allowed::kMitPacOverlap);
      }
    }
  }
  return fault.offset >= bodies && excuses.use(Allowed::kMitPacStructure);
}

}  // namespace

void run_one(Bytes input) {
  if (input.empty()) {
    return;
  }
  const mint::Service& service = world().services[input[0] % 2];
  const Bytes octets = input.subspan(1);
  const Result<pac::Pac> ours = pac::parse_pac(octets);
  const MitPac theirs(octets);
  if (!ours.ok()) {
    check(!theirs.ok() || strictness_excused(theirs, octets, ours.fault()),
          "what MIT accepts Usher accepts");
    return;
  }
  check(theirs.ok(), "what Usher accepts MIT accepts");
  check(theirs.types().size() == ours->buffer_count, "both count the same buffers");
  check_buffers(theirs, *ours);
  check_client_info(theirs, *ours);

  const bool good = signed_by(service, octets, *ours);
  const bool good_to_mit = theirs.verify(service);
  if (good != good_to_mit) {
    check(good && (ours->server_signature.has_rodc_id || ours->kdc_signature.has_rodc_id) &&
              excuses.use(Allowed::kMitPacRodc),
          "a server signature is right to both or to none");
  }
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  Mutator mutator(seed);
  Octets input(data, data + size);
  if (size < 2 || size_max < 2) {
    mutator.change(input, size_max);
    return hand_back(input, data, size_max);
  }
  Octets pac(input.begin() + 1, input.end());
  change_pac(mutator, pac, size_max - 1);
  if (mutator.chance(80)) {
    sign_pac(*world().kit, world().services[input[0] % 2], world().krbtgt, {}, pac);
  }
  pac.insert(pac.begin(), input[0]);
  return hand_back(pac, data, size_max);
}
