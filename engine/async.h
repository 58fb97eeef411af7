// SSPI's asynchronous calls, and what Windows lacks beside them: cancelling, deadlines, many calls
// at once, and completion queues that the caller empties on a thread of its own. For C and C++.
//
// Windows declares these functions for drivers alone and says of Negotiate nothing at all, so the
// prototypes are Windows' (with sspi.h's differences) and the meaning is defined here. There is no
// SspiInitializeSecurityContextAsync: it is the client's side, and Usher has none.
//
// * An operation is what one ...Async call asks for. The call itself returns whether it was
//   queued: SEC_E_OK, and it will complete exactly once; or an error, and nothing more comes.
//   SspiGetAsyncCallStatus is SEC_I_ASYNC_CALL_PENDING from then on until it is what the
//   synchronous call would have returned. That may be so already when the ...Async call returns.
// * Memory. What an operation's pointers name belongs to it until it has completed: the octets of
//   pInput, those of pOutput, both lists, phNewContext, pfContextAttr, ptsExpiry, pAuthData and the
//   strings. Nobody else reads or writes it meanwhile; a build of the library that asserts fills
//   what results are written to with 0xdb first, so that it shows if somebody does. The handles
//   that phCredential and phContext point to are copied at once, and so is what an array passed to
//   a batch call holds.
// * Threads. Any function may be called on any thread. Callbacks run on threads of the library, all
//   signals blocked, in no order, several at a time; they must not block, throw, fork or wait for
//   another operation, since a callback keeps operations behind it waiting. They may call any
//   function here: free their operation's context, or reinitialise it and use it again. A program
//   that wants no foreign threads in its own code uses a completion queue: then none calls it.
// * Order. Operations complete in any order, also those of one thread. There is one exception: of a
//   security context at most one SspiAcceptSecurityContextAsync is pending; a second is not queued
//   and returns SEC_E_OUT_OF_SEQUENCE. (Synchronous calls on it meanwhile are as those of a second
//   thread: SEC_E_INVALID_HANDLE while it is worked on.)
// * Deleting a security context while an accept is pending on it: its handle is dead at once, or,
//   if it is being worked on this moment, when that is over. An accept that had not begun completes
//   with SEC_E_INVALID_HANDLE; so does, with the answer, one whose authority is being asked.
// * Freeing a credential while operations with it are pending: they finish with it first.
// * Memory for operations, queues and workers is had before, as USHER_OPTIONS says, and is bounded.
//   Queueing and completing take no lock and nothing from the heap, and no system call while the
//   worker is awake. The same workers do all accepts; what blocks (acquiring and freeing
//   credentials, which read files and end threads) has one thread of its own, and authorities that
//   are asked about NTLM clients keep nobody else waiting.
// * Overload. A burst may fill all workers' queues (USHER_OPTIONS.AsyncQueue each), and who waits
//   for answers may keep half of that full. Where more than half has been full for 5 ms without a
//   break, more come than can be done, and from then on no more may wait for each worker than it
//   does in about one turn, until for 5 ms nobody had to be turned away: what is queued has its
//   answer after a turn or two. A call that finds every queue full returns
//   SEC_E_INSUFFICIENT_MEMORY before it looks at its arguments, and is counted; it costs some
//   hundred instructions and no system call. Nothing that was queued is given up for it. Who wants
//   to wait less, or longer in a burst, says so by AsyncQueue or usher_async_set_deadline.
// * Idle workers sleep. One to whom work has been coming within 20 us of the last waits awake for
//   that long before it does, never on a single processor, and ever more seldom if that is in vain.
// * fork. The child has none of the library's threads, so none of the parent's operations: their
//   handles and completion queues are stale there (SEC_E_INVALID_HANDLE), no callback comes, and
//   their eventfds are closed: nothing of the parent's stays open. Asynchronous calls in the child
//   begin anew, with its own threads. fork waits for a usher_reload (not inside a USHER_ASK), for
//   what starts the engine or its threads, and for a completion queue's making or freeing, that
//   another thread is in the middle of.
//   Security contexts and credentials that were being worked on in the moment of the fork stay
//   busy in the child: it should acquire its own.
// * exec, exit and dlclose need nothing; pending operations end with the process. exit waits for
//   what is being worked on, at most a second.
//
// Handles are checked: one that is stale, was freed before, or never was one is refused with
// SEC_E_INVALID_HANDLE and nothing else happens. After a refusal usher_last_refusal says why; after
// SspiGetAsyncCallStatus has returned an error, it says why the operation failed.
#pragma once

