#include "fuzz/support/twin_authority.h"

#include <array>
#include <optional>

#include "engine/auth/unicode.h"
#include "engine/limits.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {
namespace {

// Upper is a UTF-8 name in the form that accounts are looked up by.
class Upper {
 public:
  explicit Upper(Bytes name) {
    std::array<std::uint8_t, 2 * kIdentitySizeMax> wide;
    const std::optional<Bytes> utf16 = auth::utf8_to_utf16(name, wide);
    check(utf16.has_value(), "a question's names are UTF-8");
    name_ = auth::upper_utf16(*utf16, room_);
    check(name_.has_value(), "that came from UTF-16 whose upper case was made");
  }
  [[nodiscard]] Bytes name() const { return *name_; }

 private:
  std::array<std::uint8_t, 4 * kIdentitySizeMax> room_;
  std::optional<Bytes> name_;
};

}  // namespace

void TwinAuthority::begin(auth::Inquiry& inquiry) noexcept {
  const auth::NtlmQuestion& question = inquiry.question();
  check(question.kind != crypto::ProofKind::kAnonymous && !question.nt_response.empty(),
        "nobody is asked about nobody");
  check(question.lm_response.empty() || question.kind == crypto::ProofKind::kV1Session,
        "nor shown an LM response");
  const auth::Accounts::Found found =
      accounts_.find(Upper(question.user).name(), Upper(question.domain).name());
  auth::NtlmAnswer& answer = inquiry.answer;
  answer.status = found.user.empty() ? Status::kNtlmProof : Status::kEstablished;
  answer.key_kind = auth::NtlmAnswer::KeyKind::kNtHash;
  answer.key.assign(found.nt_hash);
  answer.user.assign(found.user.begin(), found.user.end());
  answer.domain.assign(found.domain.begin(), found.domain.end());
  finish(inquiry);
}

}  // namespace usher::fuzz
