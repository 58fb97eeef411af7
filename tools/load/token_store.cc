#include "tools/load/token_store.h"

#include <algorithm>
#include <thread>

#include "parsers/http_authorization.h"
#include "tools/mint/spnego_mint.h"

namespace load {
namespace {

using usher::Bytes;
using usher::MutableBytes;
using usher::http::base64_encoded_size;
using usher::mint::Octets;
using usher::mint::require;

// Times are spread over the allowed skew, as those of many clients are.
constexpr std::size_t kSpreadSeconds = 200;
constexpr std::size_t kQuantum = 3;  // Bytes that base64 encodes together.

void write_base64(Bytes bytes, std::string& out, std::size_t at) {
  void* const place = out.data() + at;
  usher::http::encode_base64(
      bytes, {static_cast<std::uint8_t*>(place), base64_encoded_size(bytes.size())});
}

}  // namespace

TokenStore::TokenStore(std::vector<usher::mint::Ticket> tickets, std::size_t count,
                       std::int64_t now_s)
    : tickets_(std::move(tickets)), count_(count), now_s_(now_s) {
  require(!tickets_.empty() && count != 0, "a load needs tickets and tokens");
  const auto kit = usher::crypto::Kit::make();
  const auto random = usher::make_system_random();
  require(kit && random, "OpenSSL or its randomness is not to be had");
  const Octets first = token(*kit, *random, 0);
  // Two authenticators may begin with the same bytes by chance; so many do not.
  constexpr std::size_t kSamples = 8;
  auto differ = first.end() - first.begin();
  for (std::size_t n = 1; n <= kSamples; ++n) {
    const Octets other = token(*kit, *random, n * tickets_.size());
    require(first.size() == other.size(), "tokens differ in size");
    differ = std::min(differ, std::ranges::mismatch(first, other).in1 - first.begin());
  }
  token_size_ = first.size();
  common_size_ = static_cast<std::size_t>(differ) / kQuantum * kQuantum;
  beginning_size_ = base64_encoded_size(common_size_);
  ending_size_ = base64_encoded_size(token_size_ - common_size_);
  beginnings_.resize(beginning_size_ * tickets_.size());
  endings_.resize(ending_size_ * count_);
  fill();
}

usher::mint::ApReq TokenStore::request_of(std::size_t index) const {
  usher::mint::ApReq request;
  request.ctime = now_s_ - static_cast<std::int64_t>(index % kSpreadSeconds);
  // Microseconds of six digits each, so that sizes do not vary.
  request.cusec = static_cast<std::uint32_t>(100'000 + index / kSpreadSeconds);
  return request;
}

Octets TokenStore::token(usher::crypto::Kit& kit, usher::RandomSource& random,
                         std::size_t index) const {
  const usher::mint::Ticket& ticket = ticket_of(index);
  const usher::mint::ApReq when = request_of(index);
  usher::mint::AuthenticatorFields fields;
  fields.ctime = when.ctime;
  fields.cusec = when.cusec;
  fields.subkey_etype = ticket.session_etype;
  fields.seq_number = static_cast<std::uint32_t>(0x40000000 + index);
  return usher::mint::spnego_token(
      usher::mint::KerberosMint(kit, random).ap_req(ticket, fields).message);
}

void TokenStore::fill() {
  const std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> threads;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    threads.emplace_back([this, worker, workers] { fill_share(worker, workers); });
  }
}

// fill_share makes every workers-th token. A ticket's beginning is written with its first token.
void TokenStore::fill_share(std::size_t worker, std::size_t workers) {
  const auto kit = usher::crypto::Kit::make();
  const auto random = usher::make_system_random();
  require(kit && random, "OpenSSL or its randomness is not to be had");
  for (std::size_t index = worker; index < std::max(count_, tickets_.size()); index += workers) {
    const Octets made = token(*kit, *random, index);
    require(made.size() == token_size_, "tokens differ in size");
    if (index < tickets_.size()) {
      write_base64(Bytes(made).first(common_size_), beginnings_, index * beginning_size_);
    }
    if (index < count_) {
      write_base64(Bytes(made).subspan(common_size_), endings_, index * ending_size_);
    }
  }
}

}  // namespace load