#include "acceptor.h"

// NOLINTBEGIN(modernize-*,bugprone-*,cert-*,readability-*): C, and names as in Windows' headers.
#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t NTSTATUS;
typedef unsigned char BOOLEAN;

// NTSTATUS of SspiReinitAsyncContext, as Windows' ntstatus.h has them, besides 0 for success.
#define USHER_STATUS_INVALID_HANDLE USHER_STATUS(0xC0000008)
#define USHER_STATUS_RESOURCE_IN_USE USHER_STATUS(0xC0000708)

// What an operation completes with if usher_async_cancel has won, and if its deadline has passed:
// HRESULT_FROM_WIN32 of ERROR_CANCELLED and ERROR_TIMEOUT. No other call returns them.
#define USHER_E_CANCELLED USHER_STATUS(0x800704C7)
#define USHER_E_DEADLINE USHER_STATUS(0x800705B4)

// SspiAsyncContext is one operation after another: created, given a callback or a completion queue,
// passed to an ...Async call, and when that has completed reinitialised or freed. The pointer is a
// handle and points to nothing.
typedef struct _SspiAsyncContext SspiAsyncContext;

// SspiAsyncNotifyCallback is called once for each operation that was queued, when its status is
// final, however it came about.
typedef void (*SspiAsyncNotifyCallback)(SspiAsyncContext* Handle, void* CallbackData);

// SspiCreateAsyncContext takes an async context; NULL if all are in use
// (USHER_OPTIONS.AsyncContexts) or there is no memory.
USHER_API SspiAsyncContext* SspiCreateAsyncContext(void);

// SspiFreeAsyncContext gives an async context back. NULL is allowed. It is for contexts whose
// operation has completed and whose callback has begun, or whose completion has been taken from its
// queue, and for those that were never used; and for one that SspiDeleteSecurityContextAsync was
// called with, without a callback, at any time. One that is freed sooner is a mistake without
// consequences: its handle is stale at once, the operation completes as if nothing had happened,
// its callback is called (a completion queue does not tell it), and then it is free.
USHER_API void SspiFreeAsyncContext(SspiAsyncContext* Handle);

// SspiReinitAsyncContext makes a completed context ready for the next operation; callback, queue
// and deadline stay. Of a context that is ready already it changes nothing. Zero;
// USHER_STATUS_INVALID_HANDLE; USHER_STATUS_RESOURCE_IN_USE while its operation is pending, or its
// completion has not been taken from the queue.
USHER_API NTSTATUS SspiReinitAsyncContext(SspiAsyncContext* Handle);

// SspiSetAsyncNotifyCallback names the function to call at completion; NULL for none. It takes the
// place of a completion queue. SEC_E_OUT_OF_SEQUENCE once an operation has been queued, until the
// context is reinitialised.
USHER_API SECURITY_STATUS SspiSetAsyncNotifyCallback(SspiAsyncContext* Context,
                                                     SspiAsyncNotifyCallback Callback,
                                                     void* CallbackData);

// SspiAsyncContextRequiresNotify says whether there is a callback or a queue to tell. Zero for a
// handle that is none; of one whose queue was freed while it had no operation, when it is to have
// one. All operations but SspiDeleteSecurityContextAsync want one, and are not
// queued without: SEC_E_INVALID_PARAMETER.
USHER_API BOOLEAN SspiAsyncContextRequiresNotify(SspiAsyncContext* AsyncContext);

// SspiGetAsyncCallStatus is SEC_I_ASYNC_CALL_PENDING, or the operation's final status;
// SEC_E_OUT_OF_SEQUENCE of a context that has none. Never waits. Whoever reads a final status also
// sees what the operation has written.
USHER_API SECURITY_STATUS SspiGetAsyncCallStatus(SspiAsyncContext* Handle);

// The operations. Each returns SEC_E_OK if it was queued, and otherwise: SEC_E_INVALID_HANDLE of
// the async context, or of the credential or security context it is about;
// SEC_E_OUT_OF_SEQUENCE if the async context has had its operation and was not reinitialised, or an
// accept is pending on the security context; SEC_E_INVALID_PARAMETER without callback and queue;
// SEC_E_INSUFFICIENT_MEMORY if threads cannot be had, or, of an accept and whatever else is wrong
// with it, if all queues are full. All other errors of the synchronous function are the operation's
// final status.

