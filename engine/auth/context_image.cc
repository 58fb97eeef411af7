#include "engine/auth/context_image.h"

#include <algorithm>
#include <cassert>

#include "engine/crypto/etype.h"
#include "parsers/cursor.h"
#include "parsers/host_addresses.h"
#include "parsers/krb_cred.h"
#include "parsers/pac.h"

namespace usher::auth {
namespace {

using crypto::Rc4Stream;
using gss::Mechanism;

// An image has these enumerators as numbers. Who changes one changes the version of what is packed.
static_assert(std::uint8_t(Mechanism::kKerberos) == 2 &&
              std::uint8_t(Mechanism::kMsKerberos) == 3 && std::uint8_t(Mechanism::kNtlm) == 4);
static_assert(std::uint8_t(BindingResult::kUnchecked) == 0 &&
              std::uint8_t(BindingResult::kMatched) == 1 &&
              std::uint8_t(BindingResult::kProxied) == 2 &&
              std::uint8_t(BindingResult::kAbsentAllowed) == 3 &&
              std::uint8_t(BindingResult::kAbsent) == 4 &&
              std::uint8_t(BindingResult::kMismatched) == 5);

enum Bit : std::uint16_t {
  kSpnego = 0x01,
  kAcceptorSubkey = 0x02,
  kReplayed = 0x04,
  kDceStyle = 0x08,
  kSupportsBindings = 0x10,
  kMicsExchanged = 0x20,
  kSession = 0x40,
  kAllBits = 0x7f,
};
constexpr std::uint32_t kFlags = 0x707f;    // All of gss::ContextFlags.
constexpr std::uint16_t kSignatures = 0xf;  // All of PacSignature.

// What KerberosTime can say (RFC 4120 5.2.3), years 0 to 9999; within it times can be added to.
constexpr krb5::UnixSeconds kEarliest = -62'167'219'200;
constexpr krb5::UnixSeconds kLatest = 253'402'300'799;

constexpr std::size_t kFixedSize =
    4 * sizeof(std::uint16_t) + 6 * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t) +
    (1 + ContextImage::kNames) * sizeof(std::uint16_t) + 2 * sizeof(std::uint32_t);
constexpr std::size_t kSessionSize =
    2 * sizeof(std::uint64_t) + sizeof(protect::SequenceWindow::Place::seen);
constexpr std::size_t kStreamsSize = 2 * Rc4Stream::kStateSize;

bool has_streams(Mechanism mechanism, ntlm::NegotiateFlags flags) noexcept {
  return mechanism == Mechanism::kNtlm &&
         has(flags, ntlm::NegotiateFlags::kExtendedSessionSecurity);
}

// Writer fills an image front to back.
class Writer {
 public:
  explicit Writer(MutableBytes room) noexcept : room_(room) {}

  template <class T>
  void number(T value) noexcept {
    store_le(take(sizeof(T)), value);
  }
  void bytes(Bytes from) noexcept { copy(from, take(from.size())); }
  MutableBytes take(std::size_t size) noexcept {
    const MutableBytes taken = room_.first(size);
    room_ = room_.subspan(size);
    return taken;
  }
  [[nodiscard]] bool full() const noexcept { return room_.empty(); }

