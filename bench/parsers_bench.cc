// How long each parser takes for what a usual client sends, and the outermost and innermost ones
// for what is larger.
#include <benchmark/benchmark.h>

#include <array>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>

#include "bench/allocations.h"
#include "bench/tokens.h"
#include "parsers/authorization_data.h"
#include "parsers/channel_bindings.h"
#include "parsers/gss_message.h"
#include "parsers/host_addresses.h"
#include "parsers/http_authorization.h"
#include "parsers/keytab.h"
#include "parsers/krb_cred.h"
#include "parsers/negoex.h"
#include "parsers/ntlm.h"
#include "parsers/pac.h"
#include "parsers/sid.h"
#include "tools/mint/cred_mint.h"
#include "tools/mint/ntlm_mint.h"
#include "tools/mint/pac_mint.h"
#include "tools/mint/spnego_mint.h"

namespace usher::bench {
namespace {

using mint::Octets;

template <class Parse>
void run(benchmark::State& state, const Octets& input, Parse parse) {
  if (!parse(input).ok()) {
    state.SkipWithError("the bench's own input is refused");
    return;
  }
  const std::uint64_t allocations = allocation_count();
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse(Bytes(input)));
  }
  expect_no_allocations_since(allocations, state);
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}

template <class Parse>
void declare(const std::string& name, Octets input, Parse parse) {
  const std::string full = name + "/bytes:" + std::to_string(input.size());
  benchmark::RegisterBenchmark(
      full.c_str(),
      [input = std::move(input), parse](benchmark::State& state) { run(state, input, parse); });
}

// World is a client's and its KDC's: whatever messages are made of.
struct World {
  std::unique_ptr<crypto::Kit> kit = crypto::Kit::make();
  mint::SeededRandom random{41};
  mint::KerberosMint mint{*kit, random};
  mint::Service service = mint::make_service(random, "HTTP/web.example.test@EXAMPLE.TEST");
  mint::Service krbtgt = mint::make_service(random, "krbtgt/EXAMPLE.TEST@EXAMPLE.TEST");
  std::int64_t now_s = std::time(nullptr);

  mint::Ticket ticket(std::size_t size) {
    return mint::TicketShaper(*kit, random, service, {.size = size}, now_s).make();
  }
  mint::ApReq request(const mint::Ticket& ticket) {
    mint::AuthenticatorFields fields;
    fields.ctime = now_s;
    fields.subkey_etype = 18;
    return mint.ap_req(ticket, fields);
  }
};

