// A server written as for Windows, in C: a thread for each client, who signs on, sends sealed
// messages and gets each of them back, sealed by the server. README.md describes the protocol.
//
//   sspi_server [-k KEYTAB] [-a ACCOUNTS] [-p PACKAGE] PORT
//
// PORT 0 takes any that is free and says which. Ends with exit status 0 on SIGTERM and SIGINT.
#define _GNU_SOURCE  // accept4
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECURITY_WIN32
#include <security.h>
#include <usher/acceptor.h>
#include <windows.h>

#include "frames.h"

enum {
  kMessageMax = 65536,             // Bytes of plaintext.
  kFrameMax = kMessageMax + 1024,  // A sealed message, or a token: cbMaxToken is 48000.
  kClientsMax = 64,
  kIdleSeconds = 30,
};

typedef struct Client {
  unsigned number;  // For the log.
  int socket;
  int place;  // In g_clients.
  CtxtHandle context;
  BOOL has_context;
  SecPkgContext_Sizes sizes;
  BYTE in[kFrameMax];
  BYTE out[kFrameMax];
} Client;

// What all threads share. The credential is acquired before the first of them begins.
static CredHandle g_credential;
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t g_one_left = PTHREAD_COND_INITIALIZER;
static Client* g_clients[kClientsMax];  // Whose threads run; the rest is NULL.

static void say(const Client* client, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  for (char* c = text; *c != '\0'; ++c) {
    // A client's name may hold what a terminal takes for an order, or the log for another line.
    *c = (BYTE)*c < ' ' || *c == 0x7f ? '?' : *c;
  }
  fprintf(stderr, "client %u: %s\n", client->number, text);  // One call: lines stay whole.
}

// went_well says what frames.h complains of, if it is not that the client has left.
static BOOL went_well(const Client* client, const char* why) {
  if (why != NULL && *why != '\0') {
    say(client, "%s", why);
  }
  return why == NULL;
}
static BOOL take_frame(Client* client, DWORD* size) {
  return went_well(client, receive_frame(client->socket, client->in, sizeof client->in, size));
}

// sign_on passes tokens on until the client is known, or refused.
static BOOL sign_on(Client* client) {
  const ULONG request = ASC_REQ_CONFIDENTIALITY | ASC_REQ_INTEGRITY | ASC_REQ_REPLAY_DETECT |
                        ASC_REQ_SEQUENCE_DETECT | ASC_REQ_EXTENDED_ERROR;
  const ULONG needed =
      ASC_RET_CONFIDENTIALITY | ASC_RET_INTEGRITY | ASC_RET_REPLAY_DETECT | ASC_RET_SEQUENCE_DETECT;
  SECURITY_STATUS status = SEC_I_CONTINUE_NEEDED;
  while (status == SEC_I_CONTINUE_NEEDED) {
    DWORD size = 0;
    if (!take_frame(client, &size)) {
      return FALSE;
    }
    SecBuffer token = {size, SECBUFFER_TOKEN, client->in};
    SecBuffer reply = {sizeof client->out, SECBUFFER_TOKEN, client->out};
    SecBufferDesc input = {SECBUFFER_VERSION, 1, &token};
    SecBufferDesc output = {SECBUFFER_VERSION, 1, &reply};
    ULONG granted = 0;
    TimeStamp expiry;
    status = AcceptSecurityContext(&g_credential, client->has_context ? &client->context : NULL,
                                   &input, request, SECURITY_NATIVE_DREP, &client->context, &output,
                                   &granted, &expiry);
    if (FAILED(status)) {
      say(client, "refused: %s (0x%08X)", usher_last_refusal(), (unsigned)status);
    } else {
      client->has_context = TRUE;
    }
    // Here, asking for protection requires it. Elsewhere it only asks: a look costs nothing.
    if (status == SEC_E_OK && (granted & needed) != needed) {
      say(client, "refused: its messages would not be protected");
      return FALSE;
    }
    // Whatever the status: there may be a last token, and for a client that is refused one, too.
    if (reply.cbBuffer > 0 && !went_well(client, send_frame(client->socket, &reply, 1))) {
      return FALSE;
    }
  }
  return status == SEC_E_OK;
}

