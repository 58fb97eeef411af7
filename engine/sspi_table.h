// The function table that Windows' programs get SSPI through.
#pragma once

#include "sspi.h"
// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): these names and forms are Windows'.
#ifdef __cplusplus
extern "C" {
#endif

typedef SECURITY_STATUS(SEC_ENTRY* ENUMERATE_SECURITY_PACKAGES_FN_A)(uint32_t*, PSecPkgInfoA*);
typedef SECURITY_STATUS(SEC_ENTRY* ENUMERATE_SECURITY_PACKAGES_FN_W)(uint32_t*, PSecPkgInfoW*);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CREDENTIALS_ATTRIBUTES_FN_A)(PCredHandle, uint32_t, void*);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CREDENTIALS_ATTRIBUTES_FN_W)(PCredHandle, uint32_t, void*);
typedef SECURITY_STATUS(SEC_ENTRY* ACQUIRE_CREDENTIALS_HANDLE_FN_A)(const SEC_CHAR*,
                                                                    const SEC_CHAR*, uint32_t,
                                                                    void*, void*, SEC_GET_KEY_FN,
                                                                    void*, PCredHandle, PTimeStamp);
typedef SECURITY_STATUS(SEC_ENTRY* ACQUIRE_CREDENTIALS_HANDLE_FN_W)(const SEC_WCHAR*,
                                                                    const SEC_WCHAR*, uint32_t,
                                                                    void*, void*, SEC_GET_KEY_FN,
                                                                    void*, PCredHandle, PTimeStamp);
typedef SECURITY_STATUS(SEC_ENTRY* FREE_CREDENTIALS_HANDLE_FN)(PCredHandle);
typedef SECURITY_STATUS(SEC_ENTRY* INITIALIZE_SECURITY_CONTEXT_FN_A)(
    PCredHandle, PCtxtHandle, const SEC_CHAR*, uint32_t, uint32_t, uint32_t, PSecBufferDesc,
    uint32_t, PCtxtHandle, PSecBufferDesc, uint32_t*, PTimeStamp);
typedef SECURITY_STATUS(SEC_ENTRY* INITIALIZE_SECURITY_CONTEXT_FN_W)(
    PCredHandle, PCtxtHandle, const SEC_WCHAR*, uint32_t, uint32_t, uint32_t, PSecBufferDesc,
    uint32_t, PCtxtHandle, PSecBufferDesc, uint32_t*, PTimeStamp);
typedef SECURITY_STATUS(SEC_ENTRY* ACCEPT_SECURITY_CONTEXT_FN)(PCredHandle, PCtxtHandle,
                                                               PSecBufferDesc, uint32_t, uint32_t,
                                                               PCtxtHandle, PSecBufferDesc,
                                                               uint32_t*, PTimeStamp);
typedef SECURITY_STATUS(SEC_ENTRY* COMPLETE_AUTH_TOKEN_FN)(PCtxtHandle, PSecBufferDesc);
typedef SECURITY_STATUS(SEC_ENTRY* DELETE_SECURITY_CONTEXT_FN)(PCtxtHandle);
typedef SECURITY_STATUS(SEC_ENTRY* APPLY_CONTROL_TOKEN_FN)(PCtxtHandle, PSecBufferDesc);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CONTEXT_ATTRIBUTES_FN_A)(PCtxtHandle, uint32_t, void*);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CONTEXT_ATTRIBUTES_FN_W)(PCtxtHandle, uint32_t, void*);
typedef SECURITY_STATUS(SEC_ENTRY* IMPERSONATE_SECURITY_CONTEXT_FN)(PCtxtHandle);
typedef SECURITY_STATUS(SEC_ENTRY* REVERT_SECURITY_CONTEXT_FN)(PCtxtHandle);
typedef SECURITY_STATUS(SEC_ENTRY* MAKE_SIGNATURE_FN)(PCtxtHandle, uint32_t, PSecBufferDesc,
                                                      uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* VERIFY_SIGNATURE_FN)(PCtxtHandle, PSecBufferDesc, uint32_t,
                                                        uint32_t*);
typedef SECURITY_STATUS(SEC_ENTRY* FREE_CONTEXT_BUFFER_FN)(void*);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_SECURITY_PACKAGE_INFO_FN_A)(const SEC_CHAR*,
                                                                     PSecPkgInfoA*);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_SECURITY_PACKAGE_INFO_FN_W)(const SEC_WCHAR*,
                                                                     PSecPkgInfoW*);
typedef SECURITY_STATUS(SEC_ENTRY* EXPORT_SECURITY_CONTEXT_FN)(PCtxtHandle, uint32_t, PSecBuffer,
                                                               void**);
typedef SECURITY_STATUS(SEC_ENTRY* IMPORT_SECURITY_CONTEXT_FN_A)(const SEC_CHAR*, PSecBuffer, void*,
                                                                 PCtxtHandle);
