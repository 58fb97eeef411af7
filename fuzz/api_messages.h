// Messages of fuzz_api.cc's contexts: MakeSignature, VerifySignature, EncryptMessage and
// DecryptMessage with buffers of every kind, and a peer that has the client's half of each context.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <vector>

#include "engine/protect/message.h"
#include "fuzz/api_caller.h"

namespace usher::fuzz {

using protect::MessageOutcome;
using protect::Part;
using protect::SessionShare;

// expected_of_context is the status of a call that wants a complete context.
inline SECURITY_STATUS expected_of_context(const Exchange& exchange) {
  return !exchange.live()                        ? SEC_E_INVALID_HANDLE
         : exchange.state == State::kEstablished ? SEC_E_OK
                                                 : SEC_E_OUT_OF_SEQUENCE;
}

// Messages is what the model knows of a context's: it goes with the context if that is packed.
struct Messages {
  CtxtHandle of = invalid_handle();
  SessionShare peer;  // The client's side, made before the first message.
  SecPkgContext_Sizes sizes{};
  bool begun = false;    // A message was made or taken.
  bool stopped = false;  // Its other copy goes on, and the library sees to that.
  bool idle = false;     // Its other copy goes on, and the model sees to that.
};

// Fault is one thing that is wrong with a list of buffers, or none.
enum class Fault : std::uint8_t {
  kNone,
  kManyParts,    // As many as there may be, of all sizes, one of them for signing only.
  kBogusUnread,  // Buffers that are not looked at have no memory where they say.
  kEmptyParts,   // Data of no size, with a null pointer.
  kHugeRoom,     // The token's buffer says 2^32 - 1.
  kNoList,
  kNoBuffers,  // A count, but no array.
  kVersion,
  kNothing,  // No buffer at all.
  kNoToken,
  kTwoTokens,
  kTwoPaddings,
  kOddType,
  kDataWithoutMemory,
  kTokenWithoutMemory,
  kTooManyParts,
  kSmallRoom,
  kStreamToo,
  kTokenReadOnly,
};
inline constexpr std::size_t kFaults = 19;
inline constexpr std::size_t kGoodFaults = 5;  // So many at the front are none.

inline SECURITY_STATUS refusal_of(Fault fault) {
  switch (fault) {
    case Fault::kNone:
    case Fault::kManyParts:
    case Fault::kBogusUnread:
    case Fault::kEmptyParts:
    case Fault::kHugeRoom:
      return SEC_E_OK;
    case Fault::kNoList:
    case Fault::kNoBuffers:
    case Fault::kDataWithoutMemory:
    case Fault::kTokenWithoutMemory:
      return SEC_E_INVALID_PARAMETER;
    case Fault::kSmallRoom:
      return SEC_E_BUFFER_TOO_SMALL;
    default:
      return SEC_E_INVALID_TOKEN;
  }
}

// MessageCall is one call's buffers, each of exactly its size: a byte behind one is found out.
class MessageCall {
 public:
  MessageCall(Script& script, const Messages& messages, Fault fault, bool is_sealed)
      : fault_(fault) {
    const std::uint32_t room =
        is_sealed ? messages.sizes.cbSecurityTrailer : messages.sizes.cbMaxSignature;
    token_at_ = add(SECBUFFER_TOKEN, Octets(fault == Fault::kSmallRoom ? room / 2 : room));
    const Bytes text = script.chunk();
    add(SECBUFFER_DATA, mint::octets_of(text));
    if (fault == Fault::kManyParts) {
      for (std::size_t i = 1; i < protect::kMessagePartsMax; ++i) {
        add(i == 3 ? SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM : SECBUFFER_DATA,
            Octets(i * i, script.byte()));
      }
    }
    padding_at_ = add(SECBUFFER_PADDING, Octets(messages.sizes.cbBlockSize));
    spoil(script);
  }
  MessageCall(const MessageCall&) = delete;
  MessageCall& operator=(const MessageCall&) = delete;

  PSecBufferDesc list() {
    list_ = {fault_ == Fault::kVersion ? 1 : SECBUFFER_VERSION,
             static_cast<std::uint32_t>(buffers_.size()), buffers_.data()};
    if (fault_ == Fault::kNoBuffers) {
      list_.pBuffers = nullptr;
    }
    return fault_ == Fault::kNoList ? nullptr : &list_;
  }

