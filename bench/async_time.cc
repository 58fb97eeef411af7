// Times the asynchronous calls of libusher; prints one JSON object.
//
//   async_time alone [--count N]        one operation at a time, with pauses: round trips
//   async_time full [--count N]         as many threads as processors, each accepting by the
//                                       synchronous call; then 8 producers that keep 64 operations
//                                       each under way
//   async_time refused [--count N]      submissions that find the queue full
//   async_time overload [--seconds N]   one worker on a processor of its own, one thread that
//                                       offers on another: what gets done at most; then 70 % of
//                                       that is due, then 10 times as much
//
// Tokens are presented again and again, and let in by ASC_REQ_ALLOW_CONTEXT_REPLAY: no machine
// holds as many as half a minute takes.
#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <usher/async.h>
#include <usher/sspi.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <thread>

#include "bench/timing.h"
#include "bench/tokens.h"

namespace usher::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::duration<double, std::nano>;

constexpr char kUsage[] =
    "usage: async_time alone|full|refused [--count N] | overload [--seconds N]   (--queue N: of a "
    "worker)\n";
constexpr std::size_t kTokens = 8192;
constexpr std::size_t kProducers = 8;
constexpr std::size_t kInFlight = 64;        // Operations of a producer.
constexpr std::size_t kContextsEach = 1024;  // Async contexts of a producer in an open loop.
constexpr std::size_t kTakenAtOnce = 64;
constexpr std::size_t kTriedAtOnce = 64;  // Submissions between two looks at the completions.
constexpr double kUsualLoad = 0.7;
constexpr double kOverload = 10;
constexpr auto kPause = std::chrono::microseconds(200);
constexpr std::size_t kPeakInFlight = 256;
constexpr auto kLate = std::chrono::milliseconds(1);  // How far behind an open loop may be.

// Server is the library with one credential, and tokens for it.
class Server {
 public:
  // 0: as many workers as processors, and the library's default of what may wait.
  Server(std::size_t workers, std::size_t queue) : tokens_({.count = kTokens, .tickets = kTokens}) {
    std::string path = (std::filesystem::temp_directory_path() / "usher-async-XXXXXX").string();
    const int file = mkstemp(path.data());
    const mint::Octets image = mint::keytab_image(std::span(&tokens_.service(), 1));
    const bool written =
        file >= 0 && write(file, image.data(), image.size()) == static_cast<ssize_t>(image.size());
    close(file);
    USHER_OPTIONS options{};
    options.Version = USHER_OPTIONS_VERSION;
    options.Size = sizeof options;
    options.SlotCount = 1u << 16;
    options.AsyncContexts = 1u << 14;
    options.AsyncWorkers = static_cast<std::uint32_t>(workers);
    options.AsyncQueue = static_cast<std::uint32_t>(queue);
    USHER_ACCEPTOR acceptor{};
    acceptor.Version = USHER_ACCEPTOR_VERSION;
    acceptor.Size = sizeof acceptor;
    acceptor.Keytab = path.c_str();
    std::string package = NEGOSSP_NAME_A;
    const bool good =
        written && usher_start(&options) == SEC_E_OK &&
        AcquireCredentialsHandleA(nullptr, package.data(), SECPKG_CRED_INBOUND, nullptr, &acceptor,
                                  nullptr, nullptr, &credential_, nullptr) == SEC_E_OK;
    unlink(path.c_str());
    mint::require(good, "libusher does not start");
  }
  ~Server() { FreeCredentialsHandle(&credential_); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] Bytes token(std::size_t n) const { return tokens_.token(n % kTokens); }
  [[nodiscard]] bool proves(Bytes reply) const { return tokens_.proves(reply); }
  [[nodiscard]] CredHandle* credential() { return &credential_; }

 private:
  KerberosTokens tokens_;
  CredHandle credential_{};
};

// Operation is one accept and its memory.
struct Operation {
  SspiAsyncContext* async = nullptr;
  Clock::time_point due;
  CtxtHandle context{};
  std::array<std::uint8_t, 1024> room{};
  SecBuffer in{};
  SecBuffer out{};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  std::uint32_t attributes = 0;
  TimeStamp expiry{};

