// A complete context as bytes: what ExportSecurityContext seals (auth/context_seal.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/auth/context.h"
#include "engine/limits.h"
#include "engine/protect/message.h"
#include "engine/slots/page_store.h"
#include "parsers/bytes.h"
#include "parsers/result.h"

namespace usher::auth {

// Bounds of an image, in bytes: a PAC is one token's, or what an authority has told; what is
// delegated comes out of one token twice, in parts, behind a size (auth/delegation.h).
inline constexpr std::size_t kImagePacSizeMax = 96 * 1024;
inline constexpr std::size_t kImageDelegatedSizeMax = 2 * kTokenSizeMax + sizeof(std::uint32_t);

// ContextImage is a view of an image: little-endian integers of fixed widths, then the octets whose
// sizes they tell. What is the image's version is said around it. It holds what a complete context
// needs and nothing of the exchange: no states, deadlines or lists of mechanisms.
struct ContextImage {
  bool spnego = false;
  bool key_is_acceptor_subkey = false;
  bool replayed = false;
  bool dce_style = false;
  bool client_supports_bindings = false;
  bool mics_exchanged = false;
  gss::Mechanism mechanism = gss::Mechanism::kUnknown;  // Kerberos's or NTLM's.
  BindingResult bindings = BindingResult::kUnchecked;
  std::uint8_t pac_signatures = 0;
  gss::ContextFlags flags{};
  ntlm::NegotiateFlags ntlm_flags{};
  std::int32_t key_etype = 0;
  std::int32_t ticket_etype = 0;
  std::uint32_t initiator_sequence = 0;
  std::uint32_t acceptor_sequence = 0;
  krb5::UnixSeconds start_s = 0;
  krb5::UnixSeconds expires_s = 0;

  Bytes key;  // Of its etype's size; NTLM's of 16.
  // User, realm, service, target: Context::part.
  static constexpr std::size_t kNames = 4;
  std::array<Bytes, kNames> names;
  Bytes pac;        // Parses as one; may be empty.
  Bytes delegated;  // As auth/delegation.h keeps it; may be empty.

  // Where its messages are; without it, they are at their start.
  bool has_session = false;
  std::uint64_t sent_count = 0;
  protect::SequenceWindow::Place received;
  Bytes streams;  // Both of NTLM's with extended session security: sender's, receiver's.
};

// read_image reads one and checks every bound; every value it lets through is one that a context
// may have, so that the rest of the engine need not know where the context came from. What is not
// as write_image would write it is refused: reading and writing are each other's inverse.
[[nodiscard]] Result<ContextImage> read_image(Bytes image) noexcept;

// image_size is how many bytes a context's image has; `session` is where its messages are, or null.
[[nodiscard]] std::size_t image_size(const Context& context,
                                     const protect::SessionState* session) noexcept;

// image_fits says whether what is kept of PAC and delegated credentials is small enough for one.
[[nodiscard]] bool image_fits(const Context& context) noexcept;

// write_image writes the image of a complete context that fits, image_size bytes. `pages` are those
// of its pool, and may be null if it keeps nothing.
void write_image(const Context& context, const protect::SessionState* session,
                 const PageStore* pages, MutableBytes out) noexcept;

// fill_context makes a fresh context, which kept nothing yet, that of the image, in every thing but
// its pages (ContextPool::keep), its Session and its state.
void fill_context(const ContextImage& image, Context& context) noexcept;

// session_state is where the image's messages are; only if has_session.
[[nodiscard]] protect::SessionState session_state(const ContextImage& image) noexcept;

}  // namespace usher::auth
