// Both ends of one context, for tests of messages: what one seals or signs the other takes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/protect/session_base.h"
#include "tests/crypto/recorded.h"

namespace usher::protect::testing {

using usher::testing::Octets;

// Mechanism is one way to protect messages.
struct Mechanism {
  std::int32_t etype = 0;  // 0: NTLM.
  bool dce_style = false;
  bool acceptor_subkey = false;
  ntlm::NegotiateFlags ntlm_flags{};

  [[nodiscard]] bool ntlm() const { return etype == 0; }
  [[nodiscard]] bool rc4() const { return etype == 23; }
  [[nodiscard]] bool aes() const { return !ntlm() && !rc4(); }
};

inline std::string name_of(const ::testing::TestParamInfo<Mechanism>& info) {
  const Mechanism& m = info.param;
  if (m.ntlm()) {
    return has(m.ntlm_flags, ntlm::NegotiateFlags::kKeyExchange) ? "NtlmKeyExchange" : "Ntlm";
  }
  std::string name(crypto::etype_name(m.etype));
  std::erase(name, '-');
  return name + (m.dce_style ? "Dce" : "") + (m.acceptor_subkey ? "AcceptorSubkey" : "");
}

inline std::vector<Mechanism> all_mechanisms() {
  using ntlm::NegotiateFlags;
  std::vector<Mechanism> out;
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    out.push_back({.etype = etype});
    out.push_back({.etype = etype, .dce_style = true});
  }
  out.push_back({.etype = 18, .acceptor_subkey = true});
  const auto strong = NegotiateFlags::kExtendedSessionSecurity | NegotiateFlags::k128;
  out.push_back({.ntlm_flags = strong | NegotiateFlags::kKeyExchange});
  out.push_back({.ntlm_flags = strong});
  return out;
}

constexpr gss::ContextFlags flags_of(std::initializer_list<gss::ContextFlags> flags) {
  std::uint32_t all = 0;
  for (const gss::ContextFlags flag : flags) {
    all |= static_cast<std::uint32_t>(flag);
  }
  return gss::ContextFlags(all);
}
inline constexpr gss::ContextFlags kUsual =
    flags_of({gss::ContextFlags::kConfidentiality, gss::ContextFlags::kIntegrity,
              gss::ContextFlags::kReplay, gss::ContextFlags::kSequence});

// KnownRandom gives the same bytes to everybody who asks from the start, and can fail.
class KnownRandom final : public RandomSource {
 public:
  bool fill(MutableBytes out) noexcept override {
    for (std::uint8_t& byte : out) {
      byte = static_cast<std::uint8_t>(state_ = state_ * 7 + 13);
    }
    return !fails;
  }
  bool fails = false;

 private:
  unsigned state_ = 1;
};

inline const Octets& key_of(const Mechanism& mechanism) {
  static const Octets kLong(32, 0x5a);
  static const Octets kShort(16, 0x5a);
  return mechanism.etype == 18 || mechanism.etype == 20 ? kLong : kShort;
}

inline constexpr std::uint64_t kInitiatorFirst = 0x1234;
inline constexpr std::uint64_t kAcceptorFirst = 0x7fffffff;

inline SessionTerms terms_of(const Mechanism& mechanism, Sender self,
                             gss::ContextFlags flags = kUsual) {
  SessionTerms terms{.ntlm = mechanism.ntlm(),
                     .flags = flags,
                     .dce_style = mechanism.dce_style,
                     .send_sequence = kInitiatorFirst,
                     .receive_sequence = kAcceptorFirst,
                     .self = self};
  if (self == Sender::kAcceptor) {
    std::swap(terms.send_sequence, terms.receive_sequence);
  }
  if (mechanism.ntlm()) {
    terms.ntlm_key = {.exported_session_key = key_of(mechanism), .flags = mechanism.ntlm_flags};
  } else {
    terms.kerberos = {.profile = crypto::profile_of(mechanism.etype),
                      .key = key_of(mechanism),
                      .key_is_acceptor_subkey = mechanism.acceptor_subkey};
  }
  return terms;
}

// known_session is one whose random bytes are KnownRandom's.
inline std::shared_ptr<Session> known_session(const SessionTerms& terms, RandomSource& random) {
  return make_session(
      terms, {.send = crypto::Kit::make(), .receive = crypto::Kit::make(), .random = &random});
}

// Message is one on its way: token, data in parts, padding.
struct Message {
  Session::Sealed sealed;
  Octets token;
  std::vector<Octets> parts;
  Octets padding;

  [[nodiscard]] std::vector<Part> views() {
    std::vector<Part> out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool is_signed = std::ranges::find(signed_only, i) != signed_only.end();
      out.push_back(
          {.use = is_signed ? Part::Use::kSigned : Part::Use::kSealed, .bytes = parts[i]});
    }
    return out;
  }
  [[nodiscard]] Octets data() const {
    Octets out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (std::ranges::find(signed_only, i) == signed_only.end()) {
        out.insert(out.end(), parts[i].begin(), parts[i].end());
      }
    }
    return out;
  }
  // stream is what goes over the wire.
  [[nodiscard]] Octets stream() const {
    Octets out = token;
    const Octets middle = data();
    out.insert(out.end(), middle.begin(), middle.end());
    out.insert(out.end(), padding.begin(), padding.end());
    return out;
  }

  std::vector<std::size_t> signed_only;  // Which of the parts.
};

inline Message seal(Session& from, std::vector<Octets> parts, bool encrypt = true,
                    std::vector<std::size_t> signed_only = {}) {
  Message message{.parts = std::move(parts), .signed_only = std::move(signed_only)};
  message.token.resize(from.sizes().trailer);
  message.padding.resize(1);
  message.sealed = from.seal(message.views(), encrypt, message.token, message.padding);
  message.token.resize(message.sealed.token_size);
  message.padding.resize(message.sealed.padding_size);
  return message;
}

inline Session::Opened open(Session& to, Message& message) {
  return to.open(message.views(), message.token, message.padding);
}

struct Mic {
  Session::Sealed sealed;
  Octets token;
};
inline Mic sign(Session& from, Octets message) {
  Mic mic;
  mic.token.resize(from.sizes().signature);
  const Part part{.use = Part::Use::kSigned, .bytes = message};
  mic.sealed = from.sign(std::span(&part, 1), mic.token);
  return mic;
}
inline MessageOutcome verify(Session& to, Octets message, Bytes mic) {
  const Part part{.use = Part::Use::kSigned, .bytes = message};
  return to.verify(std::span(&part, 1), mic);
}

inline Octets text(std::size_t size) {
  Octets out(size);
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<std::uint8_t>(i * 11 + i / 23 + 1);
  }
  return out;
}

}  // namespace usher::protect::testing