  USHER_ACCEPT request(Server& server, std::size_t token) {
    const Bytes bytes = server.token(token);
    in = {static_cast<std::uint32_t>(bytes.size()), SECBUFFER_TOKEN,
          const_cast<std::uint8_t*>(bytes.data())};
    out = {static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    USHER_ACCEPT request{};
    request.phCredential = server.credential();
    request.pInput = &input;
    request.fContextReq = ASC_REQ_ALLOW_CONTEXT_REPLAY;
    request.TargetDataRep = SECURITY_NATIVE_DREP;
    request.phNewContext = &context;
    request.pOutput = &output;
    request.pfContextAttr = &attributes;
    request.ptsExpiry = &expiry;
    return request;
  }
  [[nodiscard]] Bytes reply() const { return Bytes(room).first(out.cbBuffer); }
};

// Producer is a thread's operations and its completion queue.
class Producer {
 public:
  Producer(Server& server, std::size_t operations)
      : server_(server), queue_(usher_create_completions()), operations_(operations) {
    mint::require(queue_ != nullptr, "no completion queue");
    for (Operation& operation : operations_) {
      operation.async = SspiCreateAsyncContext();
      mint::require(
          operation.async != nullptr &&
              usher_async_set_completions(operation.async, queue_, &operation) == SEC_E_OK,
          "no async context");
      free_.push_back(&operation);
    }
  }
  ~Producer() {
    for (Operation& operation : operations_) {
      SspiFreeAsyncContext(operation.async);
    }
    usher_free_completions(queue_);
  }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  [[nodiscard]] std::size_t free() const { return free_.size(); }
  [[nodiscard]] std::size_t pending() const { return operations_.size() - free_.size(); }

  // submit queues up to `count` accepts, of as many free operations, and returns how many were.
  std::size_t submit(std::size_t& token, std::size_t count, Clock::time_point due,
                     Nanoseconds apart) {
    std::array<SspiAsyncContext*, kTriedAtOnce> contexts{};
    std::array<USHER_ACCEPT, kTriedAtOnce> requests{};
    count = std::min({count, kTriedAtOnce, free_.size()});
    for (std::size_t n = 0; n < count; ++n) {
      Operation& operation = *free_[free_.size() - 1 - n];
      operation.due =
          due + std::chrono::duration_cast<Clock::duration>(apart * static_cast<double>(n));
      contexts[n] = operation.async;
      requests[n] = operation.request(server_, token + n);
    }
    (void)usher_accept_async_batch(contexts.data(), requests.data(),
                                   static_cast<std::uint32_t>(count));
    token += count;
    std::array<Operation*, kTriedAtOnce> refused;
    std::size_t refusals = 0;
    for (std::size_t n = 0; n < count; ++n) {
      Operation* const operation = free_.back();
      free_.pop_back();
      if (requests[n].Status != SEC_E_OK) {
        mint::require(requests[n].Status == SEC_E_INSUFFICIENT_MEMORY, "an accept is not queued");
        refused[refusals++] = operation;
      }
    }
    free_.insert(free_.end(), refused.begin(),
                 refused.begin() + static_cast<std::ptrdiff_t>(refusals));
    return count - refusals;
  }

  // collect takes what has completed and calls done(Operation&) for each; how many.
  template <class Done>
  std::size_t collect(Done done) {
    std::array<USHER_COMPLETION, kTakenAtOnce> taken;
    const std::uint32_t count = usher_take_completions(queue_, taken.data(), kTakenAtOnce);
    for (std::uint32_t n = 0; n < count; ++n) {
      auto& operation = *static_cast<Operation*>(taken[n].Data);
      mint::require(taken[n].Status == SEC_E_OK, "a token was refused");
      done(operation);
      DeleteSecurityContext(&operation.context);
      mint::require(SspiReinitAsyncContext(operation.async) == 0, "no second use");
      free_.push_back(&operation);
    }
    return count;
  }

  // wait sleeps until there is something to collect, or for so many milliseconds.
  void wait(int milliseconds) {
    pollfd ready{.fd = usher_completions_fd(queue_), .events = POLLIN, .revents = 0};
    poll(&ready, 1, milliseconds);
  }