// introduce says who the client is, and asks how large the parts of a sealed message are.
static BOOL introduce(Client* client) {
  SecPkgContext_NamesA names;
  SecPkgContext_PackageInfoA package;
  if (FAILED(QueryContextAttributes(&client->context, SECPKG_ATTR_SIZES, &client->sizes)) ||
      FAILED(QueryContextAttributesA(&client->context, SECPKG_ATTR_NAMES, &names))) {
    say(client, "no attributes: %s", usher_last_refusal());
    return FALSE;
  }
  if (SUCCEEDED(QueryContextAttributesA(&client->context, SECPKG_ATTR_PACKAGE_INFO, &package))) {
    say(client, "signed on as %s by %s", names.sUserName, package.PackageInfo->Name);
    FreeContextBuffer(package.PackageInfo);
  }
  FreeContextBuffer(names.sUserName);
  return TRUE;
}

// open_message decrypts the frame in client->in; `data` becomes the part of it that is plaintext.
static BOOL open_message(Client* client, DWORD size, SecBuffer* data) {
  SecBuffer buffers[2] = {{size, SECBUFFER_STREAM, client->in}, {0, SECBUFFER_DATA, NULL}};
  SecBufferDesc message = {SECBUFFER_VERSION, 2, buffers};
  ULONG protection = 0;
  const SECURITY_STATUS status = DecryptMessage(&client->context, &message, 0, &protection);
  if (FAILED(status)) {
    say(client, "a message is refused: %s (0x%08X)", usher_last_refusal(), (unsigned)status);
    return FALSE;
  }
  if (protection == SECQOP_WRAP_NO_ENCRYPT || buffers[1].cbBuffer > kMessageMax) {
    say(client, "a message is refused: it is not encrypted, or too long");
    return FALSE;
  }
  *data = buffers[1];
  return TRUE;
}

// send_message seals a message and sends it: token, data and padding, as GSS_Unwrap wants it.
static BOOL send_message(Client* client, const SecBuffer* data) {
  const SecPkgContext_Sizes* sizes = &client->sizes;
  if (sizes->cbSecurityTrailer + data->cbBuffer + sizes->cbBlockSize > sizeof client->out) {
    say(client, "there is no room for a token of %u bytes", sizes->cbSecurityTrailer);
    return FALSE;
  }
  BYTE* const text = client->out + sizes->cbSecurityTrailer;
  CopyMemory(text, data->pvBuffer, data->cbBuffer);
  SecBuffer buffers[3] = {{sizes->cbSecurityTrailer, SECBUFFER_TOKEN, client->out},
                          {data->cbBuffer, SECBUFFER_DATA, text},
                          {sizes->cbBlockSize, SECBUFFER_PADDING, text + data->cbBuffer}};
  SecBufferDesc message = {SECBUFFER_VERSION, 3, buffers};
  const SECURITY_STATUS status = EncryptMessage(&client->context, 0, &message, 0);
  if (FAILED(status)) {
    say(client, "a message cannot be sealed: %s", usher_last_refusal());
    return FALSE;
  }
  return went_well(client, send_frame(client->socket, buffers, 3));
}

static void* serve(void* argument) {
  Client* const client = argument;
  if (sign_on(client) && introduce(client)) {
    DWORD size = 0;
    SecBuffer data;
    unsigned count = 0;
    while (take_frame(client, &size) && open_message(client, size, &data) &&
           send_message(client, &data)) {
      ++count;
    }
    say(client, "leaves after %u messages", count);
  }
  if (client->has_context) {
    DeleteSecurityContext(&client->context);
  }
  pthread_mutex_lock(&g_lock);
  g_clients[client->place] = NULL;
  close(client->socket);  // Under the lock: main() shuts down only what is still this client's.
  SecureZeroMemory(client, sizeof *client);
  free(client);
  pthread_cond_signal(&g_one_left);
  pthread_mutex_unlock(&g_lock);
  return NULL;
}

