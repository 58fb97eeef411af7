// Windows' <tchar.h>, for servers that are ported: types and literals that follow _UNICODE. Its
// functions (_tcslen, _tprintf, ...) are not here, since the C library has none for UTF-16.
#pragma once

#include "windows.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
#if defined(_UNICODE) != defined(UNICODE)
#error "define both UNICODE and _UNICODE, or neither: windows.h follows the one, tchar.h the other"
#endif

typedef TCHAR _TCHAR;
#define _T(literal) __TEXT(literal)
#define _TEXT(literal) __TEXT(literal)
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