// As AcquireCredentialsHandle (sspi.h).
USHER_API SECURITY_STATUS SspiAcquireCredentialsHandleAsyncA(
    SspiAsyncContext* AsyncContext, const SEC_CHAR* pszPrincipal, const SEC_CHAR* pszPackage,
    uint32_t fCredentialUse, void* pvLogonId, void* pAuthData, SEC_GET_KEY_FN pGetKeyFn,
    void* pvGetKeyArgument, PCredHandle phCredential, PTimeStamp ptsExpiry);
USHER_API SECURITY_STATUS SspiAcquireCredentialsHandleAsyncW(
    SspiAsyncContext* AsyncContext, const SEC_WCHAR* pszPrincipal, const SEC_WCHAR* pszPackage,
    uint32_t fCredentialUse, void* pvLogonId, void* pAuthData, SEC_GET_KEY_FN pGetKeyFn,
    void* pvGetKeyArgument, PCredHandle phCredential, PTimeStamp ptsExpiry);

// As AcceptSecurityContext (sspi.h), in each argument and result. Schannel's rule that a token is
// followed by SECBUFFER_EMPTY is neither needed nor in the way. (Its page prints
// SEC_E_INVALID_HANDLE as 0x80100003, which is SCARD_E_INVALID_HANDLE.)
USHER_API SECURITY_STATUS SspiAcceptSecurityContextAsync(
    SspiAsyncContext* AsyncContext, PCredHandle phCredential, PCtxtHandle phContext,
    PSecBufferDesc pInput, uint32_t fContextReq, uint32_t TargetDataRep, PCtxtHandle phNewContext,
    PSecBufferDesc pOutput, uint32_t* pfContextAttr, PTimeStamp ptsExpiry);

// As FreeCredentialsHandle (sspi.h); the handle is dead when the operation has completed.
USHER_API SECURITY_STATUS SspiFreeCredentialsHandleAsync(SspiAsyncContext* AsyncContext,
                                                         PCredHandle phCredential);

// As DeleteSecurityContext (sspi.h), but a context that is being worked on is deleted when that is
// over, or, if its deadline passes before, completes with USHER_E_DEADLINE and is not deleted;
// without a deadline that is after eleven minutes, longer than any authority may take. The one
// operation that needs no callback; without one it may be polled for, or its async context freed at
// once. It cannot be cancelled.
USHER_API SECURITY_STATUS SspiDeleteSecurityContextAsync(SspiAsyncContext* AsyncContext,
                                                         PCtxtHandle phContext);

// usher_accept_async_batch queues one accept for each of `count` pairs, with fewer wake-ups than as
// many calls of SspiAcceptSecurityContextAsync. Status of each request receives that function's
// return value; the request itself may go when this returns, what its pointers name may not.
// SEC_E_OK if all were queued, else the first error; those that were queued are. Nothing is queued
// and no Status set if an array is NULL and count is not 0: SEC_E_INVALID_PARAMETER.
USHER_API SECURITY_STATUS usher_accept_async_batch(SspiAsyncContext* const* contexts,
                                                   USHER_ACCEPT* requests, uint32_t count);

// usher_async_cancel ends a pending operation, if it is still waiting: for its turn, or for an
// authority's answer. SEC_E_OK: it completes, in the usual way, with USHER_E_CANCELLED, and will
// not complete with anything else; of an accept no context remains, as after any error.
// SEC_E_OUT_OF_SEQUENCE: it has been or is being worked on and completes with its result, or there
// is none. Acquiring and freeing credentials can be cancelled until they begin, and complete when
// their turn comes (usher_async_set_deadline).
USHER_API SECURITY_STATUS usher_async_cancel(SspiAsyncContext* Context);

