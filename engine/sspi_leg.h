// One call of AcceptSecurityContext from its arguments to its results, without the accept between:
// what the single call, a batch and an asynchronous operation have in common.
#pragma once

#include <cstdint>

#include "engine/sspi_internal.h"
#include "parsers/channel_bindings.h"

namespace usher::sspi {

// AcceptArguments is what the caller passes. All of it is the caller's memory.
struct AcceptArguments {
  const SecHandle* credential = nullptr;
  const SecHandle* context = nullptr;
  const SecBufferDesc* input = nullptr;
  std::uint32_t request = 0;
  SecHandle* new_context = nullptr;
  SecBufferDesc* output = nullptr;
  std::uint32_t* attributes = nullptr;
  TimeStamp* expiry = nullptr;
  bool one_handle = false;  // phContext and phNewContext are the same one.
};

[[nodiscard]] AcceptArguments arguments_of(const USHER_ACCEPT& request) noexcept;

// poison_results fills what the call's results will be written to with kPoison, where that is not
// the token's memory as well: so that a caller sees that it reads them too early. For calls that
// are about to be queued, in builds that assert.
inline constexpr std::uint8_t kPoison = 0xdb;
void poison_results(const AcceptArguments& arguments) noexcept;

// Leg is such a call. In this order: check; prepare; auth::accept with the request; accepted;
// conclude. What is refused before skips to conclude. Statuses other than SEC_E_OK are refusals,
// whose words are the calling thread's last.
class Leg {
 public:
  Leg() noexcept = default;
  explicit Leg(const AcceptArguments& arguments) noexcept : arguments_(arguments) {}

  // check looks at everything that needs neither credential nor token.
  [[nodiscard]] SECURITY_STATUS check() noexcept;

  // prepare fills in `request`, but for asker and tag. `reply` has room for kReplySizeMax bytes,
  // not the caller's, which may be the token's; no more of it is used than the caller has room for.
  [[nodiscard]] SECURITY_STATUS prepare(auth::Desk& desk, auth::Credential& credential,
                                        MutableBytes reply, auth::AcceptRequest& request) noexcept;

  // accepted takes what auth::accept has answered, which is not kAsked, and hands the reply over.
  [[nodiscard]] SECURITY_STATUS accepted(const auth::AcceptReply& reply,
                                         Bytes reply_bytes) noexcept;

  // conclude tells the caller what the call came to, `status`, and sees to it that no context
  // remains of one that was refused. `engine` may be null if none was ever made. Returns `status`.
  SECURITY_STATUS conclude(SECURITY_STATUS status, const Engine* engine) noexcept;

 private:
  // Input is what pInput brings. Views lie in the caller's memory.
  struct Input {
    Bytes token;  // Empty for none.
    bool has_bindings = false;
    channel::SecChannelBindings bindings{};
  };
  // ReplyRoom is where the reply goes. From the moment it is found it says "no reply".
  struct ReplyRoom {
    SecBuffer* buffer = nullptr;  // Null: the caller gave none.
    std::uint32_t size = 0;
    bool allocate = false;
  };

  [[nodiscard]] static SECURITY_STATUS read_token(const SecBuffer* found, bool is_first,
                                                  Input& input) noexcept;
  [[nodiscard]] static SECURITY_STATUS read_bindings(const SecBuffer* found, Input& input) noexcept;
  [[nodiscard]] static SECURITY_STATUS read_input(const SecBufferDesc* list, bool is_first,
                                                  Input& input) noexcept;
  [[nodiscard]] SECURITY_STATUS find_room() noexcept;
  [[nodiscard]] std::size_t room() const noexcept;
  [[nodiscard]] SECURITY_STATUS refuse_no_room() const noexcept;
  [[nodiscard]] SECURITY_STATUS deliver(Bytes reply) const noexcept;
  void end_refused(const Engine& engine) const noexcept;
  void write_result() const noexcept;
  [[nodiscard]] std::uint32_t granted() const noexcept;

  [[nodiscard]] bool asked_for(std::uint32_t flag) const noexcept {
    return (arguments_.request & flag) != 0;
  }
  [[nodiscard]] bool complete() const noexcept {
    return reply_.verdict.status == Status::kEstablished;
  }

  AcceptArguments arguments_;
  Input input_;
  ReplyRoom room_;
  SecBuffer* result_ = nullptr;  // Where the verdict on channel bindings goes; null: nowhere.
  ContextHandle context_;        // What is ours to end if the call is refused.
  auth::AcceptReply reply_;
};

}  // namespace usher::sspi
