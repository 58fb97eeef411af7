// Windows' <winerror.h>, for servers that are ported: SSPI's status codes, and what tells success
// from failure. Other facilities' codes are not here: nothing in Usher returns them.
#pragma once

#ifdef _WIN32
#error "this is for Linux: on Windows leave usher/windows out of the include path"
#endif

#include "../sspi_status.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
typedef int32_t HRESULT;

#define SUCCEEDED(hr) (USHER_STATUS(hr) >= 0)
#define FAILED(hr) (USHER_STATUS(hr) < 0)
#define S_OK USHER_STATUS(0)
#define ERROR_SUCCESS 0
#define NO_ERROR 0

// HRESULT_FROM_WIN32 makes a status of a system error's number; a status stays what it is.
#define FACILITY_WIN32 7
#define HRESULT_FROM_WIN32(error) \
  ((HRESULT)(error) <= 0          \
       ? (HRESULT)(error)         \
       : (HRESULT)(((uint32_t)(error)&0xffffu) | FACILITY_WIN32 << 16 | 0x80000000u))
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
