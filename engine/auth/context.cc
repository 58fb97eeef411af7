#include "engine/auth/context.h"

#include <algorithm>
#include <cassert>
#include <optional>

#include "engine/auth/unicode.h"

namespace usher::auth {

// offset_of is where the n-th part begins.
std::size_t Context::offset_of(std::size_t n) const noexcept {
  std::size_t offset = 0;
  for (std::size_t i = 0; i < n; ++i) {
    offset += part_sizes[i];
  }
  return offset;
}

Bytes Context::part(std::size_t n) const noexcept {
  return std::span(storage).subspan(offset_of(n), part_sizes[n]);
}

// room_for makes the n-th part empty, and returns what is free from there on.
MutableBytes Context::room_for(std::size_t n) noexcept {
  part_sizes[n] = 0;
  return std::span(storage).subspan(offset_of(n));
}

// settle is told of the n-th part's size, and that no octet behind its first `written` ones was
// written.
void Context::settle(std::size_t n, std::size_t size, std::size_t written) noexcept {
  part_sizes[n] = static_cast<std::uint16_t>(size);
  storage_used = std::max(storage_used, static_cast<std::uint16_t>(offset_of(n) + written));
}

bool Context::keep(std::size_t n, Bytes bytes) noexcept {
  const MutableBytes room = room_for(n);
  if (bytes.size() > room.size()) {
    return false;
  }
  copy(bytes, room);
  settle(n, bytes.size(), bytes.size());
  return true;
}

bool Context::keep_principal(std::size_t n, const krb5::PrincipalName& name) noexcept {
  const MutableBytes room = room_for(n);
  const std::size_t size = krb5::write_principal_text(name, {}, room);
  settle(n, size, size > 0 ? size : room.size());
  return size > 0;
}

bool Context::keep_target(Bytes utf16le) noexcept {
  constexpr std::size_t kTarget = 3;
  if (utf16le.empty()) {
    part_sizes[kTarget] = 0;
    return true;
  }
  const MutableBytes room = room_for(kTarget);
  const std::optional<Bytes> utf8 = utf16_to_utf8(utf16le, room);
  settle(kTarget, utf8 ? utf8->size() : 0, utf8 ? utf8->size() : room.size());
  if (utf8) {
    return true;
  }
  constexpr std::array<std::uint8_t, 1> kNoText = {0};
  return keep(kTarget, kNoText);
}

void Context::forget(std::size_t n) noexcept {
  usher::wipe(std::span(storage).subspan(offset_of(n), part_sizes[n]));
  part_sizes[n] = 0;
}

Bytes Context::write_client_name(MutableBytes out) const noexcept {
  const Bytes first = is_ntlm() ? realm() : user();
  const Bytes second = is_ntlm() ? user() : realm();
  const std::size_t size = first.size() + 1 + second.size();
  if (size > out.size()) {
    return {};
  }
  copy(first, out);
  out[first.size()] = is_ntlm() ? '\\' : '@';
  copy(second, out.subspan(first.size() + 1));
  return out.first(size);
}

void Context::rewind(State before) noexcept {
  if (state != before) {
    enter(state, before);
  }
  if (before == State::kHintSent) {
    const std::uint32_t deadline = deadline_s;
    wipe();
    deadline_s = deadline;
    state = before;
  } else if (before == State::kMechTokenOwed) {
    wipe_storage();
    part_sizes = {};
    dce_style = client_supports_bindings = false;
    bindings = BindingResult::kUnchecked;
    pac_signatures = 0;
    ticket_etype = 0;
  }
}

protect::SessionTerms Context::session_terms() const noexcept {
  //= RFC 4178 5: a mechListMIC is a per-message token like any other, so the next one's number
  //= is one higher.
  const unsigned taken = mics_exchanged ? 1 : 0;
  protect::SessionTerms terms{.ntlm = is_ntlm(),
                              .flags = flags,
                              .dce_style = dce_style,
                              .send_sequence = std::uint64_t{acceptor_sequence} + taken,
                              .receive_sequence = std::uint64_t{initiator_sequence} + taken};
  if (is_ntlm()) {
    terms.ntlm_key = {.exported_session_key = key.bytes(), .flags = ntlm_flags};
  } else {
    terms.kerberos = {.profile = crypto::profile_of(key_etype),
                      .key = key.bytes(),
                      .key_is_acceptor_subkey = key_is_acceptor_subkey};
  }
  return terms;
}

// What was never written is not wiped: a context is rarely in a cache when it goes.
void Context::wipe_storage() noexcept {
  usher::wipe(std::span(storage).first(storage_used));
  storage_used = 0;
  assert(std::ranges::count(storage, 0) == std::ssize(storage));
}

void Context::wipe() noexcept {
  assert(pac.empty() && delegated.empty());  // Their pages are the pool's to give back.
  session.reset();
  key.clear();
  wipe_storage();
  usher::wipe(mech_types);
  state = State::kFirstToken;
  spnego = mic_required = key_is_acceptor_subkey = dce_style = replayed = false;
  pac_signatures = 0;
  mechanism = gss::Mechanism::kUnknown;
  bindings = BindingResult::kUnchecked;
  client_supports_bindings = mics_exchanged = false;
  mech_types_size = 0;
  flags = {};
  ntlm_flags = {};
  key_etype = ticket_etype = 0;
  initiator_sequence = acceptor_sequence = deadline_s = 0;
  start_s = expires_s = 0;
  part_sizes = {};
}

}  // namespace usher::auth
