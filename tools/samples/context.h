// SSPI's handles as C++ has them: freed when they go, and errors are exceptions.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <security.h>
#include <usher/acceptor.h>
#include <windows.h>

namespace sample {

inline constexpr std::size_t kMessageMax = 65536;             // Bytes of plaintext.
inline constexpr std::size_t kFrameMax = kMessageMax + 1024;  // A sealed message, or a token.

// What is asked for, and what has to be granted. Here, asking for protection requires it, and a
// client that does not negotiate it is refused; elsewhere it only asks. With an extended error the
// client is told why it is refused.
inline constexpr ULONG kRequest = ASC_REQ_CONFIDENTIALITY | ASC_REQ_INTEGRITY |
                                  ASC_REQ_REPLAY_DETECT | ASC_REQ_SEQUENCE_DETECT |
                                  ASC_REQ_EXTENDED_ERROR;
inline constexpr ULONG kNeeded =
    ASC_RET_CONFIDENTIALITY | ASC_RET_INTEGRITY | ASC_RET_REPLAY_DETECT | ASC_RET_SEQUENCE_DETECT;
inline void must_protect(ULONG granted) {
  if ((granted & kNeeded) != kNeeded) {
    throw std::runtime_error("refused: its messages would not be protected");
  }
}

// refusal is an error in the library's own words. To be called at once: they are those of the
// thread's last refusal.
inline std::runtime_error refusal(std::string_view what, SECURITY_STATUS status) {
  std::ostringstream text;
  text << what << ": " << usher_last_refusal() << " (0x" << std::hex << std::uppercase
       << static_cast<ULONG>(status) << ')';
  return std::runtime_error(text.str());
}
inline void must(SECURITY_STATUS status, std::string_view what) {
  if (FAILED(status)) {
    throw refusal(what, status);
  }
}

// Freed is memory that the library has allocated.
struct Free {
  void operator()(void* memory) const { FreeContextBuffer(memory); }
};
template <class T>
using Freed = std::unique_ptr<T, Free>;

// Credential is what all clients are accepted with.
class Credential {
 public:
  Credential(const char* package, USHER_ACCEPTOR acceptor) {
    // The A function: names from a command line are UTF-8, whatever UNICODE is.
    must(AcquireCredentialsHandleA(nullptr, package, SECPKG_CRED_INBOUND, nullptr, &acceptor,
                                   nullptr, nullptr, &handle_, nullptr),
         "cannot acquire a credential");
  }
  Credential(const Credential&) = delete;
  Credential& operator=(const Credential&) = delete;
  ~Credential() { FreeCredentialsHandle(&handle_); }
  PCredHandle get() { return &handle_; }

 private:
  CredHandle handle_;
};

// Context is a client's security context, from its first token to its last message. One thread at a
// time.
class Context {
 public:
  Context() { SecInvalidateHandle(&handle_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    if (SecIsValidHandle(&handle_)) {
      DeleteSecurityContext(&handle_);
    }
  }

  // old and fresh are AcceptSecurityContext's phContext and phNewContext.
  PCtxtHandle old() { return SecIsValidHandle(&handle_) ? &handle_ : nullptr; }
  PCtxtHandle fresh() { return &handle_; }

  // client is who has signed on, and by which package; asks for what seal needs, too.
  std::string client() {
    SecPkgContext_NamesA names{};
    SecPkgContext_PackageInfoA package{};
    must(QueryContextAttributesA(&handle_, SECPKG_ATTR_NAMES, &names), "no name");
    const Freed<CHAR> name(names.sUserName);
    must(QueryContextAttributesA(&handle_, SECPKG_ATTR_PACKAGE_INFO, &package), "no package");
    const Freed<SecPkgInfoA> info(package.PackageInfo);
    must(QueryContextAttributes(&handle_, SECPKG_ATTR_SIZES, &sizes_), "no sizes");
    return std::string(name.get()) + " by " + info->Name;
  }

  // open decrypts a message in place and returns the part of it that is plaintext.
  std::span<BYTE> open(std::span<BYTE> sealed) {
    std::array buffers = {
        SecBuffer{static_cast<ULONG>(sealed.size()), SECBUFFER_STREAM, sealed.data()},
        SecBuffer{0, SECBUFFER_DATA, nullptr}};
    SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
    ULONG protection = 0;
    must(DecryptMessage(&handle_, &message, 0, &protection), "a message is refused");
    if (protection == SECQOP_WRAP_NO_ENCRYPT || buffers[1].cbBuffer > kMessageMax) {
      throw std::runtime_error("a message is refused: it is not encrypted, or too long");
    }
    return {static_cast<BYTE*>(buffers[1].pvBuffer), buffers[1].cbBuffer};
  }

  // seal returns token, data and padding of a message, which lie in `room`: what GSS_Unwrap wants.
  std::array<SecBuffer, 3> seal(std::span<const BYTE> text, std::vector<BYTE>& room) {
    room.resize(sizes_.cbSecurityTrailer + text.size() + sizes_.cbBlockSize);
    BYTE* const data = room.data() + sizes_.cbSecurityTrailer;
    std::ranges::copy(text, data);
    std::array buffers = {SecBuffer{sizes_.cbSecurityTrailer, SECBUFFER_TOKEN, room.data()},
                          SecBuffer{static_cast<ULONG>(text.size()), SECBUFFER_DATA, data},
                          SecBuffer{sizes_.cbBlockSize, SECBUFFER_PADDING, data + text.size()}};
    SecBufferDesc message{SECBUFFER_VERSION, buffers.size(), buffers.data()};
    must(EncryptMessage(&handle_, 0, &message, 0), "a message cannot be sealed");
    return buffers;
  }

 private:
  CtxtHandle handle_;
  SecPkgContext_Sizes sizes_{};
};

}  // namespace sample
