// MIT's gss_accept_sec_context over a minted keytab: the independent judge of the mint's tokens in
// tests, and the yardstick in benches.
#pragma once

#include <gssapi/gssapi.h>
#include <krb5.h>

#include <cstdint>
#include <string>

#include "tools/mint/octets.h"

namespace usher::mint {

// MitAcceptor holds one acceptor credential with the replay cache off. Not for threads. It points
// KRB5_CONFIG at an empty file, for the whole process: the machine's configuration must not judge.
class MitAcceptor {
 public:
  // Kept is where MIT finds the keytab: in a file, which it reads at every accept, as servers have
  // it; or in the process's memory (MEMORY:), read once.
  enum class Kept : std::uint8_t { kFile, kMemory };

  // Writes `keytab` (keytab_image) into a temporary file; throws if MIT refuses it.
  explicit MitAcceptor(Bytes keytab, Kept kept = Kept::kFile);
  ~MitAcceptor();
  MitAcceptor(const MitAcceptor&) = delete;
  MitAcceptor& operator=(const MitAcceptor&) = delete;

  struct Reply {
    bool established = false;
    bool continue_needed = false;
    std::string error;  // MIT's words, if neither of the two.
    Octets token;
    std::string client;  // "alice@EXAMPLE.TEST", once established.
    std::uint32_t flags = 0;
  };
  // accept is one leg; the context stays until forget, so that a second leg can follow.
  Reply accept(Bytes token);
  void forget() noexcept;

  // get_mic and verify_mic use the established context.
  Octets get_mic(Bytes message);
  bool verify_mic(Bytes message, Bytes mic);

  // accept_and_forget is the bare calls, for timing: whether MIT signed the client on, alone.
  bool accept_and_forget(Bytes token) noexcept;

 private:
  // copy_to_memory gives the name of a keytab in memory with what is in the file.
  std::string copy_to_memory(const std::string& file);
  void free_memory() noexcept;

  std::string path_;
  krb5_context krb5_ = nullptr;   // Only with a keytab in memory, which
  krb5_keytab memory_ = nullptr;  // lasts as long as somebody holds it.
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
};

}  // namespace usher::mint
