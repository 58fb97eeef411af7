// Windows' <sspi.h>, for servers that are ported: Usher's, the function table, and the names that
// Windows has besides. As there, a program says which SSPI it means before it includes this:
//
//   #define SECURITY_WIN32
//   #include <windows.h>
//   #include <security.h>
//
// What Linux has to be told - keytab, accounts, policy - goes into AcquireCredentialsHandle as a
// USHER_ACCEPTOR, which <usher/acceptor.h> declares.
#pragma once

#ifndef SECURITY_WIN32
#if defined(SECURITY_KERNEL) || defined(SECURITY_MAC)
#error "Usher is SSPI for programs: define SECURITY_WIN32, not SECURITY_KERNEL or SECURITY_MAC"
#else
#error "define SECURITY_WIN32 before including this, as Windows wants it"
#endif
#endif

#include "../sspi.h"
#include "../sspi_table.h"
#include "windows.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
#define ISSP_LEVEL 32
#define ISSP_MODE 1
#define SEC_FAR
#define SEC_TEXT TEXT
typedef TCHAR* SECURITY_PSTR;
typedef const TCHAR* SECURITY_PCSTR;

// Programs that load SSPI at run time take their functions from the table, which this one gives:
// dlopen("libusher.so.0", RTLD_NOW), dlsym(library, SECURITY_ENTRYPOINT_ANSI).
#define SECURITY_ENTRYPOINT_ANSIW "InitSecurityInterfaceW"
#define SECURITY_ENTRYPOINT_ANSIA "InitSecurityInterfaceA"
#ifdef UNICODE
#define SECURITY_ENTRYPOINT_ANSI SECURITY_ENTRYPOINT_ANSIW
#define INIT_SECURITY_INTERFACE INIT_SECURITY_INTERFACE_W
#else
#define SECURITY_ENTRYPOINT_ANSI SECURITY_ENTRYPOINT_ANSIA
#define INIT_SECURITY_INTERFACE INIT_SECURITY_INTERFACE_A
#endif
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