void declare_spnego(World& world) {
  for (const std::size_t size : {0u, 2048u, 4608u, 32'000u}) {
    const Octets token = mint::spnego_token(world.request(world.ticket(size)).message);
    declare("spnego_init", token, spnego::parse_neg_token_init);
    const Octets inner = mint::octets_of(spnego::parse_neg_token_init(token)->mech_token);
    declare("gss_initial", inner, gss::parse_initial_token);
    const Octets message = mint::octets_of(gss::parse_initial_token(inner)->inner);
    declare("gss_kerberos", message, gss::parse_kerberos_token);
    declare("ap_req", mint::octets_of(gss::parse_kerberos_token(message)->message),
            krb5::parse_ap_req);
  }
  mint::NegTokenRespFields resp;
  resp.state = spnego::NegState::kAcceptIncomplete;
  resp.response_token = Octets(400, 0x11);
  resp.mech_list_mic = Octets(28, 0x22);
  declare("spnego_resp", mint::neg_token_resp(resp), spnego::parse_neg_token_resp);
}

void declare_kerberos(World& world) {
  const mint::Ticket ticket = world.ticket(0);
  mint::TicketFields fields;
  fields.session_key = ticket.session_key;
  fields.auth_time = world.now_s - 600;
  fields.end_time = world.now_s + 36'000;
  mint::add_pac(*world.kit, world.random, world.service, world.krbtgt, fields);
  declare("ticket", ticket.encoded, krb5::parse_ticket);
  declare("enc_ticket_part", mint::encode_enc_ticket_part(fields), krb5::parse_enc_ticket_part);
  declare("authorization_data", fields.authorization_data, krb5::parse_authorization_data);
  mint::AuthenticatorFields authenticator;
  authenticator.ctime = world.now_s;
  authenticator.subkey_etype = 18;
  authenticator.subkey = Octets(32, 0x33);
  declare("authenticator", mint::encode_authenticator(ticket, authenticator),
          krb5::parse_authenticator);
  declare("gss_checksum", mint::encode_gss_checksum(authenticator), gss::parse_gss_checksum);
  const mint::Cred cred = mint::forwarded_tgt(world.mint, mint::Principal::of("alice@EXAMPLE.TEST"),
                                              world.now_s - 600, world.now_s + 36'000);
  declare("krb_cred", mint::krb_cred(world.mint, 18, Octets(32, 0x44), cred), krb5::parse_krb_cred);
  declare("enc_krb_cred_part", mint::encode_enc_krb_cred_part(cred), krb5::parse_enc_krb_cred_part);
  declare("host_addresses", mint::host_addresses({{2, Octets(4, 10)}, {24, Octets(16, 0xfe)}}),
          krb5::parse_host_addresses);
}

void declare_pac(World& world) {
  mint::TicketFields ticket;
  ticket.session_key = Octets(32, 0x55);
  for (const std::size_t groups : {1u, 100u, 400u}) {
    mint::PacFields fields;
    fields.logon_info->groups.resize(groups);
    declare("pac", mint::mint_pac(*world.kit, world.service, world.krbtgt, ticket, fields),
            pac::parse_pac);
    declare("pac_logon_info", mint::make_logon_info(*fields.logon_info), pac::parse_logon_info);
  }
  declare("pac_delegation_info", mint::make_delegation_info(), pac::parse_delegation_info);
  declare("pac_client_info", mint::make_client_info(), pac::parse_client_info);
  declare("pac_upn_dns", mint::make_upn_dns(), pac::parse_upn_dns);
  declare("pac_signature", mint::make_signature(), pac::parse_signature);
  declare("sid", mint::account_sid(), parse_sid);
}

void declare_ntlm(World& world) {
  const Octets negotiate = mint::ntlm_negotiate({});
  Octets target_info;
  for (const auto& [id, text] : {std::pair{2, "EXAMPLE"}, {1, "WEB"}, {4, "example.test"}}) {
    mint::append_le(target_info, static_cast<std::uint16_t>(id));
    const Octets name = mint::pac_utf16(text);
    mint::append_le(target_info, static_cast<std::uint16_t>(name.size()));
    mint::append(target_info, name);
  }
  mint::append_le(target_info, std::uint32_t{0});
  const Octets server_challenge(8, 0x66);
  ntlm::Challenge fields;
  fields.flags = mint::kNtlmFlagsUsual | ntlm::NegotiateFlags::kTargetInfo;
  fields.server_challenge = server_challenge;
  fields.target_info = target_info;
  Octets challenge(1024);
  challenge.resize(ntlm::write_challenge(fields, challenge));
  const mint::Authenticated client = mint::ntlm_authenticate(*world.kit, negotiate, challenge, {});
  declare("ntlm_negotiate", negotiate, ntlm::parse_negotiate);
  declare("ntlm_challenge", challenge, ntlm::parse_challenge);
  declare("ntlm_authenticate", client.message, ntlm::parse_authenticate);
  declare("ntlm_av_pairs", target_info, ntlm::parse_av_pairs);
  const Bytes response = ntlm::parse_authenticate(client.message)->nt_response;
  declare("ntlmv2_response", mint::octets_of(response), ntlm::parse_ntlmv2_response);
}

// A NEGO_MESSAGE with two authentication schemes ([MS-NEGOEX] 2.2.6.3).
Octets negoex_token() {
  constexpr std::uint32_t kHeader = 96;
  constexpr std::uint32_t kSchemes = 2;
  Octets token = mint::octets_of("NEGOEXTS");
  for (const std::uint32_t value : {0u, 0u, kHeader, kHeader + kSchemes * 16}) {
    mint::append_le(token, value);
  }
  mint::append(token, Octets(16 + 32, 0x77));  // Conversation and random.
  mint::append_le(token, std::uint64_t{0});    // Protocol version.
  for (const std::uint32_t value : {kHeader, kSchemes, kHeader + kSchemes * 16, 0u}) {
    mint::append_le(token, value);
  }
  mint::append(token, Octets(kSchemes * 16, 0x88));
  return token;
}

void declare_others(World& world) {
  for (const std::size_t size : {0u, 4608u}) {
    const Octets token = mint::spnego_token(world.request(world.ticket(size)).message);
    Octets text(http::base64_encoded_size(token.size()));
    http::encode_base64(token, text);
    Octets field = mint::octets_of("Negotiate ");
    mint::append(field, text);
    declare("http_authorization", field, http::parse_authorization);
    declare("base64", text, [room = Octets(text.size())](Bytes input) mutable {
      return http::decode_base64(input, room);
    });
  }
  Octets bindings(512);
  bindings.resize(channel::write_sec_channel_bindings(Octets(53, 0x99), bindings));
  declare("channel_bindings", bindings, channel::parse_sec_channel_bindings);
  declare("negoex", negoex_token(), negoex::parse_token);
  Octets mic = {0x04, 0x04, 0x04, 0xff, 0xff, 0xff, 0xff, 0xff};
  mint::append(mic, Octets(8 + 12, 0));
  declare("gss_mic", mic, gss::parse_mic_token);
  std::vector<mint::Service> services(1000, world.service);
  declare("keytab_layout", mint::keytab_image(services), keytab::parse_layout);
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  usher::bench::World world;
  usher::bench::declare_spnego(world);
  usher::bench::declare_kerberos(world);
  usher::bench::declare_pac(world);
  usher::bench::declare_ntlm(world);
  usher::bench::declare_others(world);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
