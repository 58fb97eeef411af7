/* A program in C11 that knows nothing but the installed headers: an event loop that queues accepts,
   waits in poll, and takes what has completed. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <usher/async.h>

static void expect(int holds, const char* what) {
  if (!holds) {
    fprintf(stderr, "not so: %s (last refusal: %s)\n", what, usher_last_refusal());
    exit(1);
  }
}

/* NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1) that offers Unicode, NTLM and extended session security. */
static unsigned char negotiate[] = {'N', 'T', 'L', 'M', 'S',  'S',  'P',  0,    1, 0, 0,
                                    0,   1,   2,   8,   0x00, 0x00, 0x00, 0x00, 0, 0, 0,
                                    0,   0,   0,   0,   0,    0,    0,    0,    0, 0};

enum { kClients = 5 };
static struct client {
  unsigned char reply[2048];
  SecBuffer in, out;
  SecBufferDesc input, output;
  CtxtHandle context;
  uint32_t attributes;
  SECURITY_STATUS status;
} clients[kClients];

static USHER_ACCEPT request_of(struct client* client, CredHandle* credential) {
  client->in = (SecBuffer){sizeof negotiate, SECBUFFER_TOKEN, negotiate};
  client->out = (SecBuffer){sizeof client->reply, SECBUFFER_TOKEN, client->reply};
  client->input = (SecBufferDesc){SECBUFFER_VERSION, 1, &client->in};
  client->output = (SecBufferDesc){SECBUFFER_VERSION, 1, &client->out};
  return (USHER_ACCEPT){.phCredential = credential,
                        .pInput = &client->input,
                        .phNewContext = &client->context,
                        .pOutput = &client->output,
                        .pfContextAttr = &client->attributes};
}

int main(void) {
  char accounts[] = "/tmp/usher-async-c11-XXXXXX";
  const int file = mkstemp(accounts);
  const char line[] = "EXAMPLE:alice:no-such-password\n";
  expect(file >= 0 && write(file, line, sizeof line - 1) == (ssize_t)(sizeof line - 1),
         "an accounts file");
  close(file);
  USHER_ACCEPTOR acceptor = {.Version = USHER_ACCEPTOR_VERSION, .Size = sizeof acceptor};
  acceptor.Accounts = accounts;
  CredHandle credential;
  expect(AcquireCredentialsHandleA(NULL, (const SEC_CHAR*)NTLMSP_NAME_A, SECPKG_CRED_INBOUND, NULL,
                                   &acceptor, NULL, NULL, &credential, NULL) == SEC_E_OK,
         "a credential");
  unlink(accounts);

  USHER_COMPLETIONS* queue = usher_create_completions();
  expect(queue != NULL, "a completion queue");
  SspiAsyncContext* contexts[kClients];
  USHER_ACCEPT requests[kClients];
  for (int n = 0; n < kClients; ++n) {
    contexts[n] = SspiCreateAsyncContext();
    expect(usher_async_set_completions(contexts[n], queue, &clients[n]) == SEC_E_OK, "its queue");
    requests[n] = request_of(&clients[n], &credential);
  }
  expect(usher_accept_async_batch(contexts, requests, kClients) == SEC_E_OK, "all are queued");

  int left = kClients;
  while (left > 0) {
    struct pollfd fd = {.fd = usher_completions_fd(queue), .events = POLLIN};
    expect(poll(&fd, 1, -1) == 1, "it becomes readable");
    USHER_COMPLETION done[2];
    const uint32_t count = usher_take_completions(queue, done, 2);
    for (uint32_t n = 0; n < count; ++n) {
      struct client* client = done[n].Data;
      client->status = done[n].Status;
      SspiFreeAsyncContext(done[n].Context);
    }
    left -= (int)count;
  }
  for (int n = 0; n < kClients; ++n) {
    expect(clients[n].status == SEC_I_CONTINUE_NEEDED, "the client is challenged");
    expect(clients[n].out.cbBuffer > 0 && memcmp(clients[n].reply, "NTLMSSP", 8) == 0,
           "with a CHALLENGE");
    expect(DeleteSecurityContext(&clients[n].context) == SEC_E_OK, "and can be deleted");
  }
  USHER_ASYNC_COUNTS counts = {.Size = sizeof counts};
  expect(usher_async_counts(&counts) == SEC_E_OK && counts.Completed == kClients,
         "all are counted");
  usher_free_completions(queue);

  /* A batch on this thread, and options as programs passed them before there were asynchronous
   * calls. */
  for (int n = 0; n < kClients; ++n) {
    requests[n] = request_of(&clients[n], &credential);
  }
  expect(usher_accept_batch(requests, kClients) == SEC_E_OK, "a batch");
  for (int n = 0; n < kClients; ++n) {
    expect(requests[n].Status == SEC_I_CONTINUE_NEEDED, "each is challenged");
    expect(DeleteSecurityContext(&clients[n].context) == SEC_E_OK, "each can be deleted");
  }
  USHER_OPTIONS old = {.Version = USHER_OPTIONS_VERSION, .Size = USHER_OPTIONS_SIZE_1};
  expect(usher_start(&old) == SEC_E_OUT_OF_SEQUENCE, "understood, but there is an engine already");
  old.Size -= 1;
  expect(usher_start(&old) == SEC_E_INVALID_PARAMETER, "a size that never was");
  expect(FreeCredentialsHandle(&credential) == SEC_E_OK, "the credential is freed");
  return 0;
}
