#include <array>

#include "bench/door.h"
#include "bench/ntlm_acceptors.h"
#include "engine/crypto/proof_batch.h"
#include "engine/protect/mic.h"

namespace usher::bench {
namespace {

std::string hex_of(Bytes octets) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : octets) {
    text += {kDigits[octet >> 4], kDigits[octet & 15]};
  }
  return text;
}

class UsherAcceptor final : public NtlmAcceptor {
 public:
  UsherAcceptor(const mint::Service& service, std::string_view accounts)
      : kit_(crypto::Kit::make()), door_({&service, 1}, {.accounts = accounts}) {}

  std::size_t challenge(std::size_t seat, Bytes token, MutableBytes answer) override {
    const AcceptReply& reply = door_.accept(std::span(&token, 1))[0];
    contexts_[seat] = reply.context;
    std::ranges::copy(door_.reply(0), answer.begin());
    return reply.verdict.status == Status::kContinue ? reply.reply_size : 0;
  }

  bool finish(std::size_t seat, Bytes token) override {
    return door_.next(contexts_[seat], token).verdict.status == Status::kEstablished;
  }

  SignedOn signed_on(std::size_t seat) override {
    SignedOn out;
    const Status status = door_.engine().inspect(contexts_[seat], [&](const Context& context) {
      out.user.assign(context.user().begin(), context.user().end());
      out.mic.resize(protect::kMicSizeMax);
      const protect::NtlmMicKey key{context.key.bytes(), context.ntlm_flags};
      out.mic.resize(protect::write_mic(*kit_, key, protect::Sender::kAcceptor, std::uint32_t{0},
                                        mint::octets_of(kSignedText), out.mic));
    });
    mint::require(status == Status::kEstablished, "an established context cannot be inspected");
    return out;
  }

  void end(std::size_t seat) noexcept override { door_.release(contexts_[seat]); }

 private:
  std::unique_ptr<crypto::Kit> kit_;
  Door door_;
  std::array<ContextHandle, kSeats> contexts_{};
};

}  // namespace

Made make_usher(std::size_t accounts) {
  const std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::Octets password;
  for (const char16_t unit : kPassword) {
    mint::append_le(password, static_cast<std::uint16_t>(unit));
  }
  std::array<std::uint8_t, crypto::kNtHashSize> nt_hash{};
  mint::require(kit && crypto::nt_hash_of(*kit, password, nt_hash), "no memory or no OpenSSL");
  const std::string rest = "::" + hex_of(nt_hash) + "\n";
  std::string lines;
  for (std::size_t account = 0; account < accounts; ++account) {
    lines += std::string(kDomain) + ":" + user_name(account) + rest;
  }
  mint::SeededRandom random{5};
  const mint::Service service = mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST");
  return {std::make_unique<UsherAcceptor>(service, lines), {}};
}

}  // namespace usher::bench
