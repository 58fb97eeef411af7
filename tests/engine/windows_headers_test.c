// A program as it is written for Windows, names without suffixes throughout, compiles as C and as
// C++ (windows_headers_test.cc), with UNICODE and without, and does what it does there.
#define SECURITY_WIN32
#include <windows.h>
// The order is Windows': windows.h before what needs its types.
#include <security.h>
#include <stdio.h>
#include <tchar.h>

// Windows' samples define it themselves, which must not be an error.
#define SEC_SUCCESS(Status) ((Status) >= 0)

#ifdef __cplusplus
#define SAME_TYPE(expression, type) (std::is_same_v<decltype(expression), type>)
#else
#define static_assert _Static_assert
#define SAME_TYPE(expression, type) _Generic((expression), type : 1, default : 0)
#endif

// Windows' sizes, on a machine with 64-bit pointers.
static_assert(sizeof(BYTE) == 1 && sizeof(UCHAR) == 1 && sizeof(BOOLEAN) == 1, "bytes");
static_assert(sizeof(WORD) == 2 && sizeof(USHORT) == 2 && sizeof(SHORT) == 2, "words");
static_assert(sizeof(DWORD) == 4 && sizeof(ULONG) == 4 && sizeof(UINT) == 4 && sizeof(BOOL) == 4 &&
                  sizeof(LONG) == 4 && sizeof(INT) == 4 && sizeof(HRESULT) == 4,
              "double words");
static_assert((LONG)-1 < 0 && (SHORT)-1 < 0 && (ULONG)-1 > 0, "signs");
static_assert(sizeof(LONGLONG) == 8 && sizeof(ULONGLONG) == 8 && sizeof(ULONG_PTR) == 8 &&
                  sizeof(HANDLE) == 8 && sizeof(SIZE_T) == 8,
              "quad words");
static_assert(sizeof(FILETIME) == 8 && sizeof(LARGE_INTEGER) == 8 && sizeof(TimeStamp) == 8,
              "times");
static_assert(sizeof(CHAR) == 1 && sizeof(WCHAR) == 2, "characters");
#ifdef UNICODE
static_assert(sizeof(TCHAR) == 2 && sizeof(TEXT("NTLM")) == 10 && sizeof(_T("NTLM")) == 10, "TEXT");
#else
static_assert(sizeof(TCHAR) == 1 && sizeof(TEXT("NTLM")) == 5 && sizeof(_T("NTLM")) == 5, "TEXT");
#endif

// What declarations are decorated with, and small words.
static BOOL APIENTRY is_decorated(_In_ HANDLE handle, _Out_opt_ PULONG size,
                                  _In_reads_bytes_(1) const BYTE* bytes) {
  if (size != NULL) {
    *size = bytes[0];
  }
  return handle == INVALID_HANDLE_VALUE ? TRUE : FALSE;
}
static int __cdecl is_cdecl(void) { return 1; }
static const TCHAR kPath[MAX_PATH] = TEXT("");
static_assert(ARRAYSIZE(kPath) == 260, "ARRAYSIZE");

static int g_failures;

static void expect(BOOL holds, const char* what) {
  if (!holds) {
    fprintf(stderr, "not so: %s\n", what);
    ++g_failures;
  }
}

