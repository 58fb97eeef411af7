// An acceptor for clients that cannot live in its process: runs one, answers
// what it asks, and says what became of the exchange.
//
//   accept_server --keytab FILE [OPTION...] -- CLIENT ARGUMENT...
//
// The client speaks through file descriptor 3, a socket. It sends a line and
// gets one back; bytes are in hex, and may be none:
//   token BYTES         -> continue BYTES, established BYTES or refused BYTES
//   check MESSAGE MIC   -> right or wrong: the client's MIC of a message
//   sign MESSAGE        -> BYTES, the acceptor's MIC
//   open BYTES          -> sealed MESSAGE or readable MESSAGE, what GSS_Wrap made of it, or wrong
//   seal MESSAGE        -> BYTES, for GSS_Unwrap; wrap MESSAGE the same, but it stays readable
//   open-dce TOKEN DATA, seal-dce MESSAGE -> the same with TOKEN and DATA apart
//
// What the client prints goes to the same standard output as the acceptor's own
// lines, each "name=value". The exit status is the client's.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "engine/sspi_bindings.h"
#include "engine/sspi_internal.h"
#include "engine/sspi_users.h"
#include "engine/user_token.h"
#include "tests/hex.h"

namespace usher::testing {
namespace {

using Octets = std::vector<std::uint8_t>;

constexpr int kClientSocket = 3;

struct Options {
  std::string keytab;
  std::string kdc_keytab;
  std::string authority;
  std::string netbios_domain;
  std::string users;  // USHER_OPTIONS.Users; empty: nobody asks which user the client is.
  std::vector<std::string> policies;
  std::string bindings;  // Application data; empty: none.
  bool allow_missing_bindings = false;
  bool proxy_bindings = false;
  bool error_tokens = false;
  bool take_delegation = false;
  std::string store_delegated;  // A credential cache; empty: none.
  std::int64_t clock_offset_s = 0;
  std::vector<std::string> command;
};

// OffsetClock is the machine's clock, but wrong.
class OffsetClock final : public Clock {
 public:
  explicit OffsetClock(std::int64_t offset_s) : offset_us_(offset_s * kMicrosPerSecond) {}
  [[nodiscard]] std::int64_t wall_us() const noexcept override {
    return system_clock().wall_us() + offset_us_;
  }
  [[nodiscard]] std::int64_t steady_us() const noexcept override {
    return system_clock().steady_us();
  }