typedef SECURITY_STATUS(SEC_ENTRY* IMPORT_SECURITY_CONTEXT_FN_W)(const SEC_WCHAR*, PSecBuffer,
                                                                 void*, PCtxtHandle);
typedef SECURITY_STATUS(SEC_ENTRY* ADD_CREDENTIALS_FN_A)(PCredHandle, const SEC_CHAR*,
                                                         const SEC_CHAR*, uint32_t, void*,
                                                         SEC_GET_KEY_FN, void*, PTimeStamp);
typedef SECURITY_STATUS(SEC_ENTRY* ADD_CREDENTIALS_FN_W)(PCredHandle, const SEC_WCHAR*,
                                                         const SEC_WCHAR*, uint32_t, void*,
                                                         SEC_GET_KEY_FN, void*, PTimeStamp);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_SECURITY_CONTEXT_TOKEN_FN)(PCtxtHandle, void**);
typedef SECURITY_STATUS(SEC_ENTRY* ENCRYPT_MESSAGE_FN)(PCtxtHandle, uint32_t, PSecBufferDesc,
                                                       uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* DECRYPT_MESSAGE_FN)(PCtxtHandle, PSecBufferDesc, uint32_t,
                                                       uint32_t*);
typedef SECURITY_STATUS(SEC_ENTRY* SET_CONTEXT_ATTRIBUTES_FN_A)(PCtxtHandle, uint32_t, void*,
                                                                uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* SET_CONTEXT_ATTRIBUTES_FN_W)(PCtxtHandle, uint32_t, void*,
                                                                uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* SET_CREDENTIALS_ATTRIBUTES_FN_A)(PCredHandle, uint32_t, void*,
                                                                    uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* SET_CREDENTIALS_ATTRIBUTES_FN_W)(PCredHandle, uint32_t, void*,
                                                                    uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* CHANGE_PASSWORD_FN_A)(const SEC_CHAR*, const SEC_CHAR*,
                                                         const SEC_CHAR*, const SEC_CHAR*,
                                                         const SEC_CHAR*, uint8_t, uint32_t,
                                                         PSecBufferDesc);
typedef SECURITY_STATUS(SEC_ENTRY* CHANGE_PASSWORD_FN_W)(const SEC_WCHAR*, const SEC_WCHAR*,
                                                         const SEC_WCHAR*, const SEC_WCHAR*,
                                                         const SEC_WCHAR*, uint8_t, uint32_t,
                                                         PSecBufferDesc);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CONTEXT_ATTRIBUTES_EX_FN_A)(PCtxtHandle, uint32_t, void*,
                                                                     uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CONTEXT_ATTRIBUTES_EX_FN_W)(PCtxtHandle, uint32_t, void*,
                                                                     uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_A)(PCredHandle, uint32_t,
                                                                         void*, uint32_t);
typedef SECURITY_STATUS(SEC_ENTRY* QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_W)(PCredHandle, uint32_t,
                                                                         void*, uint32_t);