 private:
  Server& server_;
  USHER_COMPLETIONS* queue_;
  std::vector<Operation> operations_;
  std::vector<Operation*> free_;
};

// in_threads runs work(n) in `count` threads and returns the seconds from when all were ready.
template <class Work>
double in_threads(std::size_t count, Work work) {
  std::atomic<std::size_t> ready{0};
  std::atomic<bool> failed{false};
  std::vector<std::jthread> threads;
  for (std::size_t n = 0; n < count; ++n) {
    threads.emplace_back([&, n] {
      ready.fetch_add(1);
      while (ready.load() != count + 1) {
        std::this_thread::yield();
      }
      try {
        work(n);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "async_time: %s\n", error.what());
        failed = true;
      }
    });
  }
  while (ready.load() != count) {
    std::this_thread::yield();
  }
  const auto begin = Clock::now();
  ready.fetch_add(1);
  threads.clear();  // Joined.
  mint::require(!failed, "a thread has failed");
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double percentile_us(std::vector<float>& times_us, double percent) {
  mint::require(!times_us.empty(), "nothing was accepted");
  const auto rank =
      static_cast<std::ptrdiff_t>(percent / 100 * static_cast<double>(times_us.size() - 1));
  std::nth_element(times_us.begin(), times_us.begin() + rank, times_us.end());
  return double{times_us[static_cast<std::size_t>(rank)]};
}

float us_since(Clock::time_point begin) {
  return static_cast<float>(Nanoseconds(Clock::now() - begin).count() / 1000);
}

// accept_one is the synchronous call.
void accept_one(Server& server, Operation& operation, std::size_t token) {
  const USHER_ACCEPT r = operation.request(server, token);
  mint::require(
      AcceptSecurityContext(r.phCredential, nullptr, r.pInput, r.fContextReq, r.TargetDataRep,
                            r.phNewContext, r.pOutput, r.pfContextAttr, r.ptsExpiry) == SEC_E_OK,
      "a token was refused");
}

int alone(Server& server, std::size_t count) {
  Producer producer(server, 1);
  std::vector<float> times_us;
  std::size_t token = 0;
  bool proved = false;
  while (times_us.size() < count) {
    std::this_thread::sleep_for(kPause);
    mint::require(producer.submit(token, 1, Clock::now(), {}) == 1, "an accept is not queued");
    while (producer.collect([&](Operation& operation) {
      times_us.push_back(us_since(operation.due));
      proved = proved || server.proves(operation.reply());
    }) == 0) {
      producer.wait(1000);
    }
  }
  mint::require(proved, "the answer to the first token proves nothing");
  // The same by the synchronous call: what is more than that is the way there and back.
  std::vector<float> synchronous_us;
  Operation operation;
  while (synchronous_us.size() < count) {
    std::this_thread::sleep_for(kPause);
    const auto begin = Clock::now();
    accept_one(server, operation, token++);
    synchronous_us.push_back(us_since(begin));
    DeleteSecurityContext(&operation.context);
  }
  std::printf(
      "{\"accepts\": %zu, \"p50_us\": %.2f, \"p99_us\": %.2f, \"synchronous_p50_us\": %.2f}\n",
      count, percentile_us(times_us, 50), percentile_us(times_us, 99),
      percentile_us(synchronous_us, 50));
  return 0;
}

// synchronous_rate is accepts a second of one thread for each processor.
double synchronous_rate(Server& server, std::size_t count) {
  const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  const double seconds = in_threads(threads, [&](std::size_t thread) {
    Operation operation;
    for (std::size_t n = thread; n < count; n += threads) {
      accept_one(server, operation, n);
      DeleteSecurityContext(&operation.context);
    }
  });
  return static_cast<double>(count) / seconds;
}

// saturated_rate is accepts a second of all producers, each of which always has work under way.
double saturated_rate(Server& server, std::size_t count) {
  const std::size_t share = count / kProducers;
  const double seconds = in_threads(kProducers, [&](std::size_t thread) {
    Producer producer(server, kInFlight);
    std::size_t token = thread * share;
    std::size_t left = share;
    std::size_t done = 0;
    while (done < share) {
      if (left > 0 && producer.free() > 0) {
        left -= producer.submit(token, left, {}, {});
      }
      const std::size_t collected = producer.collect([](Operation&) {});
      done += collected;
      if (collected == 0) {
        producer.wait(1);
      }
    }
  });
  return static_cast<double>(share * kProducers) / seconds;
}

// Held is a callback that does not return: the worker it is called on does nothing else.
struct Held {
  std::binary_semaphore entered{0};
  std::binary_semaphore release{0};
  static void notify(SspiAsyncContext* /*handle*/, void* data) {
    auto& self = *static_cast<Held*>(data);
    self.entered.release();
    self.release.acquire();
  }
};

// refuse has `count` submissions refused, one by one; by its name callgrind finds it.
[[gnu::noinline]] std::size_t refuse(SspiAsyncContext* async, const USHER_ACCEPT& r,
                                     std::size_t count) {
  std::size_t refused = 0;
  for (std::size_t n = 0; n < count; ++n) {
    const SECURITY_STATUS status = SspiAcceptSecurityContextAsync(
        async, r.phCredential, r.phContext, r.pInput, r.fContextReq, r.TargetDataRep,
        r.phNewContext, r.pOutput, r.pfContextAttr, r.ptsExpiry);
    refused += status == SEC_E_INSUFFICIENT_MEMORY ? 1u : 0u;
  }
  return refused;
}

int refused(Server& server, std::size_t count) {
  Held held;
  Operation holding;
  holding.async = SspiCreateAsyncContext();
  USHER_ACCEPT request = holding.request(server, 0);
  request.pInput = nullptr;
  mint::require(SspiSetAsyncNotifyCallback(holding.async, Held::notify, &held) == SEC_E_OK &&
                    usher_accept_async_batch(&holding.async, &request, 1) == SEC_E_OK,
                "nothing can be queued");
  held.entered.acquire();
  double ns = 0;
  {
    Producer waiting(server, kContextsEach);
    std::size_t token = 0;
    while (waiting.submit(token, kTriedAtOnce, {}, {}) > 0) {
    }
    Operation turned_away;
    turned_away.async = SspiCreateAsyncContext();
    (void)SspiSetAsyncNotifyCallback(turned_away.async, Held::notify, &held);
    const USHER_ACCEPT more = turned_away.request(server, 0);
    const double begin = thread_ns();
    mint::require(refuse(turned_away.async, more, count) == count, "an accept was not refused");
    ns = (thread_ns() - begin) / static_cast<double>(count);
    SspiFreeAsyncContext(turned_away.async);
    held.release.release();
    while (waiting.pending() > 0) {
      if (waiting.collect([](Operation&) {}) == 0) {
        waiting.wait(1);
      }
    }
  }
  std::printf("{\"refused\": %zu, \"ns\": %.1f}\n", count, ns);
  return 0;
}

int full(Server& server, std::size_t count) {
  (void)saturated_rate(server, kTokens);  // Threads are made, memory is touched.
  const double synchronous = synchronous_rate(server, count);
  const double asynchronous = saturated_rate(server, count);
  const double cores = std::max(1u, std::thread::hardware_concurrency());
  std::printf("{\"accepts\": %zu, \"synchronous_ns\": %.1f, \"asynchronous_ns\": %.1f}\n", count,
              cores * 1e9 / synchronous, cores * 1e9 / asynchronous);
  return 0;
}

// Open is what became of an open loop.
struct Open {
  double per_second = 0;
  double offered = 0;
  std::vector<float> times_us;
};

// Apart is the arrangement in which overload is measured: the library's one worker has a processor
// to itself, and so has the calling thread, which offers. Who offers too much costs itself nothing
// else but the library's own answers.
class Apart {
 public:
  explicit Apart(Server& server) : server_(server) {
    Producer first(server_, 1);  // From the first accept on there is a worker.
    std::size_t token = 0;
    mint::require(first.submit(token, 1, {}, {}) == 1, "an accept is not queued");
    while (first.collect([](Operation&) {}) == 0) {
      first.wait(1000);
    }
    const std::vector<unsigned> processors = usable_processors();
    mint::require(processors.size() >= 2, "overload is measured on two processors");
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
      if (name == "usher-worker") {
        pin(std::stoi(task.path().filename()), processors.front());
      }
    }
    pin(0, processors.back());
  }