 private:
  MutableBytes room_;
};

void write_fixed(const Context& context, bool has_session, Writer& writer) noexcept {
  const auto bit = [](bool set, Bit value) { return set ? value : 0; };
  writer.number(static_cast<std::uint16_t>(
      bit(context.spnego, kSpnego) | bit(context.key_is_acceptor_subkey, kAcceptorSubkey) |
      bit(context.replayed, kReplayed) | bit(context.dce_style, kDceStyle) |
      bit(context.client_supports_bindings, kSupportsBindings) |
      bit(context.mics_exchanged, kMicsExchanged) | bit(has_session, kSession)));
  writer.number(static_cast<std::uint16_t>(context.mechanism));
  writer.number(static_cast<std::uint16_t>(context.bindings));
  writer.number(static_cast<std::uint16_t>(context.pac_signatures));
  writer.number(static_cast<std::uint32_t>(context.flags));
  writer.number(static_cast<std::uint32_t>(context.ntlm_flags));
  writer.number(static_cast<std::uint32_t>(context.key_etype));
  writer.number(static_cast<std::uint32_t>(context.ticket_etype));
  writer.number(context.initiator_sequence);
  writer.number(context.acceptor_sequence);
  writer.number(static_cast<std::uint64_t>(context.start_s));
  writer.number(static_cast<std::uint64_t>(context.expires_s));
  writer.number(static_cast<std::uint16_t>(context.key.bytes().size()));
  for (std::size_t n = 0; n < ContextImage::kNames; ++n) {
    writer.number(context.part_sizes[n]);
  }
  writer.number(context.pac.size);
  writer.number(context.delegated.size);
}

// Sizes are what an image says of the octets behind its numbers.
struct Sizes {
  std::uint16_t key = 0;
  std::array<std::uint16_t, ContextImage::kNames> names{};
  std::uint32_t pac = 0;
  std::uint32_t delegated = 0;
};

Sizes read_fixed(Cursor& in, ContextImage& out) noexcept {
  const std::uint16_t bits = in.u16();
  in.require((bits & ~kAllBits) == 0);
  out.spnego = (bits & kSpnego) != 0;
  out.key_is_acceptor_subkey = (bits & kAcceptorSubkey) != 0;
  out.replayed = (bits & kReplayed) != 0;
  out.dce_style = (bits & kDceStyle) != 0;
  out.client_supports_bindings = (bits & kSupportsBindings) != 0;
  out.mics_exchanged = (bits & kMicsExchanged) != 0;
  out.has_session = (bits & kSession) != 0;
  const std::uint16_t mechanism = in.u16();
  in.require(mechanism >= std::uint8_t(Mechanism::kKerberos) &&
             mechanism <= std::uint8_t(Mechanism::kNtlm));
  out.mechanism = Mechanism(mechanism);
  const std::uint16_t bindings = in.u16();
  in.require(bindings <= std::uint8_t(BindingResult::kMismatched));
  out.bindings = BindingResult(bindings);
  const std::uint16_t signatures = in.u16();
  in.require(signatures <= kSignatures);
  out.pac_signatures = static_cast<std::uint8_t>(signatures);
  const std::uint32_t flags = in.u32();
  in.require((flags & ~kFlags) == 0);
  out.flags = gss::ContextFlags(flags);
  out.ntlm_flags = ntlm::NegotiateFlags(in.u32());
  out.key_etype = static_cast<std::int32_t>(in.u32());
  out.ticket_etype = static_cast<std::int32_t>(in.u32());
  out.initiator_sequence = in.u32();
  out.acceptor_sequence = in.u32();
  for (krb5::UnixSeconds* const time : {&out.start_s, &out.expires_s}) {
    *time = static_cast<krb5::UnixSeconds>(in.u64());
    in.require(*time >= kEarliest && *time <= kLatest);
  }
  Sizes sizes{.key = in.u16()};
  for (std::uint16_t& size : sizes.names) {
    size = in.u16();
  }
  sizes.pac = in.u32();
  sizes.delegated = in.u32();
  return sizes;
}

// is_key says whether the mechanism's messages can be protected with a key of that size.
bool is_key(const ContextImage& image, std::size_t size) noexcept {
  if (image.mechanism == Mechanism::kNtlm) {
    return image.key_etype == 0 && image.ticket_etype == 0 && size == crypto::kMd5Size;
  }
  const crypto::EtypeProfile* const profile = crypto::profile_of(image.key_etype);
  return image.ntlm_flags == ntlm::NegotiateFlags{} && profile != nullptr &&
         size == profile->key_size;
}

// is_delegation says whether `kept` is what keep_delegation keeps.
bool is_delegation(Bytes kept) noexcept {
  if (kept.size() < sizeof(std::uint32_t)) {
    return false;
  }
  const std::uint32_t size = load_le<std::uint32_t>(kept);
  kept = kept.subspan(sizeof(size));
  if (size > kept.size()) {
    return false;
  }
  const Result<krb5::KrbCred> cred = krb5::parse_krb_cred(kept.first(size));
  const Result<krb5::EncKrbCredPart> part = krb5::parse_enc_krb_cred_part(kept.subspan(size));
  if (!cred.ok() || !part.ok() || cred->ticket_count != part->info_count) {
    return false;
  }
  for (std::uint32_t n = 0; n < part->info_count; ++n) {
    if (!krb5::parse_host_addresses(krb5::info_at(*part, n).addresses).ok()) {
      return false;
    }
  }
  return true;
}

void read_session(Cursor& in, ContextImage& out) noexcept {
  out.sent_count = in.u64();
  out.received.next = in.u64();
  for (std::uint64_t& word : out.received.seen) {
    word = in.u64();
  }
  if (out.mechanism == Mechanism::kNtlm) {
    in.require(out.received.next <= UINT32_MAX &&
               out.received.seen == protect::SequenceWindow::Place{}.seen);
  }
  if (has_streams(out.mechanism, out.ntlm_flags)) {
    out.streams = in.bytes(kStreamsSize);
    Rc4Stream stream;
    in.require(out.streams.size() == kStreamsSize &&
               stream.read_state(out.streams.first(Rc4Stream::kStateSize)) &&
               stream.read_state(out.streams.subspan(Rc4Stream::kStateSize)));
  }
}

void read_octets(Cursor& in, const Sizes& sizes, ContextImage& out) noexcept {
  in.require(is_key(out, sizes.key));
  out.key = in.bytes(sizes.key);
  std::size_t names_size = 0;
  for (std::size_t n = 0; n < ContextImage::kNames; ++n) {
    names_size += sizes.names[n];
    out.names[n] = in.bytes(sizes.names[n]);
  }
  in.require(names_size <= kIdentitySizeMax);
  in.require(sizes.pac <= kImagePacSizeMax);
  out.pac = in.bytes(sizes.pac);
  in.require(out.pac.empty() || pac::parse_pac(out.pac).ok());
  in.require(sizes.delegated <= kImageDelegatedSizeMax &&
             (sizes.delegated == 0 || out.mechanism != Mechanism::kNtlm));
  out.delegated = in.bytes(sizes.delegated);
  in.require(out.delegated.empty() || is_delegation(out.delegated));
}

}  // namespace