// SecurityFunctionTable has Windows' members in Windows' order. A member whose function Usher does
// not have is NULL; dwVersion is SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5, so all are there.
// Reserved3 and Reserved4 are EncryptMessage and DecryptMessage too: programs written before those
// had names call them there.
typedef struct _SECURITY_FUNCTION_TABLE_A {
  uint32_t dwVersion;
  ENUMERATE_SECURITY_PACKAGES_FN_A EnumerateSecurityPackagesA;
  QUERY_CREDENTIALS_ATTRIBUTES_FN_A QueryCredentialsAttributesA;
  ACQUIRE_CREDENTIALS_HANDLE_FN_A AcquireCredentialsHandleA;
  FREE_CREDENTIALS_HANDLE_FN FreeCredentialHandle;
  void* Reserved2;
  INITIALIZE_SECURITY_CONTEXT_FN_A InitializeSecurityContextA;  // NULL: the client's side.
  ACCEPT_SECURITY_CONTEXT_FN AcceptSecurityContext;
  COMPLETE_AUTH_TOKEN_FN CompleteAuthToken;
  DELETE_SECURITY_CONTEXT_FN DeleteSecurityContext;
  APPLY_CONTROL_TOKEN_FN ApplyControlToken;
  QUERY_CONTEXT_ATTRIBUTES_FN_A QueryContextAttributesA;
  IMPERSONATE_SECURITY_CONTEXT_FN ImpersonateSecurityContext;
  REVERT_SECURITY_CONTEXT_FN RevertSecurityContext;
  MAKE_SIGNATURE_FN MakeSignature;
  VERIFY_SIGNATURE_FN VerifySignature;
  FREE_CONTEXT_BUFFER_FN FreeContextBuffer;
  QUERY_SECURITY_PACKAGE_INFO_FN_A QuerySecurityPackageInfoA;
  ENCRYPT_MESSAGE_FN Reserved3;
  DECRYPT_MESSAGE_FN Reserved4;
  EXPORT_SECURITY_CONTEXT_FN ExportSecurityContext;
  IMPORT_SECURITY_CONTEXT_FN_A ImportSecurityContextA;
  ADD_CREDENTIALS_FN_A AddCredentialsA;
  void* Reserved8;
  QUERY_SECURITY_CONTEXT_TOKEN_FN QuerySecurityContextToken;
  ENCRYPT_MESSAGE_FN EncryptMessage;
  DECRYPT_MESSAGE_FN DecryptMessage;
  SET_CONTEXT_ATTRIBUTES_FN_A SetContextAttributesA;
  SET_CREDENTIALS_ATTRIBUTES_FN_A SetCredentialsAttributesA;
  CHANGE_PASSWORD_FN_A ChangeAccountPasswordA;  // NULL: the client's side.
  QUERY_CONTEXT_ATTRIBUTES_EX_FN_A QueryContextAttributesExA;
  QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_A QueryCredentialsAttributesExA;
} SecurityFunctionTableA, *PSecurityFunctionTableA;
typedef struct _SECURITY_FUNCTION_TABLE_W {
  uint32_t dwVersion;
  ENUMERATE_SECURITY_PACKAGES_FN_W EnumerateSecurityPackagesW;
  QUERY_CREDENTIALS_ATTRIBUTES_FN_W QueryCredentialsAttributesW;
  ACQUIRE_CREDENTIALS_HANDLE_FN_W AcquireCredentialsHandleW;
  FREE_CREDENTIALS_HANDLE_FN FreeCredentialHandle;
  void* Reserved2;
  INITIALIZE_SECURITY_CONTEXT_FN_W InitializeSecurityContextW;
  ACCEPT_SECURITY_CONTEXT_FN AcceptSecurityContext;
  COMPLETE_AUTH_TOKEN_FN CompleteAuthToken;
  DELETE_SECURITY_CONTEXT_FN DeleteSecurityContext;
  APPLY_CONTROL_TOKEN_FN ApplyControlToken;
  QUERY_CONTEXT_ATTRIBUTES_FN_W QueryContextAttributesW;
  IMPERSONATE_SECURITY_CONTEXT_FN ImpersonateSecurityContext;
  REVERT_SECURITY_CONTEXT_FN RevertSecurityContext;
  MAKE_SIGNATURE_FN MakeSignature;
  VERIFY_SIGNATURE_FN VerifySignature;
  FREE_CONTEXT_BUFFER_FN FreeContextBuffer;
  QUERY_SECURITY_PACKAGE_INFO_FN_W QuerySecurityPackageInfoW;
  ENCRYPT_MESSAGE_FN Reserved3;
  DECRYPT_MESSAGE_FN Reserved4;
  EXPORT_SECURITY_CONTEXT_FN ExportSecurityContext;
  IMPORT_SECURITY_CONTEXT_FN_W ImportSecurityContextW;
  ADD_CREDENTIALS_FN_W AddCredentialsW;
  void* Reserved8;
  QUERY_SECURITY_CONTEXT_TOKEN_FN QuerySecurityContextToken;
  ENCRYPT_MESSAGE_FN EncryptMessage;
  DECRYPT_MESSAGE_FN DecryptMessage;
  SET_CONTEXT_ATTRIBUTES_FN_W SetContextAttributesW;
  SET_CREDENTIALS_ATTRIBUTES_FN_W SetCredentialsAttributesW;
  CHANGE_PASSWORD_FN_W ChangeAccountPasswordW;
  QUERY_CONTEXT_ATTRIBUTES_EX_FN_W QueryContextAttributesExW;
  QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_W QueryCredentialsAttributesExW;
} SecurityFunctionTableW, *PSecurityFunctionTableW;

// InitSecurityInterface returns the table, which is the library's own and stays what it is.
typedef PSecurityFunctionTableA(SEC_ENTRY* INIT_SECURITY_INTERFACE_A)(void);
typedef PSecurityFunctionTableW(SEC_ENTRY* INIT_SECURITY_INTERFACE_W)(void);
USHER_API PSecurityFunctionTableA SEC_ENTRY InitSecurityInterfaceA(void);
USHER_API PSecurityFunctionTableW SEC_ENTRY InitSecurityInterfaceW(void);

#ifdef UNICODE
#define InitSecurityInterface InitSecurityInterfaceW
typedef SecurityFunctionTableW SecurityFunctionTable, *PSecurityFunctionTable;
#else
#define InitSecurityInterface InitSecurityInterfaceA
typedef SecurityFunctionTableA SecurityFunctionTable, *PSecurityFunctionTable;
#endif

#ifdef __cplusplus
}  // extern "C"
#endif
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