  // token and padding are what a call has made of theirs.
  [[nodiscard]] MutableBytes token() const {
    return {memory_[token_at_].get(), std::min(buffers_[token_at_].cbBuffer, sizes_[token_at_])};
  }
  [[nodiscard]] MutableBytes padding() const {
    return {memory_[padding_at_].get(), buffers_[padding_at_].cbBuffer};
  }
  // parts are what the message consists of, as Session has it.
  [[nodiscard]] std::vector<Part> parts() const {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      const std::uint32_t type = buffers_[i].BufferType;
      const bool is_signed = (type & SECBUFFER_READONLY_WITH_CHECKSUM) != 0;
      if ((type & ~SECBUFFER_ATTRMASK) == SECBUFFER_DATA && (type & SECBUFFER_READONLY) == 0) {
        parts.push_back({is_signed ? Part::Use::kSigned : Part::Use::kSealed,
                         MutableBytes(memory_[i].get(), sizes_[i])});
      }
    }
    return parts;
  }
  // is_as_it_was compares all memory with what it was before the call.
  [[nodiscard]] bool is_as_it_was() const {
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      if (!std::ranges::equal(std::span(memory_[i].get(), sizes_[i]), before_[i])) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool data_is_as_it_was() const {
    const Octets now = data_of(false);
    return std::ranges::equal(now, data_of(true));
  }
  [[nodiscard]] std::size_t data_size() const { return data_of(true).size(); }

 private:
  std::size_t add(std::uint32_t type, Octets contents) {
    auto memory = std::make_unique<std::uint8_t[]>(contents.size());
    std::ranges::copy(contents, memory.get());
    buffers_.push_back({static_cast<std::uint32_t>(contents.size()), type, memory.get()});
    sizes_.push_back(static_cast<std::uint32_t>(contents.size()));
    memory_.push_back(std::move(memory));
    before_.push_back(std::move(contents));
    return buffers_.size() - 1;
  }

  // spoil puts the fault in. What it adds lies behind what memory_ has.
  void spoil(Script& script) {
    static std::array<std::uint8_t, 8> spare{};
    auto* const nowhere = reinterpret_cast<void*>(std::uintptr_t{16});
    const auto again = [&](std::uint32_t type) {
      buffers_.push_back({spare.size(), type, spare.data()});
    };
    switch (fault_) {
      case Fault::kBogusUnread:
        buffers_.push_back({0xffffffff, SECBUFFER_DATA | SECBUFFER_READONLY, nowhere});
        buffers_.push_back({0x80000000, SECBUFFER_EMPTY, nowhere});
        return;
      case Fault::kEmptyParts:
        buffers_.push_back({0, SECBUFFER_DATA, nullptr});
        return;
      case Fault::kHugeRoom:
        buffers_[token_at_].cbBuffer = 0xffffffff;
        return;
      case Fault::kNothing:
        buffers_.clear();
        return;
      case Fault::kNoToken:
        buffers_[token_at_].BufferType = SECBUFFER_EMPTY;
        return;
      case Fault::kTwoTokens:
        return again(SECBUFFER_TOKEN);
      case Fault::kTwoPaddings:
        return again(SECBUFFER_PADDING);
      case Fault::kStreamToo:
        return again(SECBUFFER_STREAM);
      case Fault::kOddType: {
        constexpr std::array<std::uint32_t, 8> kOdd = {
            SECBUFFER_PKG_PARAMS,    SECBUFFER_MISSING,  SECBUFFER_EXTRA,
            SECBUFFER_STREAM_HEADER, SECBUFFER_MECHLIST, SECBUFFER_CHANNEL_BINDINGS,
            SECBUFFER_ALERT,         0x0fffffff};
        return again(kOdd[script.byte() % kOdd.size()]);
      }
      case Fault::kDataWithoutMemory:
        buffers_.push_back({1u << script.byte() % 32, SECBUFFER_DATA, nullptr});
        return;
      case Fault::kTokenWithoutMemory:
        buffers_[token_at_] = {0xffffffff, SECBUFFER_TOKEN, nullptr};
        return;
      case Fault::kTooManyParts:
        for (std::size_t i = 0; i < protect::kMessagePartsMax; ++i) {
          again(SECBUFFER_DATA);
        }
        return;
      case Fault::kTokenReadOnly:
        buffers_[token_at_].BufferType |= SECBUFFER_READONLY;
        return;
      default:
        return;
    }
  }

  [[nodiscard]] Octets data_of(bool before) const {
    Octets out;
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      if (buffers_.size() > i && buffers_[i].BufferType == SECBUFFER_DATA) {
        const auto* const from = before ? before_[i].data() : memory_[i].get();
        out.insert(out.end(), from, from + sizes_[i]);
      }
    }
    return out;
  }

  Fault fault_;
  std::vector<std::unique_ptr<std::uint8_t[]>> memory_;
  std::vector<std::uint32_t> sizes_;
  std::vector<Octets> before_;
  std::vector<SecBuffer> buffers_;
  SecBufferDesc list_{};
  std::size_t token_at_ = 0;
  std::size_t padding_at_ = 0;
};

