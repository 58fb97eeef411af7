#include "bench/tokens.h"

#include <algorithm>
#include <ctime>
#include <fstream>

#include "tools/mint/spnego_mint.h"

namespace usher::bench {
namespace {

constexpr std::string_view kPrincipal = "HTTP/web.example.test@EXAMPLE.TEST";
// Authenticator times are spread over this many seconds around now, as those of many clients are.
constexpr std::int64_t kSpreadSeconds = 200;
constexpr std::uint32_t kFileMark = 0x314b5455;  // "UTK1"

mint::AuthenticatorFields authenticator(const TokenPlan& plan, std::size_t index,
                                        std::int64_t now_s) {
  mint::AuthenticatorFields fields;
  fields.ctime = now_s - kSpreadSeconds / 2 + static_cast<std::int64_t>(index) % kSpreadSeconds;
  fields.cusec = static_cast<std::uint32_t>(index % 1'000'000);
  fields.subkey_etype = plan.etype;
  fields.seq_number = static_cast<std::uint32_t>(0x20000000 + index);
  return fields;
}

// Reader and Writer: numbers of 64 bits, and octets after their number.
class Writer {
 public:
  explicit Writer(const std::string& path) : out_(path, std::ios::binary) {}
  void number(std::uint64_t value) {
    mint::Octets raw;
    mint::append_le(raw, value);
    put(raw);
  }
  void octets(Bytes bytes) {
    number(bytes.size());
    put(bytes);
  }
  void close() {
    out_.close();
    mint::require(out_.good(), "the tokens' file cannot be written");
  }

 private:
  void put(Bytes bytes) {
    const void* const raw = bytes.data();
    out_.write(static_cast<const char*>(raw), static_cast<std::streamsize>(bytes.size()));
  }
  std::ofstream out_;
};

class Reader {
 public:
  explicit Reader(const std::string& path) : in_(path, std::ios::binary) {}
  std::uint64_t number() { return load_le<std::uint64_t>(get(sizeof(std::uint64_t))); }
  mint::Octets octets() { return get(number()); }

 private:
  mint::Octets get(std::uint64_t size) {
    mint::require(in_.good() && size <= mint::kBuildSizeMax,
                  "the tokens' file is none, or cut off");
    mint::Octets out(size);
    void* const raw = out.data();
    in_.read(static_cast<char*>(raw), static_cast<std::streamsize>(size));
    mint::require(in_.good(), "the tokens' file is cut off");
    return out;
  }
  std::ifstream in_;
};

}  // namespace

KerberosTokens::KerberosTokens() : kit_(crypto::Kit::make()), mint_(*kit_, *random_) {}

KerberosTokens::KerberosTokens(const TokenPlan& plan) : KerberosTokens() {
  mint::require(plan.tickets != 0, "a token needs a ticket");
  service_ = mint::make_service(*random_, kPrincipal, plan.etype);
  const std::int64_t now = std::time(nullptr);
  const mint::TicketShape shape = {.size = plan.ticket_size, .session_etype = plan.etype};
  const mint::TicketShaper shaper(*kit_, *random_, service_, shape, now);
  std::vector<mint::Ticket> tickets;
  tokens_.reserve(plan.count);
  for (std::size_t n = 0; n < plan.count; ++n) {
    if (n < plan.tickets) {
      tickets.push_back(shaper.make());
    }
    const mint::ApReq request =
        mint_.ap_req(tickets[n % plan.tickets], authenticator(plan, n, now));
    tokens_.push_back(mint::spnego_token(request.message));
    if (n == 0) {
      first_ = request;
      first_ticket_ = tickets[0];
    }
  }
}

void KerberosTokens::save(const std::string& path) const {
  Writer file(path);
  file.number(kFileMark);
  file.number(static_cast<std::uint64_t>(service_.etype));
  file.octets(service_.key);
  file.number(static_cast<std::uint64_t>(first_ticket_.session_etype));
  file.octets(first_ticket_.session_key);
  file.number(static_cast<std::uint64_t>(first_.ctime));
  file.number(first_.cusec);
  file.number(tokens_.size());
  for (const mint::Octets& token : tokens_) {
    file.octets(token);
  }
  file.close();
}

KerberosTokens KerberosTokens::load(const std::string& path) {
  KerberosTokens made;
  Reader file(path);
  mint::require(file.number() == kFileMark, "no file of tokens");
  made.service_.name = mint::Principal::of(kPrincipal);
  made.service_.etype = static_cast<std::int32_t>(file.number());
  made.service_.key = file.octets();
  made.first_ticket_.session_etype = static_cast<std::int32_t>(file.number());
  made.first_ticket_.session_key = file.octets();
  made.first_.ctime = static_cast<std::int64_t>(file.number());
  made.first_.cusec = static_cast<std::uint32_t>(file.number());
  made.tokens_.resize(file.number());
  for (mint::Octets& token : made.tokens_) {
    token = file.octets();
  }
  return made;
}

void KerberosTokens::spoil(std::size_t index) {
  const Result<spnego::NegTokenInit> init = spnego::parse_neg_token_init(tokens_[index]);
  const Result<gss::InitialToken> initial =
      gss::parse_initial_token(init.ok() ? init->mech_token : Bytes{});
  const Result<gss::KerberosToken> token =
      gss::parse_kerberos_token(initial.ok() ? initial->inner : Bytes{});
  const Result<krb5::ApReq> request = krb5::parse_ap_req(token.ok() ? token->message : Bytes{});
  mint::require(request.ok(), "the bench's own token is misread");
  const auto at = request->ticket.enc_part.cipher.data() - tokens_[index].data();
  tokens_[index][static_cast<std::size_t>(at) + request->ticket.enc_part.cipher.size() / 2] ^= 1;
}

bool KerberosTokens::proves(Bytes reply) const {
  const mint::ServerResp resp = mint::read_neg_token_resp(reply);
  return resp.response_token.has_value() &&
         mint_.check_ap_rep(first_ticket_, first_, *resp.response_token).error.empty();
}

}  // namespace usher::bench