  // peak is accepts a second if there is always something to do.
  double peak(double seconds) {
    Producer producer(server_, kPeakInFlight);
    const auto begin = Clock::now();
    std::size_t token = 0;
    std::size_t done = 0;
    double passed = 0;
    while (passed < seconds) {
      producer.submit(token, kTriedAtOnce, {}, {});
      done += producer.collect([](Operation&) {});
      passed = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    settle(producer);
    return static_cast<double>(done) / passed;
  }

  // open_loop has `rate` accepts a second come due for a while: accept n at n / rate, from when its
  // latency counts. What is refused is not tried again; what this thread cannot even offer within
  // kLate is not offered, and `offered` tells.
  Open open_loop(double rate, double seconds) {
    Producer producer(server_, kContextsEach);
    Open open;
    open.times_us.reserve(static_cast<std::size_t>(seconds * 1e6));
    const Nanoseconds apart(1e9 / rate);
    const auto at = [&](std::size_t n) {
      return std::chrono::duration_cast<Clock::duration>(apart * static_cast<double>(n));
    };
    const auto done = [&](const Operation& operation) {
      open.times_us.push_back(us_since(operation.due));
    };
    const auto begin = Clock::now();
    const auto length =
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::size_t next = 0;
    std::size_t offered = 0;
    std::size_t token = 0;
    for (auto passed = Clock::duration{}; passed < length; passed = Clock::now() - begin) {
      if (passed > at(next) + kLate) {
        next = static_cast<std::size_t>((passed - kLate) / apart);
      }
      const auto due = static_cast<std::size_t>(passed / apart);
      if (due > next) {
        const std::size_t trying = std::min({due - next, kTriedAtOnce, producer.free()});
        producer.submit(token, trying, begin + at(next), apart);
        next += trying;
        offered += trying;
      }
      producer.collect(done);
    }
    open.per_second = static_cast<double>(open.times_us.size()) / seconds;
    open.offered = static_cast<double>(offered) / seconds;
    settle(producer);
    return open;
  }

 private:
  static void settle(Producer& producer) {
    while (producer.pending() > 0) {
      producer.collect([](const Operation&) {});
    }
  }
  static std::vector<unsigned> usable_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    mint::require(sched_getaffinity(0, sizeof set, &set) == 0, "no affinity");
    std::vector<unsigned> usable;
    for (unsigned n = 0; n < CPU_SETSIZE; ++n) {
      if (CPU_ISSET(n, &set)) {
        usable.push_back(n);
      }
    }
    return usable;
  }
  static void pin(pid_t thread, unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    mint::require(sched_setaffinity(thread, sizeof set, &set) == 0, "no processor of its own");
  }

