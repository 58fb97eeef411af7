// Counts the heap and system calls of a process. One source of a program includes this: it takes
// the place of malloc and its kin. Where that cannot be, USHER_CALLS_ARE_NOT_COUNTED says why.
#pragma once

#if defined(__has_feature)
#define USHER_HAS_FEATURE(x) __has_feature(x)
#else
#define USHER_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||               \
    USHER_HAS_FEATURE(address_sanitizer) || USHER_HAS_FEATURE(thread_sanitizer) || \
    USHER_HAS_FEATURE(memory_sanitizer)
#define USHER_CALLS_ARE_NOT_COUNTED "a sanitizer has its own malloc, and system calls of its own"
#elif !defined(__x86_64__)
#define USHER_CALLS_ARE_NOT_COUNTED "passing on a trapped system call is written for x86-64 only"
#else

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

// Counts is what happened while `counting`; one thread, so plain numbers do.
struct Counts {
  long accepted = 0;
  long heap_calls = 0;
  long system_calls = 0;
  long last_system_call = -1;
};
volatile bool g_counting = false;
Counts g_counts;

void count_heap_call() { g_counts.heap_calls += g_counting ? 1 : 0; }

}  // namespace

// These take the place of the C library's in the whole process, OpenSSL and libusher.so included.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);

void* malloc(std::size_t size) {
  count_heap_call();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  count_heap_call();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  count_heap_call();
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count_heap_call();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  *out = memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}
void free(void* memory) {
  if (memory != nullptr) {
    count_heap_call();
  }
  __libc_free(memory);
}

// usher_test_system_call is syscall(2) at an address of our own, the one place from which the
// filter lets system calls through.
long usher_test_system_call(long number, long a, long b, long c, long d, long e, long f);
extern const char usher_test_after_system_call[];
}
asm(R"(
.text
.globl usher_test_system_call
.type usher_test_system_call, @function
usher_test_system_call:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
.globl usher_test_after_system_call
usher_test_after_system_call:
  ret
.size usher_test_system_call, . - usher_test_system_call
)");

namespace usher::testing {
namespace {

// on_system_call counts the call that was trapped, then makes it after all.
void on_system_call(int, siginfo_t*, void* opaque) {
  auto* const context = static_cast<ucontext_t*>(opaque);
  auto& registers = context->uc_mcontext.gregs;
  if (g_counting) {
    ++g_counts.system_calls;
    g_counts.last_system_call = registers[REG_RAX];
  }
  registers[REG_RAX] = usher_test_system_call(
      registers[REG_RAX], registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
      registers[REG_R10], registers[REG_R8], registers[REG_R9]);
}

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter jump_if(std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

// trap_system_calls makes every system call of this process a SIGSYS, for good.
bool trap_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = on_system_call;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  const auto allowed = reinterpret_cast<std::uintptr_t>(usher_test_after_system_call);
  std::array filter = {
      load(offsetof(seccomp_data, nr)),
      jump_if(SYS_rt_sigreturn, 5, 0),
      load(offsetof(seccomp_data, instruction_pointer)),
      jump_if(static_cast<std::uint32_t>(allowed), 0, 2),
      load(offsetof(seccomp_data, instruction_pointer) + 4),
      jump_if(static_cast<std::uint32_t>(allowed >> 32), 1, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::sigaction(SIGSYS, &action, nullptr) == 0 &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

}  // namespace
}  // namespace usher::testing

#endif