// usher_async_set_deadline says how long after it was queued an operation may wait, in
// milliseconds, 0 for ever (the default). One whose time is over before its turn has come, or while
// its authority is being asked, completes with USHER_E_DEADLINE; no context remains. What has begun
// otherwise is finished. Expiry is noticed within 20 ms, or after the turn if that takes longer,
// also while the worker is never idle; only a callback that blocks holds it up. Not so of acquiring
// and freeing credentials, which one thread does in the order in which they were queued: that their
// time is over, or that they were cancelled, is noticed when it comes to them, which may be behind
// the end of a credential that waits for winbindd. Then phCredential holds no handle, as after any
// acquisition that fails. SEC_E_OUT_OF_SEQUENCE as SspiSetAsyncNotifyCallback.
USHER_API SECURITY_STATUS usher_async_set_deadline(SspiAsyncContext* Context,
                                                   uint32_t milliseconds);

// Completion queues. An operation whose async context names one puts its completion there, and no
// code of the caller's runs on a foreign thread. A queue is never full: it has room for every async
// context there is.
typedef struct _USHER_COMPLETIONS USHER_COMPLETIONS;
typedef struct _USHER_COMPLETION {
  SspiAsyncContext* Context;  // To be reinitialised or freed from now on.
  void* Data;                 // As usher_async_set_completions was told.
  SECURITY_STATUS Status;     // Final.
} USHER_COMPLETION;

// usher_create_completions makes a queue; NULL if there are USHER_COMPLETIONS_MAX already, or no
// descriptor can be had.
#define USHER_COMPLETIONS_MAX 1024u
USHER_API USHER_COMPLETIONS* usher_create_completions(void);

// usher_completions_fd is the queue's eventfd, non-blocking and close-on-exec: readable while there
// is something to take. Wait for that with poll, epoll or io_uring, level- or edge-triggered; do
// not read, write or close it. -1 for a handle that is none.
USHER_API int usher_completions_fd(USHER_COMPLETIONS* queue);

// usher_take_completions moves up to `count` completions to `out`, the oldest first, and returns
// how many: 0 if there are none, or queue is none. Never waits; one thread at a time, another gets
// 0. If some are left the descriptor stays, or becomes again, readable.
USHER_API uint32_t usher_take_completions(USHER_COMPLETIONS* queue, USHER_COMPLETION* out,
                                          uint32_t count);

// usher_free_completions closes a queue: its handle is stale, its descriptor closed; operations
// that still name it complete without telling anybody, and async contexts cannot be used with it
// any more. NULL is allowed. Not while another thread is taking from it.
USHER_API void usher_free_completions(USHER_COMPLETIONS* queue);

// usher_async_set_completions has an async context's completions put into `queue`, NULL for none,
// in place of a callback. SEC_E_INVALID_HANDLE; SEC_E_OUT_OF_SEQUENCE as
// SspiSetAsyncNotifyCallback.
USHER_API SECURITY_STATUS usher_async_set_completions(SspiAsyncContext* Context,
                                                      USHER_COMPLETIONS* queue, void* Data);

// USHER_ASYNC_COUNTS is what has happened since the process began, or since its fork.
typedef struct _USHER_ASYNC_COUNTS {
  uint32_t Size;       // sizeof(USHER_ASYNC_COUNTS)
  uint32_t Workers;    // Threads that do accepts: 0 before the first.
  uint64_t Submitted;  // Operations queued.
  uint64_t Refused;    // Operations not queued because all queues were full.
  uint64_t Completed;  // Operations completed, whatever their status.
  uint64_t Cancelled;  // Of those, with USHER_E_CANCELLED,
  uint64_t Late;       // and with USHER_E_DEADLINE.
  uint64_t Tokens;     // Tokens given to the acceptor by workers, and
  uint64_t Batches;    // in how many turns.
  uint64_t WakeUps;    // Times a sleeping worker was woken.
} USHER_ASYNC_COUNTS;

// usher_async_counts tells how many operations there were. Numbers are each exact and not all of
// the same moment. SEC_E_INVALID_PARAMETER if Size is not this library's. Any thread, at any time.
USHER_API SECURITY_STATUS usher_async_counts(USHER_ASYNC_COUNTS* counts);

// Names without a suffix follow UNICODE, as on Windows.
#ifdef UNICODE
#define SspiAcquireCredentialsHandleAsync SspiAcquireCredentialsHandleAsyncW
#else
#define SspiAcquireCredentialsHandleAsync SspiAcquireCredentialsHandleAsyncA
#endif

#ifdef __cplusplus
}  // extern "C"
#endif
// NOLINTEND(modernize-*,bugprone-*,cert-*,readability-*)
