// Times Heimdal's accepts of the tokens in a file that accept_time has made; prints one JSON
// object. A program of its own: Heimdal's libraries have the names of MIT's, and its functions,
// too.
//
//   accept_time_heimdal FILE [--count N] [--passes N]
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_krb5.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "bench/timing.h"
#include "bench/tokens.h"

namespace usher::bench {
namespace {

constexpr char kUsage[] = "usage: accept_time_heimdal FILE [--count N] [--passes N]\n";
constexpr std::size_t kBlock = 64;

// Heimdal is its acceptor with a keytab in a file, without a replay cache. Not for threads.
class Heimdal {
 public:
  explicit Heimdal(Bytes keytab) {
    path_ = (std::filesystem::temp_directory_path() / "usher-bench-XXXXXX").string();
    const int file = mkstemp(path_.data());
    mint::require(file >= 0, "no temporary file");
    const ssize_t written = write(file, keytab.data(), keytab.size());
    close(file);
    mint::require(written == static_cast<ssize_t>(keytab.size()), "the keytab is not written");
    setenv("KRB5_CONFIG", "/dev/null", 1);
    OM_uint32 minor = 0;
    const std::string name = "FILE:" + path_;
    mint::require(
        gsskrb5_register_acceptor_identity(name.c_str()) == GSS_S_COMPLETE &&
            gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET,
                             GSS_C_ACCEPT, &credential_, nullptr, nullptr) == GSS_S_COMPLETE,
        "Heimdal refuses the keytab");
  }
  ~Heimdal() {
    OM_uint32 minor = 0;
    gss_release_cred(&minor, &credential_);
    unlink(path_.c_str());
  }
  Heimdal(const Heimdal&) = delete;
  Heimdal& operator=(const Heimdal&) = delete;

  // accept signs one client on and forgets it; the answer is left in `reply`, if there is one.
  bool accept(Bytes token, mint::Octets* reply = nullptr) {
    gss_buffer_desc input = {token.size(), const_cast<std::uint8_t*>(token.data())};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_name_t source = GSS_C_NO_NAME;
    OM_uint32 minor = 0;
    const OM_uint32 major =
        gss_accept_sec_context(&minor, &context, credential_, &input, GSS_C_NO_CHANNEL_BINDINGS,
                               &source, nullptr, &output, nullptr, nullptr, nullptr);
    if (reply != nullptr) {
      const auto* const octets = static_cast<const std::uint8_t*>(output.value);
      reply->assign(octets, octets + output.length);
    }
    gss_release_buffer(&minor, &output);
    gss_release_name(&minor, &source);
    gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
    return major == GSS_S_COMPLETE;
  }

 private:
  std::string path_;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
};

int run(const char* file, const Flags& flags) {
  const KerberosTokens tokens = KerberosTokens::load(file);
  const std::size_t count =
      flags["count"] == 0 ? tokens.size() : std::min(flags["count"], tokens.size());
  Heimdal heimdal(mint::keytab_image(std::span(&tokens.service(), 1)));
  mint::Octets reply;
  mint::require(heimdal.accept(tokens.token(0), &reply) && tokens.proves(reply),
                "Heimdal refuses the first token, or answers wrongly");
  Blocks blocks;
  for (std::size_t pass = 0; pass < flags["passes"]; ++pass) {
    for (std::size_t at = 0; at + kBlock <= count; at += kBlock) {
      std::size_t established = 0;
      const double before = thread_ns();
      for (std::size_t n = at; n < at + kBlock; ++n) {
        established += heimdal.accept(tokens.token(n)) ? 1u : 0u;
      }
      blocks.add((thread_ns() - before) / double{kBlock});
      mint::require(established == kBlock, "Heimdal refuses a token");
    }
  }
  mint::require(!blocks.empty(), "too few tokens");
  blocks.print("heimdal", count * flags["passes"], "");
  return 0;
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(usher::bench::kUsage, stderr);
    return 2;
  }
  try {
    return usher::bench::run(
        argv[1], {argv + 2, argv + argc, {{"count", 0}, {"passes", 1}}, usher::bench::kUsage});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "accept_time_heimdal: %s\n", error.what());
    return 1;
  }
}