// make_peer gives the client's side of a complete context, from where its messages begin.
inline SessionShare make_peer(const CtxtHandle& handle) {
  SessionShare peer;
  const Status status = sspi::running_engine()->inspect(
      sspi::read_context_handle(&handle), [&peer](const auth::Context& context) {
        protect::SessionTerms terms = context.session_terms();
        std::swap(terms.send_sequence, terms.receive_sequence);
        terms.self = protect::Sender::kInitiator;
        peer = protect::Session::make(terms);
      });
  check(status == Status::kEstablished && peer != nullptr, "a complete context has a peer");
  return peer;
}

// messages_of finds or begins what the model knows of `exchange`, which is complete.
inline Messages& messages_of(const Exchange& exchange, Messages& known) {
  if (!same(known.of, exchange.handle)) {
    known = {.of = exchange.handle, .peer = make_peer(exchange.handle)};
    CtxtHandle handle = exchange.handle;
    check(QueryContextAttributesA(&handle, SECPKG_ATTR_SIZES, &known.sizes) == SEC_E_OK,
          "a complete context has sizes");
  }
  return known;
}

// make_message signs or seals one message; the peer must take what comes of it.
inline void make_message(const Exchange& exchange, Messages& known, Script& script,
                         bool is_sealed) {
  const SECURITY_STATUS context_status = expected_of_context(exchange);
  static Messages none;
  none.sizes = {.cbMaxToken = 0, .cbMaxSignature = 64, .cbBlockSize = 8, .cbSecurityTrailer = 64};
  Messages& messages = context_status == SEC_E_OK ? messages_of(exchange, known) : none;
  const std::uint8_t how = script.byte();
  const Fault fault = Fault(how < 128 ? how % kGoodFaults : how % kFaults);
  const std::uint32_t qop = how == 127 ? script.byte() + 1u : 0;
  if (messages.idle && refusal_of(fault) == SEC_E_OK) {
    return;  // Its numbers are another's now.
  }
  MessageCall call(script, messages, fault, is_sealed);
  SECURITY_STATUS expected = context_status != SEC_E_OK      ? context_status
                             : refusal_of(fault) != SEC_E_OK ? refusal_of(fault)
                             : qop != 0                      ? SEC_E_QOP_NOT_SUPPORTED
                             : messages.stopped              ? SEC_E_OUT_OF_SEQUENCE
                                                             : SEC_E_OK;
  CtxtHandle handle = exchange.handle;
  const SECURITY_STATUS status =
      (is_sealed ? EncryptMessage : MakeSignature)(&handle, qop, call.list(), script.byte());
  if (messages.stopped && expected == SEC_E_BUFFER_TOO_SMALL) {
    expected = status == SEC_E_OUT_OF_SEQUENCE ? status : expected;  // Either is true.
  }
  check(status == expected, "a message is made when it may be");
  if (status != SEC_E_OK) {
    check(call.is_as_it_was(), "a refusal changes no buffer");
    return;
  }
  messages.begun = true;
  check(is_sealed || call.data_is_as_it_was(), "what is signed stays readable");
  check(!is_sealed || call.data_size() < 16 || !call.data_is_as_it_was(),
        "what is sealed does not");
  const std::vector<Part> parts = call.parts();
  if (!is_sealed) {
    check(messages.peer->verify(parts, call.token()) == MessageOutcome::kGood, "the peer verifies");
    return;
  }
  // What we have made is not what we take: nobody can send it back.
  Octets echo = mint::octets_of(call.token());
  for (const Part& part : parts) {
    echo.insert(echo.end(), part.bytes.begin(), part.bytes.end());
  }
  std::array<SecBuffer, 2> buffers = {
      {{static_cast<std::uint32_t>(echo.size()), SECBUFFER_STREAM, echo.data()},
       {0, SECBUFFER_DATA, nullptr}}};
  SecBufferDesc list{SECBUFFER_VERSION, 2, buffers.data()};
  check(DecryptMessage(&handle, &list, 0, nullptr) < 0, "an echo is no message");
  const protect::Session::Opened opened = messages.peer->open(parts, call.token(), call.padding());
  check(opened.outcome == MessageOutcome::kGood && opened.encrypted, "the peer opens");
  check(call.data_is_as_it_was(), "and has what was said");
}