// welcome gives a new client a thread, or closes the connection if there are too many.
static void welcome(int socket, unsigned number) {
  const struct timeval idle = {.tv_sec = kIdleSeconds};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
  Client* const client = calloc(1, sizeof *client);
  int place = 0;
  pthread_mutex_lock(&g_lock);
  while (place < kClientsMax && g_clients[place] != NULL) {
    ++place;
  }
  pthread_t thread;
  if (client != NULL && place < kClientsMax) {
    client->number = number;
    client->socket = socket;
    client->place = place;
    if (pthread_create(&thread, NULL, serve, client) == 0) {
      pthread_detach(thread);
      g_clients[place] = client;
      pthread_mutex_unlock(&g_lock);
      return;
    }
  }
  pthread_mutex_unlock(&g_lock);
  fprintf(stderr, "client %u: turned away, there are too many\n", number);
  free(client);
  close(socket);
}

// accept_clients returns when a signal to end at has come.
static void accept_clients(int listener, int signals) {
  struct pollfd waited[2] = {{.fd = listener, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  for (unsigned number = 1;;) {
    if (poll(waited, 2, -1) > 0 && waited[1].revents != 0) {
      return;
    }
    const int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket >= 0) {
      welcome(socket, number++);
    } else if (errno != EAGAIN && errno != ECONNABORTED) {
      perror("sspi_server: accept");
      usleep(100000);  // No descriptors are left, say, until somebody leaves.
    }
  }
}

// dismiss ends all connections and waits until their threads have let go of their contexts.
static void dismiss(void) {
  pthread_mutex_lock(&g_lock);
  for (int i = 0; i < kClientsMax; ++i) {
    if (g_clients[i] != NULL) {
      shutdown(g_clients[i]->socket, SHUT_RDWR);
    }
  }
  for (int i = 0; i < kClientsMax; ++i) {
    while (g_clients[i] != NULL) {
      pthread_cond_wait(&g_one_left, &g_lock);
    }
  }
  pthread_mutex_unlock(&g_lock);
}

static int listen_on(long port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((WORD)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int yes = 1;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (listener < 0 || bind(listener, (struct sockaddr*)&address, sizeof address) != 0 ||
      listen(listener, SOMAXCONN) != 0 ||
      getsockname(listener, (struct sockaddr*)&address, &size) != 0) {
    perror("sspi_server: cannot listen on 127.0.0.1");
    exit(1);
  }
  printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

int main(int argc, char** argv) {
  USHER_ACCEPTOR files = {.Version = USHER_ACCEPTOR_VERSION, .Size = sizeof files};
  const char* package = NEGOSSP_NAME_A;
  for (int option = 0; (option = getopt(argc, argv, "k:a:p:")) != -1;) {
    if (option == '?') {
      return 2;  // getopt has said why.
    }
    *(option == 'k' ? &files.Keytab : option == 'a' ? &files.Accounts : &package) = optarg;
  }
  char* end = NULL;
  const long port = optind + 1 == argc ? strtol(argv[optind], &end, 10) : -1;
  if (port < 0 || port > 65535 || end == argv[optind] || *end != '\0') {
    fprintf(stderr, "usage: sspi_server [-k KEYTAB] [-a ACCOUNTS] [-p PACKAGE] PORT\n");
    return 2;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);  // In all threads: they inherit it.
  const int signals = signalfd(-1, &ends, SFD_CLOEXEC);
  // The A function: names from a command line are UTF-8, whatever UNICODE is.
  if (FAILED(AcquireCredentialsHandleA(NULL, package, SECPKG_CRED_INBOUND, NULL, &files, NULL, NULL,
                                       &g_credential, NULL))) {
    fprintf(stderr, "sspi_server: cannot acquire a credential: %s\n", usher_last_refusal());
    return 1;
  }
  const int listener = listen_on(port);
  accept_clients(listener, signals);
  close(listener);
  dismiss();
  FreeCredentialsHandle(&g_credential);
  return 0;
}