  Server& server_;
};

int overload(Server& server, double seconds) {
  Apart apart(server);
  const double briefly = std::min(seconds, 5.0);
  (void)apart.peak(briefly / 10);
  // Before, between and after, so that a machine that slows down for a while slows both sides.
  std::array<double, 3> peaks{apart.peak(briefly / 3)};
  Open usual = apart.open_loop(kUsualLoad * peaks[0], briefly);
  peaks[1] = apart.peak(briefly / 3);
  Open over = apart.open_loop(kOverload * std::max(peaks[0], peaks[1]), seconds);
  peaks[2] = apart.peak(briefly / 3);
  std::ranges::sort(peaks);
  const double peak = peaks[1];
  std::printf(
      "{\"peak\": %.0f, \"usual\": %.0f, \"usual_p50_us\": %.1f, \"usual_p99_us\": %.1f, "
      "\"offered\": %.0f, \"goodput\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
      peak, usual.per_second, percentile_us(usual.times_us, 50), percentile_us(usual.times_us, 99),
      over.offered, over.per_second, percentile_us(over.times_us, 50),
      percentile_us(over.times_us, 99));
  return 0;
}

}  // namespace
}  // namespace usher::bench

int main(int argc, char** argv) {
  using namespace usher::bench;
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what != "alone" && what != "full" && what != "refused" && what != "overload") {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const Flags flags(argv + 2, argv + argc, {{"count", 16'384}, {"seconds", 30}, {"queue", 0}},
                    kUsage);
  try {
    Server server(what == "overload" || what == "refused" ? 1 : 0, flags["queue"]);
    return what == "alone"     ? alone(server, flags["count"])
           : what == "full"    ? full(server, flags["count"])
           : what == "refused" ? refused(server, flags["count"])
                               : overload(server, static_cast<double>(flags["seconds"]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "async_time: %s\n", error.what());
    return 1;
  }
}
