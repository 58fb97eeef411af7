// A program in C11 that knows nothing but the installed headers takes an NTLM exchange to its
// refusal, and is told why.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <usher/acceptor.h>
#include <usher/sspi.h>
#include <usher/sspi_table.h>

static void expect(int holds, const char* what) {
  if (!holds) {
    fprintf(stderr, "not so: %s (last refusal: %s)\n", what, usher_last_refusal());
    exit(1);
  }
}

// An account whose password nobody here knows: the exchange is taken to its refusal.
static void write_accounts(char* path) {
  const int file = mkstemp(path);
  const char line[] = "EXAMPLE:alice:no-such-password\n";
  expect(file >= 0 && write(file, line, sizeof line - 1) == (ssize_t)(sizeof line - 1),
         "an accounts file");
  close(file);
}

// NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1) that offers Unicode, NTLM and extended session security.
static unsigned char negotiate[] = {'N', 'T', 'L', 'M', 'S',  'S',  'P',  0,    1, 0, 0,
                                    0,   1,   2,   8,   0x00, 0x00, 0x00, 0x00, 0, 0, 0,
                                    0,   0,   0,   0,   0,    0,    0,    0,    0, 0};

// AUTHENTICATE_MESSAGE (2.2.1.3): alice of EXAMPLE with an NTLMv2 response made of nothing.
static uint32_t write_authenticate(unsigned char* out) {
  enum { kHeader = 64, kDomain = 14, kUser = 10, kProof = 16 + 28 + 4 + 4 };
  const uint32_t domain_at = kHeader;
  const uint32_t user_at = domain_at + kDomain;
  const uint32_t response_at = user_at + kUser;
  const uint32_t end = response_at + kProof;
  const struct {
    uint32_t field, size, offset;
  } fields[] = {{12, 0, end},
                {20, kProof, response_at},
                {28, kDomain, domain_at},
                {36, kUser, user_at},
                {44, 0, end},
                {52, 0, end}};
  memset(out, 0, end);
  memcpy(out, "NTLMSSP\0\3\0\0", 12);
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; ++i) {
    out[fields[i].field] = out[fields[i].field + 2] = (unsigned char)fields[i].size;
    out[fields[i].field + 4] = (unsigned char)fields[i].offset;
  }
  out[60] = 1;
  out[61] = 2;
  out[62] = 8;
  for (size_t i = 0; i < kDomain / 2; ++i) {
    out[domain_at + 2 * i] = (unsigned char)"EXAMPLE"[i];
  }
  for (size_t i = 0; i < kUser / 2; ++i) {
    out[user_at + 2 * i] = (unsigned char)"alice"[i];
  }
  out[response_at + 16] = out[response_at + 17] = 1;  // RespType, HiRespType.
  return end;
}

static SECURITY_STATUS step(CredHandle* credential, CtxtHandle* context, int first, void* token,
                            uint32_t size, SecBuffer* reply) {
  SecBuffer in = {size, SECBUFFER_TOKEN, token};
  SecBufferDesc input = {SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output = {SECBUFFER_VERSION, 1, reply};
  uint32_t attributes = 0;
  TimeStamp expiry;
  reply->BufferType = SECBUFFER_TOKEN;
  return AcceptSecurityContext(credential, first ? NULL : context, &input, ASC_REQ_ALLOCATE_MEMORY,
                               SECURITY_NATIVE_DREP, context, &output, &attributes, &expiry);
}

int main(void) {
  // As a program for Windows asks for them: by the table.
  const INIT_SECURITY_INTERFACE_A get_table = InitSecurityInterface;
  const PSecurityFunctionTable table = get_table();
  expect(table != NULL && table->dwVersion == SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5,
         "there is a table");
  PSecPkgInfo package = NULL;
  expect(table->QuerySecurityPackageInfoA("negotiate", &package) == SEC_E_OK, "and Negotiate");
  expect(strcmp(package->Name, NEGOSSP_NAME) == 0, "it is called so");
  table->FreeContextBuffer(package);

  char path[] = "/tmp/usher-c11-XXXXXX";
  write_accounts(path);
  USHER_ACCEPTOR acceptor = {.Version = USHER_ACCEPTOR_VERSION, .Size = sizeof acceptor};
  acceptor.Accounts = path;
  acceptor.Policy = "kerberos.skew=600";  // More than the default: the engine is made to fit.
  CredHandle credential;
  SECURITY_STATUS status = AcquireCredentialsHandle(NULL, (char[]){"NTLM"}, SECPKG_CRED_INBOUND,
                                                    NULL, &acceptor, NULL, NULL, &credential, NULL);
  unlink(path);
  expect(status == SEC_E_OK, "a credential");

  CtxtHandle context;
  SecBuffer reply = {0};
  status = step(&credential, &context, 1, negotiate, sizeof negotiate, &reply);
  expect(status == SEC_I_CONTINUE_NEEDED && SEC_SUCCESS(status), "a CHALLENGE is due");
  expect(reply.cbBuffer > 56 && memcmp(reply.pvBuffer, "NTLMSSP\0\2", 9) == 0, "it is one");
  FreeContextBuffer(reply.pvBuffer);

  SecPkgContext_Names names;
  expect(QueryContextAttributes(&context, SECPKG_ATTR_NAMES, &names) == SEC_E_OUT_OF_SEQUENCE,
         "nobody has signed on yet");
  SecPkgContext_LastClientTokenStatus token;
  expect(QueryContextAttributesEx(&context, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS, &token,
                                  sizeof token) == SEC_E_OK &&
             token.LastClientTokenStatus == SecPkgAttrLastClientTokenNo,
         "the client owes another token");

  unsigned char authenticate[256];
  status = step(&credential, &context, 0, authenticate, write_authenticate(authenticate), &reply);
  expect(status == SEC_E_LOGON_DENIED, "a wrong password is refused");
  expect(strstr(usher_last_refusal(), "NTProofStr") != NULL, "and the check named");
  expect(reply.cbBuffer == 0 && reply.pvBuffer == NULL, "without a reply");
  expect(DeleteSecurityContext(&context) == SEC_E_INVALID_HANDLE, "no context is left");
  expect(FreeCredentialsHandle(&credential) == SEC_E_OK, "the credential was there");
  puts("ok");
  return 0;
}
