// NTLM through the GSS-API. Built twice, with MIT's library, for which gss-ntlmssp is a plug-in,
// and with Heimdal's, which has its own NTLM: no process can have both.
//
//   gss raw|spnego TARGET
//
// Both find DOMAIN:USER:PASSWORD in the file NTLM_USER_FILE; Heimdal looks for a DOMAIN that is the
// TARGET's, as in HTTP@DOMAIN.
#include <gssapi/gssapi.h>

#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

#include "tests/interop/ntlm_clients/token_lines.h"

namespace {

using usher::testing::Octets;

gss_OID_desc g_ntlm = {10, const_cast<char*>("\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a")};
gss_OID_desc g_spnego = {6, const_cast<char*>("\x2b\x06\x01\x05\x05\x02")};

std::string text_of(OM_uint32 status, int kind, gss_OID mechanism) {
  OM_uint32 more = 0;
  OM_uint32 minor = 0;
  gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
  gss_display_status(&minor, status, kind, mechanism, &more, &text);
  const std::string copy(static_cast<const char*>(text.value), text.length);
  gss_release_buffer(&minor, &text);
  return copy.c_str();  // MIT counts a NUL at the end, too.
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: gss raw|spnego TARGET\n";
    return 2;
  }
  gss_OID mechanism = std::string_view(argv[1]) == "spnego" ? &g_spnego : &g_ntlm;
  OM_uint32 minor = 0;
  gss_name_t target = GSS_C_NO_NAME;
  gss_buffer_desc name = {std::strlen(argv[2]), argv[2]};
  gss_import_name(&minor, &name, GSS_C_NT_HOSTBASED_SERVICE, &target);
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  usher::testing::answer_lines([&](Octets token) {
    gss_buffer_desc input = {token.size(), token.data()};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    const OM_uint32 major = gss_init_sec_context(
        &minor, GSS_C_NO_CREDENTIAL, &context, target, mechanism, GSS_C_INTEG_FLAG,
        GSS_C_INDEFINITE, GSS_C_NO_CHANNEL_BINDINGS, &input, nullptr, &output, nullptr, nullptr);
    std::string line = GSS_ERROR(major)
                           ? "failed " + text_of(major, GSS_C_GSS_CODE, mechanism) + ": " +
                                 text_of(minor, GSS_C_MECH_CODE, mechanism)
                           : usher::testing::line_of(
                                 major == GSS_S_COMPLETE,
                                 {static_cast<const std::uint8_t*>(output.value), output.length});
    gss_release_buffer(&minor, &output);
    return line;
  });
  gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
  gss_release_name(&minor, &target);
}
