// Who is asked about NTLM clients: the domain, or the embedding program through usher_answer.
#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/auth/unicode.h"
#include "engine/auth/winbind.h"
#include "engine/sspi_internal.h"
#include "engine/sspi_memory.h"

namespace usher::sspi {
namespace {

using auth::Inquiry;
using auth::NtlmAnswer;
using auth::NtlmQuestion;

std::uint32_t response_of(crypto::ProofKind kind) noexcept {
  switch (kind) {
    case crypto::ProofKind::kV1:
      return USHER_RESPONSE_NTLMV1;
    case crypto::ProofKind::kV1Session:
      return USHER_RESPONSE_NTLMV1_SESSION;
    case crypto::ProofKind::kV2:
    case crypto::ProofKind::kAnonymous:
      break;
  }
  return USHER_RESPONSE_NTLMV2;
}

// Text ends a name with a NUL, which names that come as UTF-8 do not hold. Of kIdentitySizeMax
// octets none becomes more than two bytes of it: OEM's from 0x80 on do, and UTF-16's pairs become
// three.
class Text {
 public:
  explicit Text(Bytes name) noexcept {
    assert(name.size() < text_.size());
    std::memcpy(text_.data(), name.data(), name.size());
  }
  [[nodiscard]] const char* text() const noexcept { return text_.data(); }

 private:
  std::array<char, 2 * kIdentitySizeMax + 1> text_{};
};

Status status_of(SECURITY_STATUS status) noexcept {
  switch (status) {
    case SEC_E_OK:
      return Status::kEstablished;
    case SEC_E_LOGON_DENIED:
      return Status::kNtlmProof;
    default:
      return Status::kAuthorityFailed;
  }
}

std::string_view text_of(const char* text) noexcept { return text == nullptr ? "" : text; }

// is_name says whether `text` is UTF-8 without control characters: what becomes a header of HTTP, a
// line of a log or a string of UTF-16 without surprises.
bool is_name(std::string_view text) noexcept {
  std::array<std::uint8_t, 2 * kIdentitySizeMax> room;
  return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }) &&
         auth::utf8_to_utf16({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                             room);
}

// fault_of returns null, or what is wrong with an answer.
const char* fault_of(const USHER_ANSWER* answer) noexcept {
  if (answer == nullptr) {
    return "answer is null";
  }
  if (answer->Status == SEC_E_LOGON_DENIED || answer->Status == SEC_E_NO_AUTHENTICATING_AUTHORITY) {
    return nullptr;
  }
  if (answer->Status != SEC_E_OK) {
    return "answer: Status is none of those that answer a question";
  }
  const std::string_view user = text_of(answer->User);
  const std::string_view domain = text_of(answer->Domain);
  if ((answer->NtHash != nullptr) == (answer->SessionKey != nullptr) || user.empty()) {
    return "answer: with SEC_E_OK there is a User, and either NtHash or SessionKey";
  }
  if (user.size() + domain.size() > kIdentitySizeMax || !is_name(user) || !is_name(domain)) {
    return "answer: User and Domain are UTF-8 without control characters, of 768 bytes at most";
  }
  return nullptr;
}

// CallersAuthority asks the embedding program. Each inquiry may be answered once: its generation
// stands in `open_` until somebody does.
class CallersAuthority final : public auth::Authority {
 public:
  explicit CallersAuthority(const AuthorityOptions& options)
      : Authority(options.questions_max, std::int64_t{options.deadline_ms} * 1000),
        ask_(options.ask),
        ask_context_(options.ask_context),
        open_(options.questions_max) {}

