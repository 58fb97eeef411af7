// Windows' <windows.h>, as far as a server that uses SSPI needs it: its types, each as wide as on
// Windows, TCHAR and TEXT, and the macros that wipe and copy memory. Found if `usher/windows` is in
// the include path, which is pkg-config's variable windows_includes and CMake's usher::windows.
//
// There is not one function of Windows' here. What is not declared does not work on Linux, and a
// compiler says so: threads, events, files, GetLastError, and CloseHandle (a user's token is freed
// with FreeContextBuffer, sspi.h). Two things compile and differ:
// * WCHAR is char16_t, UTF-16 as on Windows, and u"..." is a literal of it. L"..." is one of
//   wchar_t, which has 32 bits on Linux; TEXT("...") is right on both. wcslen and its like take
//   wchar_t.
// * `unsigned long` has 64 bits here: a variable that SSPI writes to must be a ULONG or DWORD.
#pragma once

#ifdef _WIN32
#error "this is for Linux: on Windows leave usher/windows out of the include path"
#endif
#ifdef _WINDOWS_  // Of Windows' own, MinGW's and Wine's.
#error "another <windows.h> is included already: a program can have one"
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "winerror.h"
#ifndef __cplusplus
#include <uchar.h>
#endif
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
#ifdef __cplusplus
extern "C" {
#endif

// Integers. What is `long` on Windows has 32 bits.
typedef unsigned char BYTE, *PBYTE, *LPBYTE;
typedef unsigned char UCHAR, *PUCHAR;
typedef unsigned char BOOLEAN, *PBOOLEAN;
typedef int BOOL, *PBOOL, *LPBOOL;
typedef int16_t SHORT, *PSHORT;
typedef uint16_t USHORT, *PUSHORT;
typedef uint16_t WORD, *PWORD, *LPWORD;
typedef int INT, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT;
typedef int32_t LONG, *PLONG, *LPLONG;
typedef uint32_t ULONG, *PULONG;
typedef uint32_t DWORD, *PDWORD, *LPDWORD;
typedef int32_t INT32, *PINT32;
typedef uint32_t UINT32, *PUINT32, ULONG32, *PULONG32, DWORD32, *PDWORD32;
typedef int64_t LONGLONG, *PLONGLONG, LONG64, *PLONG64, INT64, *PINT64;
typedef uint64_t ULONGLONG, *PULONGLONG, ULONG64, *PULONG64, UINT64, *PUINT64, DWORD64, *PDWORD64;
typedef intptr_t INT_PTR, LONG_PTR, *PLONG_PTR;
typedef uintptr_t UINT_PTR, ULONG_PTR, *PULONG_PTR, DWORD_PTR, *PDWORD_PTR;
typedef size_t SIZE_T, *PSIZE_T;
#define FALSE 0
#define TRUE 1
#define MAX_PATH 260  // Of a buffer for a path on Windows; paths here may be longer.
#define MAXDWORD 0xffffffffu

// Pointers. A HANDLE is what QuerySecurityContextToken gives: FreeContextBuffer frees it.
#define VOID void
typedef void *PVOID, *LPVOID;
typedef const void* LPCVOID;
typedef void *HANDLE, **PHANDLE;
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

// A moment in units of 100 ns since 1601, which is what a TimeStamp is, too.
typedef struct _FILETIME {
  DWORD dwLowDateTime;
  DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;
typedef union _LARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    LONG HighPart;
  };
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

// Characters: CHAR is UTF-8 here, WCHAR UTF-16.
typedef char CHAR, *PCHAR, *LPCH, *PSTR, *LPSTR;
typedef const char *PCSTR, *LPCSTR;
typedef char16_t WCHAR, *PWCHAR, *LPWCH, *PWSTR, *LPWSTR;
typedef const char16_t *PCWSTR, *LPCWSTR;
#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef const WCHAR *PCTSTR, *LPCTSTR;
#define __TEXT(literal) u##literal
#else
typedef char TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef const char *PCTSTR, *LPCTSTR;
#define __TEXT(literal) literal
#endif
#define TEXT(literal) __TEXT(literal)

// What declarations are decorated with.
#define CONST const
#define WINAPI
#define APIENTRY
#define CALLBACK
#define __cdecl
#define __stdcall
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))

// What annotates parameters for Windows' code analysis; nobody reads it here.
#define _In_
#define _In_opt_
#define _In_z_
#define _In_reads_(size)
#define _In_reads_bytes_(size)
#define _Inout_
#define _Inout_opt_
#define _Inout_updates_bytes_(size)
#define _Out_
#define _Out_opt_
#define _Out_writes_(size)
#define _Out_writes_bytes_(size)
#define _Outptr_
#define _Success_(expression)
#define _Use_decl_annotations_

#define ARRAYSIZE(array) (sizeof(array) / sizeof((array)[0]))

// Memory.
#define CopyMemory(destination, source, size) memcpy((destination), (source), (size))
#define MoveMemory(destination, source, size) memmove((destination), (source), (size))
#define FillMemory(destination, size, byte) memset((destination), (byte), (size))
#define ZeroMemory(destination, size) memset((destination), 0, (size))

// SecureZeroMemory wipes memory that is not read again, where a compiler would leave ZeroMemory
// out. Returns ptr.
static inline PVOID SecureZeroMemory(PVOID ptr, SIZE_T cnt) {
  memset(ptr, 0, cnt);
  __asm__ __volatile__("" : : "r"(ptr) : "memory");  // Somebody may read it: nobody knows who.
  return ptr;
}

#ifdef __cplusplus
}  // extern "C"
#endif
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