Result<ContextImage> read_image(Bytes image) noexcept {
  Parse parse(image);
  Cursor in(parse);
  ContextImage out;
  const Sizes sizes = read_fixed(in, out);
  if (parse.ok() && out.has_session) {
    read_session(in, out);
  }
  if (parse.ok()) {
    read_octets(in, sizes, out);
  }
  if (in.at() != parse.size()) {
    parse.fail(ParseCode::kTrailingBytes, in.at());
  }
  return parse.finish(out);
}

std::size_t image_size(const Context& context, const protect::SessionState* session) noexcept {
  std::size_t size = kFixedSize + context.key.bytes().size();
  if (session != nullptr) {
    size += kSessionSize + (session->has_streams ? kStreamsSize : 0);
  }
  for (std::size_t n = 0; n < ContextImage::kNames; ++n) {
    size += context.part_sizes[n];
  }
  return size + context.pac.size + context.delegated.size;
}

bool image_fits(const Context& context) noexcept {
  return context.pac.size <= kImagePacSizeMax && context.delegated.size <= kImageDelegatedSizeMax;
}

void write_image(const Context& context, const protect::SessionState* session,
                 const PageStore* pages, MutableBytes out) noexcept {
  assert(context.state == State::kEstablished && image_fits(context));
  Writer writer(out);
  write_fixed(context, session != nullptr, writer);
  if (session != nullptr) {
    writer.number(session->sent_count);
    writer.number(session->received.next);
    for (const std::uint64_t word : session->received.seen) {
      writer.number(word);
    }
    if (session->has_streams) {
      session->send_stream.write_state(writer.take(Rc4Stream::kStateSize));
      session->receive_stream.write_state(writer.take(Rc4Stream::kStateSize));
    }
  }
  writer.bytes(context.key.bytes());
  for (std::size_t n = 0; n < ContextImage::kNames; ++n) {
    writer.bytes(context.part(n));
  }
  for (const Kept* const kept : {&context.pac, &context.delegated}) {
    if (!kept->empty()) {
      pages->read(*kept, writer.take(kept->size));
    }
  }
  assert(writer.full());
}

void fill_context(const ContextImage& image, Context& context) noexcept {
  context.spnego = image.spnego;
  context.key_is_acceptor_subkey = image.key_is_acceptor_subkey;
  context.replayed = image.replayed;
  context.dce_style = image.dce_style;
  context.client_supports_bindings = image.client_supports_bindings;
  context.mics_exchanged = image.mics_exchanged;
  context.mechanism = image.mechanism;
  context.bindings = image.bindings;
  context.pac_signatures = image.pac_signatures;
  context.flags = image.flags;
  context.ntlm_flags = image.ntlm_flags;
  context.key_etype = image.key_etype;
  context.ticket_etype = image.ticket_etype;
  context.initiator_sequence = image.initiator_sequence;
  context.acceptor_sequence = image.acceptor_sequence;
  context.start_s = image.start_s;
  context.expires_s = image.expires_s;
  context.key.assign(image.key);
  for (std::size_t n = 0; n < ContextImage::kNames; ++n) {
    const bool kept = context.keep(n, image.names[n]);
    assert(kept);
    static_cast<void>(kept);  // read_image has seen to it.
  }
}

protect::SessionState session_state(const ContextImage& image) noexcept {
  assert(image.has_session);
  protect::SessionState state{
      .begun = true, .sent_count = image.sent_count, .received = image.received};
  if (!image.streams.empty()) {
    const Bytes ours = image.streams.first(Rc4Stream::kStateSize);
    const Bytes theirs = image.streams.subspan(Rc4Stream::kStateSize);
    state.has_streams =
        state.send_stream.read_state(ours) && state.receive_stream.read_state(theirs);
    assert(state.has_streams);
  }
  return state;
}

}  // namespace usher::auth