  // answer is usher_answer; false: there is no such inquiry, or it has been answered. Throws if
  // memory runs out, and then it has not.
  bool answer(std::uint64_t id, const USHER_ANSWER& given) {
    const auto index = static_cast<std::uint32_t>(id);
    auto generation = static_cast<std::uint32_t>(id >> 32);
    std::string user(text_of(given.User));
    std::string domain(text_of(given.Domain));
    // Acquires what begin has written; whoever takes the generation away is the one who answers.
    if (index >= open_.size() || generation == 0 ||
        !open_[index].compare_exchange_strong(generation, 0, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
      return false;
    }
    Inquiry& inquiry = inquiry_at(SlotIndex(index));
    NtlmAnswer& out = inquiry.answer;
    out.status = status_of(given.Status);
    if (given.Status == SEC_E_OK) {
      const bool is_hash = given.NtHash != nullptr;
      out.key_kind = is_hash ? NtlmAnswer::KeyKind::kNtHash : NtlmAnswer::KeyKind::kSessionBase;
      out.key.assign({is_hash ? given.NtHash : given.SessionKey, auth::kNtlmKeySize});
      out.user = std::move(user);  // Nothing can fail from here on.
      out.domain = std::move(domain);
    }
    finish(inquiry);
    return true;
  }

 private:
  void begin(Inquiry& inquiry) noexcept override {
    const NtlmQuestion& asked = inquiry.question();
    const ContextHandle place = inquiry.place();
    const Text user(asked.user);
    const Text domain(asked.domain);
    const Text workstation(asked.workstation);
    USHER_QUESTION question{
        .Inquiry = std::uint64_t{place.generation} << 32 | std::uint32_t(place.index),
        .User = user.text(),
        .Domain = domain.text(),
        .Workstation = workstation.text(),
        .Response = response_of(asked.kind),
        .NtResponseSize = static_cast<std::uint32_t>(asked.nt_response.size()),
        .NtResponse = asked.nt_response.data(),
        .ClientChallenge = asked.lm_response.empty() ? nullptr : asked.lm_response.data(),
        .ServerChallenge = {}};
    std::memcpy(question.ServerChallenge, asked.server_challenge.data(),
                sizeof(question.ServerChallenge));
    open_[std::size_t(place.index)].store(place.generation, std::memory_order_release);
    inside_ask() = true;
    ask_(ask_context_, &question);
    inside_ask() = false;
  }
  // Nobody has to answer what nobody waits for.
  void abandoned(ContextHandle place) noexcept override {
    std::uint32_t generation = place.generation;
    if (open_[std::size_t(place.index)].compare_exchange_strong(
            generation, 0, std::memory_order_acquire, std::memory_order_relaxed)) {
      finish(inquiry_at(place.index));
    }
  }

  USHER_ASK ask_;
  void* ask_context_;
  std::vector<std::atomic<std::uint32_t>> open_;
};

SECURITY_STATUS answer(const SecHandle* credential, std::uint64_t inquiry,
                       const USHER_ANSWER* given) {
  const CredentialTable::Hold acceptor = credentials().hold(read_credential_handle(credential));
  if (!acceptor || acceptor->callers_authority == nullptr) {
    return refuse(acceptor ? SEC_E_INVALID_HANDLE : to_sspi(Status::kStaleHandle),
                  "the credential asks nobody by USHER_ACCEPTOR.Ask, or is gone");
  }
  if (const char* const fault = fault_of(given); fault != nullptr) {
    return refuse(SEC_E_INVALID_PARAMETER, fault);
  }
  auto& authority = static_cast<CallersAuthority&>(*acceptor->callers_authority);
  return authority.answer(inquiry, *given)
             ? SEC_E_OK
             : refuse(SEC_E_INVALID_HANDLE, "there is no such inquiry, or it has been answered");
}

}  // namespace

bool& inside_ask() noexcept {
  thread_local bool inside = false;
  return inside;
}

std::unique_ptr<auth::Authority> make_authority(const AuthorityOptions& options) {
  if (options.ask != nullptr) {
    return std::make_unique<CallersAuthority>(options);
  }
  return auth::make_asking_threads(
      {.inquiries_max = options.questions_max, .deadline_ms = options.deadline_ms},
      auth::make_winbind_answerer);
}

}  // namespace usher::sspi

extern "C" SECURITY_STATUS usher_answer(PCredHandle credential, uint64_t inquiry,
                                        const USHER_ANSWER* answer) {
  namespace sspi = usher::sspi;
  return sspi::within_memory([&] { return sspi::answer(credential, inquiry, answer); });
}
