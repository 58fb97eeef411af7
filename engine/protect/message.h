// Per-message protection once a context is established: the bytes of one message and its token.
// Kerberos: Wrap and MIC tokens of RFC 4121 4.2.6 and, with RC4, of RFC 4757 7.2 and 7.3, laid out
// over several buffers as MS-KILE 3.4.5.4 to 3.4.5.7 has it. NTLM: MS-NLMP 3.4.3 to 3.4.7.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/crypto/kit.h"
#include "engine/crypto/rc4_stream.h"
#include "engine/protect/mic.h"
#include "engine/protect/sequence_window.h"
#include "engine/random.h"
#include "parsers/bytes.h"
#include "parsers/gss.h"

namespace usher::protect {

// What may come of a message. Nothing of one that is not kGood may be used: its kSealed parts are
// wiped, except where nobody has looked at it (kStopped), and where sealing refuses to begin
// (kNotNegotiated, kNoRoom, kMalformed, kNoSuchForm).
enum class MessageOutcome : std::uint8_t {
  kGood,
  kMalformed,      // No token of this context's mechanism, its sizes do not fit, too many parts.
  kAltered,        // The checksum is wrong: other key, changed, or from the other side.
  kReplayed,       // Its number was seen before (RFC 2743 1.2.3).
  kOld,            // Its number is too old to tell, or comes after the last there is.
  kGap,            // Not the next one, skipping others or skipped before, and the order counts.
  kNotNegotiated,  // Confidentiality or integrity that the context does not have.
  kNoRoom,         // Sealing: the token's buffer is too small. Nothing was done or counted.
  kStopped,        // Another copy of the context, or the process that forked, goes on in its place;
                   // or all numbers for our messages are used up (NTLM, RC4).
  kNoSuchForm,     // NTLM: a message in the form of a sealed one that stays readable.
  kFailed,         // OpenSSL or the random source failed; the message was not sent or taken.
};

// Part is one piece of a message. What is signed covers all parts in their order, what is sealed
// changes the kSealed ones in place. kSigned parts are neither encrypted nor sent by us: DCE/RPC's
// headers and trailers (MS-RPCE 2.2.2.11; SECBUFFER_READONLY_WITH_CHECKSUM).
struct Part {
  enum class Use : std::uint8_t { kSealed, kSigned };
  Use use = Use::kSealed;
  MutableBytes bytes;
};
inline constexpr std::size_t kMessagePartsMax = 16;

// Sizes of a context's tokens, in bytes: QueryContextAttributes(SECPKG_ATTR_SIZES). 0: it has no
// such tokens.
struct MessageSizes {
  std::uint32_t signature = 0;   // Of every MIC.
  std::uint32_t trailer = 0;     // Of a sealed message's token, at most: with RC4 and without DCE
                                 // style it tells the size of the data and grows with it.
  std::uint32_t block_size = 1;  // What the data of a sealed message is padded to; 1: not at all.
};

// SessionState is how far a Session has come: what another one of the same terms needs to go on in
// its place. It holds NTLM's streams, which are as secret as keys.
struct SessionState {
  bool begun = false;              // A message was made or taken; who goes on has begun, too.
  std::uint64_t sent_count = 0;    // Messages made.
  SequenceWindow::Place received;  // The peer's. NTLM takes only the next one: `seen` is empty.
  bool has_streams = false;        // NTLM with extended session security has them, and nobody else.
  crypto::Rc4Stream send_stream;
  crypto::Rc4Stream receive_stream;
};

// SessionTerms say what the two sides of a context agreed on. `flags` decide what is there: sealing
// needs kConfidentiality; signing kIntegrity, or another one that is nothing without it; replays
// are looked for with kReplay or kSequence, and order counts with kSequence. With `dce_style`
// tokens are laid out and padded for RPC. NTLM always wants its messages in order, and has neither
// signing nor sealing without extended session security.
//
// A mechListMIC takes a number: after one, the sequences begin one later, NTLM's at 1 (its RC4
// streams from their start again, MS-SPNG 3.3.5.1).
struct SessionTerms {
  bool ntlm = false;
  KerberosMicKey kerberos;  // Valid while make runs only.
  NtlmMicKey ntlm_key;      // Likewise.
  gss::ContextFlags flags{};
  bool dce_style = false;
  std::uint64_t send_sequence = 0;      // Of our first message.
  std::uint64_t receive_sequence = 0;   // Of the peer's first.
  Sender self = Sender::kAcceptor;      // Which side we are.
  const SessionState* state = nullptr;  // Where to go on; null: at the start. While make runs only.
};

// sizes_of is what sizes() of a Session of such terms says. Nobody has to make one for that: no key
// is looked at.
[[nodiscard]] MessageSizes sizes_of(const SessionTerms& terms) noexcept;

// has_streams says whether the state of such a Session has streams: make wants that to fit.
[[nodiscard]] bool has_streams(const SessionTerms& terms) noexcept;

// repeats_key_stream says whether two Sessions of such terms that both send would encrypt different
// messages with one key stream, so that who listens learns the difference of what they say: NTLM's
// stream (MS-NLMP 3.4.3), and RC4's with Kerberos, where a message's key depends on nothing but the
// context's key and the message's number (RFC 4757 7.3). With AES each message begins with random
// bytes of its own (RFC 4121 4.2.4), and two Sessions only get into the way of each other's
// numbers.
[[nodiscard]] bool repeats_key_stream(const SessionTerms& terms) noexcept;

// Session protects the messages of one established context. Any number of threads may use it at
// once: sealing and signing take turns among themselves, as do opening and verifying, and neither
// waits for the other (Windows asks its callers for that). A Session is made at a context's first
// message, on the heap, and is nobody's business while there is none. It takes 14 KiB, nearly all
// of it a Kit for each direction, and allocates nothing afterwards.
//
// Keys are derived once, in make, and wiped with the Session.
class Session;
using SessionShare = std::shared_ptr<Session>;  // Null, it costs nothing.
class Session {
 public:
  // make returns null if memory or OpenSSL fails.
  [[nodiscard]] static SessionShare make(const SessionTerms& terms) noexcept;
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] virtual MessageSizes sizes() const noexcept = 0;

