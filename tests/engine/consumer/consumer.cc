// A program in C++ that knows nothing but the installed headers, all of them, takes a first step of
// NTLM, synchronously and through a completion queue.
#include <poll.h>
#include <usher/acceptor.h>
#include <usher/async.h>
#include <usher/sspi.h>
#include <usher/sspi_table.h>
#include <usher/user_token.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

void expect(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "not so: %s (last refusal: %s)\n", what, usher_last_refusal());
    std::exit(1);
  }
}

// NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1) that offers Unicode, NTLM and extended session security.
std::array<unsigned char, 32> negotiate = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0,
                                           1,   0,   0,   0,   1,   2,   8};

// Call is one first step's arguments, which an operation needs until it has completed.
struct Call {
  std::array<unsigned char, 4096> reply{};
  SecBuffer in{static_cast<uint32_t>(negotiate.size()), SECBUFFER_TOKEN, negotiate.data()};
  SecBuffer out{static_cast<uint32_t>(reply.size()), SECBUFFER_TOKEN, reply.data()};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  CtxtHandle context{};
  uint32_t attributes = 0;
  TimeStamp expiry{};
};

SECURITY_STATUS asynchronously(CredHandle& credential, Call& call) {
  USHER_COMPLETIONS* const queue = usher_create_completions();
  SspiAsyncContext* const operation = SspiCreateAsyncContext();
  expect(usher_async_set_completions(operation, queue, &call) == SEC_E_OK, "a queue");
  expect(SspiAcceptSecurityContextAsync(operation, &credential, nullptr, &call.input, 0,
                                        SECURITY_NATIVE_DREP, &call.context, &call.output,
                                        &call.attributes, &call.expiry) == SEC_E_OK,
         "an accept is queued");
  pollfd readable{usher_completions_fd(queue), POLLIN, 0};
  poll(&readable, 1, -1);
  USHER_COMPLETION done{};
  expect(usher_take_completions(queue, &done, 1) == 1 && done.Data == &call, "and completes");
  SspiFreeAsyncContext(operation);
  usher_free_completions(queue);
  return done.Status;
}

}  // namespace

int main() {
  std::string path = "/tmp/usher-consumer-XXXXXX";
  const int file = mkstemp(path.data());
  std::ofstream(path) << "EXAMPLE:alice:no-such-password\n";
  USHER_ACCEPTOR acceptor{};
  acceptor.Version = USHER_ACCEPTOR_VERSION;
  acceptor.Size = sizeof acceptor;
  acceptor.Accounts = path.c_str();
  CredHandle credential{};
  const SECURITY_STATUS acquired = InitSecurityInterfaceW()->AcquireCredentialsHandleW(
      nullptr, NTLMSP_NAME_W, SECPKG_CRED_INBOUND, nullptr, &acceptor, nullptr, nullptr,
      &credential, nullptr);
  std::remove(path.c_str());
  expect(file >= 0 && acquired == SEC_E_OK, "a credential");

  Call first;
  expect(AcceptSecurityContext(&credential, nullptr, &first.input, 0, SECURITY_NATIVE_DREP,
                               &first.context, &first.output, &first.attributes,
                               &first.expiry) == SEC_I_CONTINUE_NEEDED,
         "a CHALLENGE is due");
  Call second;
  expect(asynchronously(credential, second) == SEC_I_CONTINUE_NEEDED, "also asynchronously");
  expect(second.out.cbBuffer == first.out.cbBuffer && second.reply[8] == 2, "and it is one");
  PUSHER_IDENTITY identity = nullptr;
  expect(usher_query_identity(&first.context, &identity) == SEC_E_OUT_OF_SEQUENCE,
         "nobody has signed on yet");
  expect(DeleteSecurityContext(&first.context) == SEC_E_OK, "the context was there");
  expect(DeleteSecurityContext(&second.context) == SEC_E_OK, "the other, too");
  expect(FreeCredentialsHandle(&credential) == SEC_E_OK, "the credential was there");
  std::puts("ok");
}
