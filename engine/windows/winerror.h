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
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