  // seal encrypts the kSealed parts in place, takes the next number, and writes the token, whose
  // size is `token_size`, to the front of `token`; `padding` gets what stands behind the data, of
  // which `padding_size` bytes are used: one with RC4 and without DCE style (RFC 4757 7.3), else
  // none, and it may be empty. On the wire a message is token, data, padding. With `encrypt` false
  // the message is signed in the same form and stays readable (SECQOP_WRAP_NO_ENCRYPT); NTLM has no
  // such form: what is opened where sealing was negotiated must have been sealed.
  // kGood, kNotNegotiated, kNoRoom, kMalformed or kFailed.
  struct Sealed {
    MessageOutcome outcome = MessageOutcome::kFailed;
    std::size_t token_size = 0;
    std::size_t padding_size = 0;
  };
  [[nodiscard]] virtual Sealed seal(std::span<const Part> parts, bool encrypt, MutableBytes token,
                                    MutableBytes padding) noexcept = 0;

  // open is seal's other way round, for the peer's messages: `token` and the parts as they came.
  // `encrypted` says whether they were sealed. If RC4's padding is not in `padding`, it is the end
  // of the last kSealed part: `padding_in_data` bytes there are no message.
  struct Opened {
    MessageOutcome outcome = MessageOutcome::kFailed;
    bool encrypted = false;
    std::size_t padding_in_data = 0;
  };
  [[nodiscard]] virtual Opened open(std::span<const Part> parts, MutableBytes token,
                                    Bytes padding) noexcept = 0;

  // open_stream opens a message that is one piece, token in front (GSS_Wrap's output;
  // SECBUFFER_STREAM), in place: `data` is where its plaintext then lies in `message`.
  struct OpenedStream {
    MessageOutcome outcome = MessageOutcome::kFailed;
    bool encrypted = false;
    MutableBytes data;
  };
  [[nodiscard]] virtual OpenedStream open_stream(MutableBytes message) noexcept = 0;

  // sign and verify make and check MIC tokens over all parts; the parts stay as they are. sign's
  // outcomes are seal's.
  [[nodiscard]] virtual Sealed sign(std::span<const Part> parts, MutableBytes token) noexcept = 0;
  [[nodiscard]] virtual MessageOutcome verify(std::span<const Part> parts,
                                              Bytes token) noexcept = 0;

  // save copies how far the Session has come, at a moment between two messages. From that moment on
  // it does not send, or neither sends nor receives, if `stop` says so: all that is kStopped, so
  // that whoever goes on from `out` does so alone. resume takes that back if nobody will. False: it
  // was stopped before, somebody else has gone on, and `out` is as it was.
  //
  // In a child of fork, _Fork or clone everything of a Session that is older is kStopped, from the
  // first moment on: its parent goes on, and two could only repeat each other's key streams and
  // numbers.
  enum class Stop : std::uint8_t { kNothing, kSending, kEverything };
  [[nodiscard]] virtual bool save(SessionState& out, Stop stop) noexcept = 0;
  // save_fresh is save for who begins anew: if the Session has begun, which out.begun says, it goes
  // on as before, and was not stopped for a moment.
  [[nodiscard]] virtual bool save_fresh(SessionState& out, Stop stop) noexcept = 0;
  virtual void resume() noexcept = 0;

 protected:
  Session() = default;
};

}  // namespace usher::protect
