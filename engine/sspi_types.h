// SSPI's basic types. Part of sspi.h, which includes it.
#pragma once

#include <stdint.h>
#ifndef __cplusplus
#include <uchar.h>
#endif

#include "sspi_numbers.h"
#include "sspi_status.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
#define SEC_ENTRY
#define USHER_API __attribute__((visibility("default")))

// Basic types.
typedef char SEC_CHAR;
typedef char16_t SEC_WCHAR;

// A TimeStamp is a FILETIME: 100 ns since 1601-01-01T00:00:00Z, always UTC, or SECURITY_TIME_NEVER.
typedef union _SECURITY_INTEGER {
  __extension__ struct {
    uint32_t LowPart;
    int32_t HighPart;
  };
  int64_t QuadPart;
} SECURITY_INTEGER, *PSECURITY_INTEGER;
typedef SECURITY_INTEGER TimeStamp, *PTimeStamp;
#define SECURITY_TIME_NEVER INT64_MAX

// SecHandle is opaque. A handle that outlives what it named is recognised and refused.
typedef struct _SecHandle {
  uintptr_t dwLower;
  uintptr_t dwUpper;
} SecHandle, *PSecHandle;
typedef SecHandle CredHandle, CtxtHandle, *PCredHandle, *PCtxtHandle;
#define SEC_DELETED_HANDLE (UINTPTR_MAX - 1u)
#define SecInvalidateHandle(handle) ((handle)->dwLower = (handle)->dwUpper = UINTPTR_MAX)
#define SecIsValidHandle(handle) \
  ((handle)->dwLower != UINTPTR_MAX && (handle)->dwUpper != UINTPTR_MAX)

typedef struct _SecBuffer {
  uint32_t cbBuffer;    // Bytes.
  uint32_t BufferType;  // SECBUFFER_*
  void* pvBuffer;
} SecBuffer, *PSecBuffer;
typedef struct _SecBufferDesc {
  uint32_t ulVersion;  // SECBUFFER_VERSION
  uint32_t cBuffers;
  PSecBuffer pBuffers;
} SecBufferDesc, *PSecBufferDesc;

// Security packages.
#define NEGOSSP_NAME_A "Negotiate"
#define NEGOSSP_NAME_W u"Negotiate"
#define MICROSOFT_KERBEROS_NAME_A "Kerberos"
#define MICROSOFT_KERBEROS_NAME_W u"Kerberos"
#define NTLMSP_NAME_A "NTLM"
#define NTLMSP_NAME_W u"NTLM"

typedef struct _SecPkgInfoA {
  uint32_t fCapabilities;  // SECPKG_FLAG_*
  uint16_t wVersion;
  uint16_t wRPCID;
  uint32_t cbMaxToken;  // Bytes; an output buffer this large is never too small.
  SEC_CHAR* Name;
  SEC_CHAR* Comment;
} SecPkgInfoA, *PSecPkgInfoA;
typedef struct _SecPkgInfoW {
  uint32_t fCapabilities;
  uint16_t wVersion;
  uint16_t wRPCID;
  uint32_t cbMaxToken;
  SEC_WCHAR* Name;
  SEC_WCHAR* Comment;
} SecPkgInfoW, *PSecPkgInfoW;
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
