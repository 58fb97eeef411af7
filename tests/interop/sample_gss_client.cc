// A client of tools/samples with the GSS-API: SPNEGO, Kerberos, and messages by gss_wrap. Built
// twice, with MIT's library and with Heimdal's: no process can have both.
//
//   sample_gss_client --port N --messages N --service PRINCIPAL [--end WORD]
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_krb5.h>

#include <memory>

#include "tests/interop/sample_client.h"

namespace {

using usher::testing::Octets;

gss_OID_desc g_spnego = {6, const_cast<char*>("\x2b\x06\x01\x05\x05\x02")};

constexpr OM_uint32 kWanted = GSS_C_MUTUAL_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG |
                              GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG;

class GssClient {
 public:
  explicit GssClient(const std::string& service) {
    gss_buffer_desc name = {service.size(), const_cast<char*>(service.data())};
    OM_uint32 minor = 0;
    must("no such name", gss_import_name(&minor, &name, GSS_KRB5_NT_PRINCIPAL_NAME, &target_),
         minor);
  }
  ~GssClient() {
    OM_uint32 minor = 0;
    gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
    gss_release_name(&minor, &target_);
  }
  GssClient(const GssClient&) = delete;
  GssClient& operator=(const GssClient&) = delete;

  Octets step(const Octets& token) {
    gss_buffer_desc input = buffer_of(token);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_init_sec_context(
        &minor, GSS_C_NO_CREDENTIAL, &context_, target_, &g_spnego, kWanted, GSS_C_INDEFINITE,
        GSS_C_NO_CHANNEL_BINDINGS, &input, nullptr, &output, &granted_, nullptr);
    must("no sign-on", major, minor);
    complete_ = major == GSS_S_COMPLETE;
    return take(output);
  }
  [[nodiscard]] bool complete() const { return complete_; }

  Octets seal(const Octets& message, bool encrypted) {
    gss_buffer_desc input = buffer_of(message);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    int is_encrypted = 0;
    must("no wrap",
         gss_wrap(&minor, context_, encrypted, GSS_C_QOP_DEFAULT, &input, &is_encrypted, &output),
         minor);
    if ((is_encrypted != 0) != encrypted) {
      throw std::runtime_error("gss_wrap does not encrypt");
    }
    return take(output);
  }
  Octets open(const Octets& sealed) {
    gss_buffer_desc input = buffer_of(sealed);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    int is_encrypted = 0;
    const OM_uint32 major = gss_unwrap(&minor, context_, &input, &output, &is_encrypted, nullptr);
    must("no unwrap", major, minor);
    if (major != GSS_S_COMPLETE || is_encrypted == 0) {
      throw std::runtime_error("an answer is out of sequence, or not encrypted");
    }
    return take(output);
  }
  void report() const {
    if ((granted_ & kWanted) != kWanted) {
      throw std::runtime_error("the library does not grant what was asked for");
    }
    std::cout << "mutual=yes\n";
  }

 private:
  static gss_buffer_desc buffer_of(const Octets& octets) {
    return {octets.size(), const_cast<std::uint8_t*>(octets.data())};
  }
  static Octets take(gss_buffer_desc& buffer) {
    const auto* const data = static_cast<const std::uint8_t*>(buffer.value);
    Octets octets(data, data + buffer.length);
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &buffer);
    return octets;
  }
  static void must(const char* what, OM_uint32 major, OM_uint32 minor) {
    if (!GSS_ERROR(major)) {
      return;
    }
    OM_uint32 more = 0;
    OM_uint32 ignored = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    gss_display_status(&ignored, minor, GSS_C_MECH_CODE, GSS_C_NO_OID, &more, &text);
    const Octets octets = take(text);
    throw std::runtime_error(std::string(what) + ": " + std::string(octets.begin(), octets.end()) +
                             ", major " + std::to_string(major));
  }

  gss_name_t target_ = GSS_C_NO_NAME;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
  OM_uint32 granted_ = 0;
  bool complete_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  return usher::testing::client_main(
      argc, argv, [](auto& options) { return std::make_unique<GssClient>(options["service"]); });
}
