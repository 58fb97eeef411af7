// gss-ntlmssp's acceptor, through MIT's GSS-API.
#include <gssapi/gssapi.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "bench/ntlm_acceptors.h"

namespace usher::bench {
namespace {

gss_OID_desc g_ntlm = {10, const_cast<char*>("\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a")};

gss_buffer_desc buffer_of(Bytes bytes) {
  return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())};
}

mint::Octets take(gss_buffer_desc& buffer) {
  const auto* const data = static_cast<const std::uint8_t*>(buffer.value);
  mint::Octets out(data, data + buffer.length);
  OM_uint32 minor = 0;
  gss_release_buffer(&minor, &buffer);
  return out;
}

struct Seat {
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  gss_name_t client = GSS_C_NO_NAME;
};

class GssAcceptor final : public NtlmAcceptor {
 public:
  GssAcceptor(gss_cred_id_t credential, std::string_view accounts)
      : credential_(credential), file_(accounts) {}
  ~GssAcceptor() override {
    OM_uint32 minor = 0;
    gss_release_cred(&minor, &credential_);
  }

  void begin_round() override { ::setenv("NTLM_USER_FILE", file_.path().c_str(), 1); }

  std::size_t challenge(std::size_t place, Bytes token, MutableBytes answer) override {
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    const bool asked = accept(seats_[place], token, output) == GSS_S_CONTINUE_NEEDED;
    const std::size_t size = output.length <= answer.size() ? output.length : 0;
    std::copy_n(static_cast<const std::uint8_t*>(output.value), size, answer.begin());
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &output);
    return asked ? size : 0;
  }

  bool finish(std::size_t place, Bytes token) override {
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    const bool let_in = accept(seats_[place], token, output) == GSS_S_COMPLETE;
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &output);
    return let_in;
  }

  SignedOn signed_on(std::size_t place) override {
    Seat& seat = seats_[place];
    OM_uint32 minor = 0;
    gss_buffer_desc name = GSS_C_EMPTY_BUFFER;
    mint::require(gss_display_name(&minor, seat.client, &name, nullptr) == GSS_S_COMPLETE,
                  "gss-ntlmssp does not say who the client is");
    mint::Octets text = take(name);
    text.push_back(0);  // It counts a NUL at the end, too; other mechanisms do not.
    const std::string both = reinterpret_cast<const char*>(text.data());  // EXAMPLE\user
    SignedOn out{.user = both.substr(both.find('\\') + 1)};
    gss_buffer_desc message = {kSignedText.size(), const_cast<char*>(kSignedText.data())};
    gss_buffer_desc mic = GSS_C_EMPTY_BUFFER;
    mint::require(
        gss_get_mic(&minor, seat.context, GSS_C_QOP_DEFAULT, &message, &mic) == GSS_S_COMPLETE,
        "gss-ntlmssp does not sign");
    out.mic = take(mic);
    return out;
  }

  void end(std::size_t place) noexcept override {
    Seat& seat = seats_[place];
    OM_uint32 minor = 0;
    gss_release_name(&minor, &seat.client);
    gss_delete_sec_context(&minor, &seat.context, GSS_C_NO_BUFFER);
  }

 private:
  OM_uint32 accept(Seat& seat, Bytes token, gss_buffer_desc& output) {
    gss_buffer_desc input = buffer_of(token);
    OM_uint32 minor = 0;
    OM_uint32 flags = 0;
    return gss_accept_sec_context(&minor, &seat.context, credential_, &input,
                                  GSS_C_NO_CHANNEL_BINDINGS, &seat.client, nullptr, &output, &flags,
                                  nullptr, nullptr);
  }

  gss_cred_id_t credential_;
  Scratch file_;
  std::array<Seat, kSeats> seats_{};
};

}  // namespace

Made make_gss_ntlmssp(std::size_t accounts) {
  // It asks winbindd for its own name otherwise, for every client.
  ::setenv("NETBIOS_COMPUTER_NAME", "WEB", 1);
  ::setenv("NETBIOS_DOMAIN_NAME", std::string(kDomain).c_str(), 1);
  OM_uint32 minor = 0;
  gss_OID_set_desc ntlm = {1, &g_ntlm};
  gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
  if (gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &ntlm, GSS_C_ACCEPT, &credential,
                       nullptr, nullptr) != GSS_S_COMPLETE) {
    return {nullptr, "package gss-ntlmssp is missing; GSS_MECH_CONFIG names no other"};
  }
  std::string lines;
  for (std::size_t account = 0; account < accounts; ++account) {
    lines += std::string(kDomain) + ":" + user_name(account) + ":" +
             std::string(kPassword.begin(), kPassword.end()) + "\n";
  }
  return {std::make_unique<GssAcceptor>(credential, lines), {}};
}

}  // namespace usher::bench
