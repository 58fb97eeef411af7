// Reads the name out of an AUTHENTICATE; claimed_name.h says what is promised.
#include "tools/usherd/claimed_name.h"

#include <algorithm>
#include <optional>

#include "engine/auth/unicode.h"
#include "parsers/gss.h"
#include "parsers/ntlm.h"
#include "parsers/spnego.h"

namespace usherd {
namespace {

using usher::Bytes;
using usher::MutableBytes;

Bytes mechanism_token(Bytes token) noexcept {
  if (usher::gss::kind_of(token) != usher::gss::TokenKind::kNegTokenResp) {
    return token;
  }
  const auto resp = usher::spnego::parse_neg_token_resp(token);
  return resp.ok() ? resp->response_token : Bytes{};
}

// write_text writes one name to the front of `out`; nothing if there is no room.
std::optional<Bytes> write_text(Bytes text, bool utf16, MutableBytes out) noexcept {
  if (utf16) {
    const std::optional<Bytes> utf8 = usher::auth::utf16_to_utf8(text, out);
    // For want of room, perhaps: three octets of UTF-8 for two of UTF-16 are the most.
    if (utf8 || text.size() / 2 * 3 > out.size()) {
      return utf8;
    }
  }
  if (text.size() > out.size()) {
    return std::nullopt;
  }
  std::ranges::copy(text, out.begin());
  return out.first(text.size());
}

}  // namespace

Bytes claimed_name(Bytes token, MutableBytes out) noexcept {
  const auto message = usher::ntlm::parse_authenticate(mechanism_token(token));
  if (!message.ok() || message->user.empty()) {
    return {};
  }
  const bool utf16 = usher::ntlm::has(message->flags, usher::ntlm::NegotiateFlags::kUnicode);
  std::size_t size = 0;
  if (!message->domain.empty()) {
    const std::optional<Bytes> domain = write_text(message->domain, utf16, out);
    if (!domain || domain->size() == out.size()) {
      return {};
    }
    size = domain->size();
    out[size++] = '\\';
  }
  const std::optional<Bytes> user = write_text(message->user, utf16, out.subspan(size));
  return user ? Bytes(out.first(size + user->size())) : Bytes{};
}

}  // namespace usherd