 private:
  std::int64_t offset_us_;
};

std::string hex_of(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string text_of_bytes(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

std::string_view name_of(SECURITY_STATUS status) {
#define USHER_NAME(name, sspi, text) \
  if (status == (sspi)) {            \
    return #sspi;                    \
  }
  USHER_STATUS_LIST(USHER_NAME)
#undef USHER_NAME
  return "another status";
}

// binding_word names what a SEC_CHANNEL_BINDINGS_RESULT says of the bindings themselves.
std::string_view binding_word(std::uint32_t flags) {
  constexpr std::array<std::pair<std::uint32_t, std::string_view>, 5> kWords = {{
      {SEC_CHANNEL_BINDINGS_RESULT_VALID_MATCHED, "matched"},
      {SEC_CHANNEL_BINDINGS_RESULT_VALID_PROXY, "proxied"},
      {SEC_CHANNEL_BINDINGS_RESULT_VALID_MISSING, "absent-allowed"},
      {SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISSING, "absent"},
      {SEC_CHANNEL_BINDINGS_RESULT_NOTVALID_MISMATCH, "mismatched"},
  }};
  for (const auto& [bit, word] : kWords) {
    if ((flags & bit) != 0) {
      return word;
    }
  }
  return "unchecked";
}

// must throws with the library's own words if a call was refused.
void must(SECURITY_STATUS status) {
  if (status != SEC_E_OK) {
    throw std::runtime_error(usher_last_refusal());
  }
}

// Exchange is the acceptor's side of one sign-on, by the functions that every caller has. Only for
// what those do not tell, such as the ticket's etype, it looks into the context.
class Exchange {
 public:
  explicit Exchange(const Options& options) : options_(options), clock_(options.clock_offset_s) {
    bool already = false;
    engine_ = sspi::start_engine({.slot_count = 4, .replay_entry_count = 4096, .clock = &clock_},
                                 already);
    if (!options.users.empty()) {
      auto settings = std::make_unique<users::Settings>();
      const std::string wrong = users::read_settings(options.users.c_str(), nullptr, *settings);
      if (!wrong.empty()) {
        throw std::runtime_error(wrong);
      }
      sspi::keep_user_settings(std::move(settings));
    }
    std::string policy;
    for (const std::string& given : options.policies) {
      policy += (policy.empty() ? "" : ",") + given;
    }
    USHER_ACCEPTOR acceptor{};
    acceptor.Version = USHER_ACCEPTOR_VERSION;
    acceptor.Size = sizeof(acceptor);
    acceptor.Keytab = options.keytab.c_str();
    acceptor.KdcKeytab = options.kdc_keytab.c_str();
    acceptor.Policy = policy.c_str();
    acceptor.Authority = options.authority.c_str();
    acceptor.NetbiosDomain = options.netbios_domain.c_str();
    must(AcquireCredentialsHandleA(nullptr, NEGOSSP_NAME_A, SECPKG_CRED_INBOUND, nullptr, &acceptor,
                                   nullptr, nullptr, &credential_, nullptr));
    SecInvalidateHandle(&context_);
  }
  ~Exchange() {
    DeleteSecurityContext(&context_);
    FreeCredentialsHandle(&credential_);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // answer takes a line of the client and returns the one to send back.
  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string first;
    std::string second;
    words >> verb >> first >> second;
    if (verb == "token") {
      return accept(hex(first));
    }
    if (verb == "check") {
      return check(hex(first), hex(second)) ? "right" : "wrong";
    }
    if (verb == "sign") {
      return hex_of(sign(hex(first)));
    }
    if (verb == "open") {
      return open(hex(first));
    }
    if (verb == "open-dce") {
      return open_parts(hex(first), hex(second));
    }
    if (verb == "seal-dce") {
      const Sealed sealed = seal(hex(first), 0);
      return hex_of(sealed.token) + ' ' + hex_of(sealed.data);
    }
    if (verb == "seal" || verb == "wrap") {
      const Sealed sealed = seal(hex(first), verb == "seal" ? 0 : SECQOP_WRAP_NO_ENCRYPT);
      return hex_of(sealed.token) + hex_of(sealed.data) + hex_of(sealed.padding);
    }
    throw std::runtime_error("the client asks for " + verb);
  }

  // report says what became of it; before the client's last token, only how far
  // it is.
  void report(std::ostream& out) {
    out << "status=" << name_of(status_) << '\n'
        << (why_.empty() ? std::string() : "why=" + why_ + '\n')
        << "bindings=" << binding_word(binding_flags_) << '\n';
    if (status_ != SEC_E_OK) {
      return;
    }
    look([&](const Context& context) {
      std::array<std::uint8_t, kClientNameSizeMax> room;
      out << "user=" << text_of_bytes(context.write_client_name(room)) << '\n'
          << "service=" << text_of_bytes(context.service()) << '\n'
          << "ticket=" << context.ticket_etype << "\nkey=" << context.key_etype
          << "\nsubkey=" << (context.key_is_acceptor_subkey ? "acceptor" : "initiator") << '\n';
    });
    out << "attributes=" << std::hex << attributes_ << std::dec << '\n';
    report_identity(out);
    if (!options_.users.empty()) {
      report_user(out);
    }
    if (!options_.store_delegated.empty()) {
      const SECURITY_STATUS stored =
          usher_store_delegated(&context_, options_.store_delegated.c_str());
      out << "delegated=" << (stored == SEC_E_OK ? "stored" : usher_last_refusal()) << '\n';
    }
  }

 private:
  // report_identity says what the PAC does.
  void report_identity(std::ostream& out) {
    PUSHER_IDENTITY identity = nullptr;
    if (usher_query_identity(&context_, &identity) != SEC_E_OK) {
      out << "pac=" << usher_last_refusal() << '\n';
      return;
    }
    out << "pac=verified\naccount=" << identity->AccountName << "\ndomain=" << identity->DomainName
        << "\nupn=" << identity->Upn << "\nsid=" << identity->UserSid
        << "\nsignatures=" << identity->Signatures << "\ngroups=";
    for (std::uint32_t i = 0; i < identity->GroupCount; ++i) {
      out << (i == 0 ? "" : ",") << identity->Groups[i].Sid;
    }
    out << '\n';
    FreeContextBuffer(identity);
  }

  // report_user says which local user the client is, or why it is none.
  void report_user(std::ostream& out) {
    void* memory = nullptr;
    if (QuerySecurityContextToken(&context_, &memory) != SEC_E_OK) {
      out << "no_user=" << usher_last_refusal() << '\n';
      return;
    }
    const USHER_TOKEN& token = *static_cast<PUSHER_TOKEN>(memory);
    out << "uid=" << token.Uid << "\nlocal_user=" << token.UserName
        << "\nfound_by=" << token.FoundBy << '\n';
    FreeContextBuffer(memory);
  }

  std::string accept(Octets token) {
    Octets room(kReplySizeMax);
    Octets bindings = channel_bindings();
    SEC_CHANNEL_BINDINGS_RESULT result{};
    std::array<SecBuffer, 2> in = {
        {buffer_of(token, SECBUFFER_TOKEN), buffer_of(bindings, SECBUFFER_CHANNEL_BINDINGS)}};
    std::array<SecBuffer, 2> out = {{buffer_of(room, SECBUFFER_TOKEN),
                                     {sizeof result, SECBUFFER_CHANNEL_BINDINGS_RESULT, &result}}};
    SecBufferDesc input{SECBUFFER_VERSION, bindings.empty() ? 1u : 2u, in.data()};
    SecBufferDesc output{SECBUFFER_VERSION, 2, out.data()};
    const std::uint32_t request =
        (options_.allow_missing_bindings ? ASC_REQ_ALLOW_MISSING_BINDINGS : 0) |
        (options_.proxy_bindings ? ASC_REQ_PROXY_BINDINGS : 0) |
        (options_.error_tokens ? ASC_REQ_EXTENDED_ERROR : 0) |
        (options_.take_delegation ? ASC_REQ_DELEGATE : 0);
    status_ =
        AcceptSecurityContext(&credential_, begun_ ? &context_ : nullptr, &input, request,
                              SECURITY_NATIVE_DREP, &context_, &output, &attributes_, nullptr);
    begun_ = status_ >= 0;  // After a refusal there is no context; Heimdal tries anew then.
    why_ = status_ < 0 ? usher_last_refusal() : "";
    binding_flags_ = result.flags;
    const Bytes answer = Bytes(room).first(out[0].cbBuffer);
    const char* const verb = status_ == SEC_E_OK ? "established "
                             : status_ > 0       ? "continue "
                                                 : "refused ";
    return verb + hex_of(answer);
  }

  // channel_bindings is a SEC_CHANNEL_BINDINGS with the data behind it; empty for none.
  [[nodiscard]] Octets channel_bindings() const {
    const std::string& data = options_.bindings;
    SEC_CHANNEL_BINDINGS head{};
    head.cbApplicationDataLength = static_cast<std::uint32_t>(data.size());
    head.dwApplicationDataOffset = sizeof head;
    Octets out(data.empty() ? 0 : sizeof head + data.size());
    if (!out.empty()) {
      std::memcpy(out.data(), &head, sizeof head);
      std::memcpy(out.data() + sizeof head, data.data(), data.size());
    }
    return out;
  }
  static SecBuffer buffer_of(Octets& octets, std::uint32_t type) {
    return {static_cast<std::uint32_t>(octets.size()), type, octets.data()};
  }

  template <std::size_t N>
  static SecBufferDesc list_of(std::array<SecBuffer, N>& parts) {
    return {SECBUFFER_VERSION, static_cast<std::uint32_t>(N), parts.data()};
  }

  // look visits the context; it is there, for the exchange is complete.
  template <class Visit>
  void look(Visit visit) const {
    if (engine_->inspect(sspi::read_context_handle(&context_), visit) != Status::kEstablished) {
      throw std::runtime_error("the context is gone");
    }
  }

  bool check(Octets message, Octets mic) {
    std::array<SecBuffer, 2> parts = {
        {buffer_of(message, SECBUFFER_DATA), buffer_of(mic, SECBUFFER_TOKEN)}};
    SecBufferDesc list = list_of(parts);
    return VerifySignature(&context_, &list, 0, nullptr) == SEC_E_OK;
  }
  Octets sign(Octets message) {
    Octets mic(sizes().cbMaxSignature);
    std::array<SecBuffer, 2> parts = {
        {buffer_of(message, SECBUFFER_DATA), buffer_of(mic, SECBUFFER_TOKEN)}};
    SecBufferDesc list = list_of(parts);
    must(MakeSignature(&context_, 0, &list, 0));
    mic.resize(parts[1].cbBuffer);
    return mic;
  }

  std::string open(Octets whole) {
    std::array<SecBuffer, 2> parts = {
        {buffer_of(whole, SECBUFFER_STREAM), {0, SECBUFFER_DATA, nullptr}}};
    return decrypt(parts, parts[1]);
  }
  std::string open_parts(Octets token, Octets data) {
    std::array<SecBuffer, 2> parts = {
        {buffer_of(data, SECBUFFER_DATA), buffer_of(token, SECBUFFER_TOKEN)}};
    return decrypt(parts, parts[0]);
  }
  std::string decrypt(std::array<SecBuffer, 2>& parts, const SecBuffer& data) {
    SecBufferDesc list = list_of(parts);
    std::uint32_t qop = 0;
    if (DecryptMessage(&context_, &list, 0, &qop) != SEC_E_OK) {
      return "wrong";
    }
    return (qop == 0 ? "sealed " : "readable ") +
           hex_of({static_cast<const std::uint8_t*>(data.pvBuffer), data.cbBuffer});
  }

  struct Sealed {
    Octets token;
    Octets data;
    Octets padding;
  };
  Sealed seal(Octets message, std::uint32_t qop) {
    Sealed out{.token = Octets(sizes().cbSecurityTrailer),
               .data = std::move(message),
               .padding = Octets(sizes().cbBlockSize)};
    std::array<SecBuffer, 3> parts = {{buffer_of(out.token, SECBUFFER_TOKEN),
                                       buffer_of(out.data, SECBUFFER_DATA),
                                       buffer_of(out.padding, SECBUFFER_PADDING)}};
    SecBufferDesc list = list_of(parts);
    must(EncryptMessage(&context_, qop, &list, 0));
    out.token.resize(parts[0].cbBuffer);
    out.padding.resize(parts[2].cbBuffer);
    return out;
  }
  SecPkgContext_Sizes sizes() {
    SecPkgContext_Sizes out{};
    must(QueryContextAttributesA(&context_, SECPKG_ATTR_SIZES, &out));
    return out;
  }

  const Options& options_;
  OffsetClock clock_;
  Engine* engine_ = nullptr;  // The process's.
  CredHandle credential_{};
  CtxtHandle context_{};
  bool begun_ = false;
  SECURITY_STATUS status_ = SEC_I_CONTINUE_NEEDED;
  std::string why_;
  std::uint32_t attributes_ = 0;  // ASC_RET_*
  std::uint32_t binding_flags_ = 0;
};

// start runs the client with its end of the pair as descriptor 3.
pid_t start(std::vector<std::string> command, int client_end) {
  std::vector<char*> argv;
  for (std::string& word : command) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    // Without CLOEXEC only on the copy; if it is 3 already, dup2 would leave it
    // set.
    if (client_end == kClientSocket ? ::fcntl(client_end, F_SETFD, 0) == 0
                                    : ::dup2(client_end, kClientSocket) == kClientSocket) {
      ::execvp(argv[0], argv.data());
    }
    std::perror(argv[0]);
    ::_exit(127);
  }
  return child;
}

// serve answers line by line until the client's end is closed.
void serve(int ours, Exchange& exchange) {
  std::string pending;
  std::array<char, 4096> room;
  for (;;) {
    const ssize_t got = ::read(ours, room.data(), room.size());
    if (got <= 0) {
      return;
    }
    pending.append(room.data(), static_cast<std::size_t>(got));
    for (std::size_t end = pending.find('\n'); end != pending.npos; end = pending.find('\n')) {
      const std::string answer = exchange.answer(pending.substr(0, end)) + '\n';
      pending.erase(0, end + 1);
      for (std::size_t sent = 0; sent < answer.size();) {
        const ssize_t put = ::send(ours, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (put <= 0) {
          return;
        }
        sent += static_cast<std::size_t>(put);
      }
    }
  }
}

void describe(CLI::App& app, Options& options) {
  app.add_option("--keytab", options.keytab)->required();
  app.add_option("--kdc-keytab", options.kdc_keytab);
  app.add_option("--authority", options.authority, "who is asked about NTLM clients");
  app.add_option("--netbios-domain", options.netbios_domain);
  app.add_option("--users", options.users, "who knows which local user the client is");
  app.add_option("--policy", options.policies)->allow_extra_args(false);
  app.add_option("--bindings", options.bindings, "application data of the connection's bindings");
  app.add_flag("--allow-missing-bindings", options.allow_missing_bindings);
  app.add_flag("--proxy-bindings", options.proxy_bindings);
  app.add_flag("--error-tokens", options.error_tokens);
  app.add_flag("--take-delegation", options.take_delegation);
  app.add_option("--store-delegated", options.store_delegated, "a credential cache");
  app.add_option("--clock-offset", options.clock_offset_s, "seconds our clock is ahead");
  app.add_option("command", options.command)->required();
}

int run(const Options& options) {
  Exchange exchange(options);
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw std::runtime_error("socketpair fails");
  }
  const pid_t client = start(options.command, pair[1]);
  ::close(pair[1]);
  serve(pair[0], exchange);
  ::close(pair[0]);
  int status = 0;
  if (client < 0 || ::waitpid(client, &status, 0) != client) {
    throw std::runtime_error("no client");
  }
  exchange.report(std::cout);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace
}  // namespace usher::testing

int main(int argc, char** argv) {
  CLI::App app("An acceptor for a client in another process");
  usher::testing::Options options;
  usher::testing::describe(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    return usher::testing::run(options);
  } catch (const std::exception& error) {
    std::cerr << "accept_server: " << error.what() << '\n';
    return 2;
  }
}