static BOOL same_text(LPCTSTR a, LPCTSTR b) {
  while (*a != 0 && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b ? TRUE : FALSE;
}

static void expect_packages(void) {
  ULONG count = 0;
  PSecPkgInfo packages = NULL;
  const SECURITY_STATUS status = EnumerateSecurityPackages(&count, &packages);
  expect(SUCCEEDED(status) && !FAILED(status) && SEC_SUCCESS(status), "packages are told");
  expect(count == 3 && same_text(packages[0].Name, NEGOSSP_NAME), "the first is Negotiate");
  expect(!same_text(packages[0].Name, TEXT("NTLM")), "and not NTLM");
  FreeContextBuffer(packages);

  PSecPkgInfo one = NULL;
  SECURITY_PSTR none = NULL;
  expect(QuerySecurityPackageInfo(SEC_TEXT("Kerberos"), &one) == SEC_E_OK, "Kerberos is one");
  expect(one->cbMaxToken == 48000 && same_text(one->Name, MICROSOFT_KERBEROS_NAME),
         "as on Windows");
  FreeContextBuffer(one);
  expect(FAILED(QuerySecurityPackageInfo(none, &one)), "a package has a name");
}

static void expect_table(void) {
  const INIT_SECURITY_INTERFACE init = InitSecurityInterface;
  const PSecurityFunctionTable table = init();
  CredHandle credential;
  CtxtHandle context;
  TimeStamp expiry;
  SecInvalidateHandle(&credential);
  SecInvalidateHandle(&context);
  ZeroMemory(&expiry, sizeof expiry);
  expect(table->FreeCredentialHandle(&credential) == SEC_E_INVALID_HANDLE, "no credential");
  expect(table->DeleteSecurityContext(&context) == SEC_E_INVALID_HANDLE, "no context");

  BYTE token[4] = {1, 2, 3, 4};
  SecBuffer in = {sizeof token, SECBUFFER_TOKEN, token};
  SecBuffer out = {0, SECBUFFER_TOKEN, NULL};
  SecBufferDesc input = {SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output = {SECBUFFER_VERSION, 1, &out};
  ULONG attributes = 0;
  expect(AcceptSecurityContext(
             &credential, NULL, &input, ASC_REQ_CONFIDENTIALITY | ASC_REQ_ALLOCATE_MEMORY,
             SECURITY_NATIVE_DREP, &context, &output, &attributes, &expiry) == SEC_E_INVALID_HANDLE,
         "an acceptor needs a credential");
  HANDLE user = &token;
  DWORD quality = 0;
  SecPkgContext_Names names;
  expect(QuerySecurityContextToken(&context, &user) == SEC_E_INVALID_HANDLE && user == NULL,
         "nobody has signed on");
  expect(DecryptMessage(&context, &input, 0, &quality) == SEC_E_INVALID_HANDLE, "nor sends");
  expect(QueryContextAttributes(&context, SECPKG_ATTR_NAMES, &names) == SEC_E_INVALID_HANDLE,
         "nor has a name");
}

static void expect_memory(void) {
  BYTE bytes[8];
  FillMemory(bytes, sizeof bytes, 0xa5);
  CopyMemory(bytes, "abcd", 4);
  MoveMemory(bytes + 1, bytes, 4);
  expect(bytes[0] == 'a' && bytes[1] == 'a' && bytes[4] == 'd' && bytes[5] == 0xa5, "memory moves");
  expect(SecureZeroMemory(bytes, 5) == bytes && bytes[0] == 0 && bytes[4] == 0 && bytes[5] == 0xa5,
         "and is wiped as far as it was said");
  LARGE_INTEGER time;
  time.QuadPart = 0x100000002;
  expect(time.LowPart == 2 && time.HighPart == 1 && time.u.HighPart == 1, "both halves of a time");
}

static void expect_words(void) {
  const BYTE byte = 7;
  ULONG size = 0;
  expect(is_decorated(INVALID_HANDLE_VALUE, &size, &byte) && size == 7, "parameters are passed");
  expect(!is_decorated(NULL, NULL, &byte) && is_cdecl() == 1 && kPath[0] == 0, "and no handle");
  expect(HRESULT_FROM_WIN32(5) == (HRESULT)0x80070005 && HRESULT_FROM_WIN32(0) == S_OK &&
             HRESULT_FROM_WIN32(SEC_E_OK) == SEC_E_OK &&
             HRESULT_FROM_WIN32(SEC_E_INVALID_TOKEN) == SEC_E_INVALID_TOKEN,
         "a system's error becomes a status, and a status stays one");
}

static DWORD WINAPI program(LPVOID parameter) {
  UNREFERENCED_PARAMETER(parameter);
  static_assert(SAME_TYPE(S_OK, HRESULT), "HRESULT");
  expect_packages();
  expect_table();
  expect_memory();
  expect_words();
  return g_failures == 0 ? ERROR_SUCCESS : 1;
}

int main(void) { return (int)program(NULL); }
