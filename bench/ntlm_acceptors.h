// The servers that ntlm_bench compares, behind one interface: Usher, WinPR and gss-ntlmssp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tools/mint/octets.h"

namespace usher::bench {

inline constexpr std::size_t kSeats = 64;  // Clients between their two legs at a time.
inline constexpr std::string_view kDomain = "EXAMPLE";
inline constexpr std::u16string_view kPassword = u"Al1ce-Passw0rd";

// user_name is the name of an account, by its number: all have the same size and password.
std::string user_name(std::size_t account);

// What an acceptor signs, to show that it has the client's session key.
inline constexpr std::string_view kSignedText = "signed with the session key";

// SignedOn is what an acceptor says about a client it has let in.
struct SignedOn {
  std::string user;    // UTF-8.
  mint::Octets mic{};  // Of kSignedText, sequence number 0 (MS-NLMP 3.4.4.2).
};

// NtlmAcceptor serves kSeats clients at a time, each with both of its messages. challenge, finish
// and end are the bare calls, for timing. Not for threads.
class NtlmAcceptor {
 public:
  NtlmAcceptor() = default;
  virtual ~NtlmAcceptor() = default;
  NtlmAcceptor(const NtlmAcceptor&) = delete;
  NtlmAcceptor& operator=(const NtlmAcceptor&) = delete;

  // begin_round makes the settings of the process its own, for the calls that follow.
  virtual void begin_round() {}
  // challenge answers a client's first token and returns the answer's size; 0: refused.
  [[nodiscard]] virtual std::size_t challenge(std::size_t seat, Bytes token,
                                              MutableBytes answer) = 0;
  // finish takes its second token and says whether it is let in.
  [[nodiscard]] virtual bool finish(std::size_t seat, Bytes token) = 0;
  // signed_on may be asked once after finish.
  [[nodiscard]] virtual SignedOn signed_on(std::size_t seat) = 0;
  // end gives the seat back, whatever became of its client.
  virtual void end(std::size_t seat) noexcept = 0;
};

// Made is an acceptor that knows the accounts 0 to `accounts` - 1, or why there is none. Any may
// throw if what is installed cannot be used at all.
struct Made {
  std::unique_ptr<NtlmAcceptor> acceptor;
  std::string left_out;  // Then: in words for people.
};
Made make_usher(std::size_t accounts);

// WinPR reads an accounts file (SAM) anew for every client, or is told the one hash that counts.
enum class WinprAccounts { kHash, kFile };
Made make_winpr(std::size_t accounts, WinprAccounts kind);

// gss-ntlmssp is a mechanism of MIT's GSS-API: GSS_MECH_CONFIG may name a file that says where its
// library is. It reads the file NTLM_USER_FILE names anew for every client.
Made make_gss_ntlmssp(std::size_t accounts);

// Scratch is a file only its owner can read, gone at the end of its life.
class Scratch {
 public:
  // Nothing to write makes no file, and an empty path. Throws if it cannot be written.
  explicit Scratch(std::string_view contents);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace usher::bench
