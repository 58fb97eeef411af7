// Counts the heap calls, system calls and locks of accepts, by Usher, alone and in batches; prints
// one JSON object. A system call ends in a handler that counts it and does nothing: what is counted
// is to be none.
//
//   accept_calls [COUNT]
#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "bench/allocations.h"
#include "bench/door.h"

namespace {

volatile std::uint64_t g_locks = 0;
volatile std::uint64_t g_system_calls = 0;

// next_lock finds the C library's own function behind one of those below.
template <class Function>
Function* next_lock(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// These take the place of the C library's for the program and the libraries it uses.
extern "C" {
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static auto* const next = next_lock<int(pthread_mutex_t*)>("pthread_mutex_lock");
  g_locks = g_locks + 1;
  return next(mutex);
}
int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  static auto* const next = next_lock<int(pthread_mutex_t*)>("pthread_mutex_trylock");
  g_locks = g_locks + 1;
  return next(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  static auto* const next = next_lock<int(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  g_locks = g_locks + 1;
  return next(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  static auto* const next = next_lock<int(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  g_locks = g_locks + 1;
  return next(lock);
}
int pthread_spin_lock(pthread_spinlock_t* lock) noexcept {
  static auto* const next = next_lock<int(pthread_spinlock_t*)>("pthread_spin_lock");
  g_locks = g_locks + 1;
  return next(lock);
}
}

namespace usher::bench {
namespace {

constexpr std::size_t kBatch = 32;
constexpr std::size_t kWarmUp = 4 * kBatch;
constexpr std::size_t kCountDefault = 32 * kBatch;

void count_system_call(int, siginfo_t*, void* opaque) {
  g_system_calls = g_system_calls + 1;
  static_cast<ucontext_t*>(opaque)->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
}

// trap_system_calls lets through, for good, only what ends the program and its handler.
bool trap_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = count_system_call;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  constexpr auto kJump = BPF_JMP | BPF_JEQ | BPF_K;
  std::array filter = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(kJump, SYS_rt_sigreturn, 3, 0),
      sock_filter BPF_JUMP(kJump, SYS_write, 2, 0),
      sock_filter BPF_JUMP(kJump, SYS_exit_group, 1, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::sigaction(SIGSYS, &action, nullptr) == 0 &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

std::size_t accept(Door& door, const KerberosTokens& tokens, std::size_t begin, std::size_t end,
                   std::size_t batch_size) {
  std::array<Bytes, kBatch> room;
  std::size_t established = 0;
  for (std::size_t at = begin; at < end; at += batch_size) {
    const std::span batch = std::span(room).first(batch_size);
    for (std::size_t n = 0; n < batch.size(); ++n) {
      batch[n] = tokens.token(at + n);
    }
    for (const AcceptReply& reply : door.accept(batch)) {
      established += reply.verdict.status == Status::kEstablished ? 1u : 0u;
      door.release(reply.context);
    }
  }
  return established;
}

// run accepts `count` tokens one by one and as many in batches. Writes its counts itself: after the
// trap nothing of the C library's is sure to work.
int run(std::size_t count) {
  const std::size_t half = kWarmUp + count;
  const KerberosTokens tokens({.count = 2 * half, .tickets = 2 * half});
  Door door(tokens.service());
  std::size_t established = accept(door, tokens, 0, kWarmUp, 1);
  established += accept(door, tokens, half, half + kWarmUp, kBatch);
  if (!trap_system_calls()) {
    std::perror("accept_calls: seccomp");
    return 2;
  }
  ::syscall(SYS_getppid);  // The trap works, or nothing it says is worth anything.
  const bool traps = g_system_calls == 1;
  g_system_calls = 0;
  g_locks = 0;
  const std::uint64_t heap_calls = allocation_count();
  established += accept(door, tokens, kWarmUp, half, 1);
  established += accept(door, tokens, half + kWarmUp, 2 * half, kBatch);
  const std::uint64_t heap_calls_since = allocation_count() - heap_calls;
  const std::uint64_t locks = g_locks;
  const std::uint64_t system_calls = g_system_calls;
  std::array<char, 256> text;
  const int size = std::snprintf(
      text.data(), text.size(),
      "{\"accepts\": %zu, \"heap_calls\": %llu, \"system_calls\": %llu, \"locks\": %llu}\n",
      2 * count, static_cast<unsigned long long>(heap_calls_since),
      static_cast<unsigned long long>(system_calls), static_cast<unsigned long long>(locks));
  const bool good = traps && established == 2 * half &&
                    ::write(STDOUT_FILENO, text.data(), static_cast<std::size_t>(size)) == size;
  _exit(good ? 0 : 1);
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  std::size_t count = usher::bench::kCountDefault;
  if (argc == 2) {
    std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), count);
  }
  if (argc > 2 || count == 0 || count % usher::bench::kBatch != 0) {
    std::fprintf(stderr, "usage: accept_calls [COUNT], a multiple of %zu\n", usher::bench::kBatch);
    return 2;
  }
  return usher::bench::run(count);
}