// take_message gives a context one of the peer's: as it is, changed, or twice.
inline void take_message(const Exchange& exchange, Messages& known, Script& script,
                         bool is_stream) {
  const std::uint8_t how = script.byte();
  Octets text = mint::octets_of(script.chunk());
  const Octets said = text;
  CtxtHandle handle = exchange.handle;
  Octets sealed(64);
  if (expected_of_context(exchange) == SEC_E_OK) {
    Messages& messages = messages_of(exchange, known);
    if (messages.idle || messages.stopped) {
      return;  // The peer's messages are for the other copy.
    }
    Octets token(messages.sizes.cbSecurityTrailer + 64);
    Octets padding(16);
    const Part part{.bytes = text};
    const protect::Session::Sealed made =
        messages.peer->seal(std::span(&part, 1), true, token, padding);
    check(made.outcome == MessageOutcome::kGood, "the peer seals");
    sealed.assign(token.begin(), token.begin() + static_cast<std::ptrdiff_t>(made.token_size));
    const std::size_t head = sealed.size();
    sealed.insert(sealed.end(), text.begin(), text.end());
    sealed.insert(sealed.end(), padding.begin(),
                  padding.begin() + static_cast<std::ptrdiff_t>(made.padding_size));
    const auto give = [&](Octets message, Octets& plain, std::uint32_t& qop) {
      std::array<SecBuffer, 3> stream = {
          {{static_cast<std::uint32_t>(message.size()), SECBUFFER_STREAM, message.data()},
           {0, SECBUFFER_DATA, nullptr},
           {0xffffffff, SECBUFFER_EMPTY, nullptr}}};
      const std::size_t rest = message.size() - head;
      std::array<SecBuffer, 3> in_parts = {
          {{static_cast<std::uint32_t>(rest - made.padding_size), SECBUFFER_DATA,
            message.data() + head},
           {static_cast<std::uint32_t>(made.padding_size), SECBUFFER_PADDING,
            message.data() + message.size() - made.padding_size},
           {static_cast<std::uint32_t>(head), SECBUFFER_TOKEN, message.data()}}};
      std::array<SecBuffer, 3>& buffers = is_stream ? stream : in_parts;
      SecBufferDesc list{SECBUFFER_VERSION, 3, buffers.data()};
      const SECURITY_STATUS status =
          DecryptMessage(&handle, &list, how, how % 3 == 0 ? nullptr : &qop);
      const SecBuffer& data = buffers[is_stream ? 1 : 0];
      const auto* const bytes = static_cast<const std::uint8_t*>(data.pvBuffer);
      check(status != SEC_E_OK || within({bytes, data.cbBuffer}, message),
            "what was said lies in the message");
      plain = status == SEC_E_OK ? Octets(bytes, bytes + data.cbBuffer) : Octets{};
      return status;
    };
    Octets plain;
    std::uint32_t qop = 7;
    if (how >= 128) {
      Octets altered = sealed;
      const std::size_t at = how % altered.size();
      // Not RFC 4121's RRC, which nothing protects: rotated once around, it is the same message.
      altered[at == 6 || at == 7 ? 8 : at] ^= static_cast<std::uint8_t>(1u << how % 8);
      check(give(altered, plain, qop) < 0 && qop == 7, "a message that was changed is refused");
    }
    check(give(sealed, plain, qop) == SEC_E_OK && plain == said, "a peer's message is taken");
    check(qop == (how % 3 == 0 ? 7u : 0u), "and was encrypted");
    messages.begun = true;
    const SECURITY_STATUS again = give(sealed, plain, qop);
    // NTLM's key stream has gone on: what comes twice is not even readable.
    check(again == SEC_E_OUT_OF_SEQUENCE || (exchange.ntlm() && again < 0), "but only once");
  } else {
    SecBuffer buffer{static_cast<std::uint32_t>(sealed.size()), SECBUFFER_STREAM, sealed.data()};
    SecBufferDesc list{SECBUFFER_VERSION, 1, &buffer};
    check(DecryptMessage(&handle, &list, 0, nullptr) == expected_of_context(exchange),
          "nothing is taken without a complete context");
  }
}

// take_junk gives a context what nobody has made; no key opens it, whatever its form.
inline void take_junk(const Exchange& exchange, Script& script) {
  const std::uint8_t how = script.byte();
  Octets token = mint::octets_of(script.chunk());
  Octets data = mint::octets_of(script.chunk());
  const auto size = [](const Octets& octets) { return static_cast<std::uint32_t>(octets.size()); };
  const std::array<std::uint32_t, 4> types = {SECBUFFER_TOKEN, SECBUFFER_STREAM, SECBUFFER_PADDING,
                                              how};
  std::array<SecBuffer, 2> buffers = {
      {{size(token), types[how % 4], token.data()}, {size(data), SECBUFFER_DATA, data.data()}}};
  SecBufferDesc list{SECBUFFER_VERSION, how % 3 == 0 ? 1u : 2u, buffers.data()};
  CtxtHandle handle = exchange.handle;
  std::uint32_t qop = 7;
  const SECURITY_STATUS status =
      (how < 128 ? DecryptMessage : VerifySignature)(&handle, &list, how, &qop);
  const SECURITY_STATUS expected = expected_of_context(exchange);
  check(expected == SEC_E_OK ? status < 0 : status == expected, "junk is no message");
  check(qop == 7 && *usher_last_refusal() != '\0', "and a refusal says why and nothing else");
}

}  // namespace usher::fuzz
