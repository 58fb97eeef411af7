// A GSS-API client of accept_server. Built twice, with MIT's library and with Heimdal's: no process
// can have both.
//
//   gss_client --mechanism raw|spnego --service NAME [--ask mutual,delegate,dce] [--bindings TEXT]
//
// Prints what it saw as lines "name=value"; see accept_server.cc for the rest. Exit status 0 unless
// the conversation itself failed.
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_krb5.h>
#ifndef GSS_IOV_BUFFER_TYPE_HEADER
#include <gssapi/gssapi_ext.h>  // MIT's gss_wrap_iov; Heimdal has it above.
#endif
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/hex.h"

namespace {

using Octets = std::vector<std::uint8_t>;

gss_OID_desc g_krb5 = {9, const_cast<char*>("\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")};
gss_OID_desc g_spnego = {6, const_cast<char*>("\x2b\x06\x01\x05\x05\x02")};

constexpr OM_uint32 kAlways =
    GSS_C_INTEG_FLAG | GSS_C_CONF_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG;

gss_buffer_desc buffer_of(const Octets& octets) {
  return {octets.size(), const_cast<std::uint8_t*>(octets.data())};
}

Octets take(gss_buffer_desc& buffer) {
  const auto* const data = static_cast<const std::uint8_t*>(buffer.value);
  Octets octets(data, data + buffer.length);
  OM_uint32 minor = 0;
  gss_release_buffer(&minor, &buffer);
  return octets;
}

// Acceptor is the other end of descriptor 3.
class Acceptor {
 public:
  Acceptor() : in_(::fdopen(3, "r")), out_(::fdopen(::dup(3), "w")) {
    if (in_ == nullptr || out_ == nullptr) {
      throw std::runtime_error("descriptor 3 is not open: run by accept_server");
    }
  }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // ask sends a line and returns the answer's words.
  std::vector<std::string> ask(const std::string& verb, const Octets& first,
                               const Octets& second = {}) {
    const std::string line = verb + ' ' + hex_of(first) + ' ' + hex_of(second) + '\n';
    std::fputs(line.c_str(), out_);
    std::fflush(out_);
    std::string answer;
    for (int c = std::fgetc(in_); c != '\n'; c = std::fgetc(in_)) {
      if (c == EOF) {
        throw std::runtime_error("the acceptor is gone");
      }
      answer += static_cast<char>(c);
    }
    std::istringstream words(answer);
    std::vector<std::string> out;
    for (std::string word; words >> word;) {
      out.push_back(word);
    }
    out.resize(2);
    return out;
  }

 private:
  static std::string hex_of(const Octets& octets) {
    std::string text;
    for (const std::uint8_t octet : octets) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      text += {kDigits[octet >> 4], kDigits[octet & 15]};
    }
    return text;
  }

  // Open until the process ends.
  std::FILE* in_;
  std::FILE* out_;
};

// Initiator is one client context, for the default credential cache.
class Initiator {
 public:
  explicit Initiator(std::map<std::string, std::string> options)
      : mechanism_(options["mechanism"] == "spnego" ? &g_spnego : &g_krb5),
        data_(options["bindings"]) {
    const std::string& asked = options["ask"];
    const auto add = [&](const char* word, OM_uint32 flag) {
      flags_ |= asked.find(word) == asked.npos ? 0 : flag;
    };
    add("mutual", GSS_C_MUTUAL_FLAG);
    add("delegate", GSS_C_DELEG_FLAG);
    add("dce", GSS_C_DCE_STYLE);
    const std::string& service = options["service"];
    gss_buffer_desc name = {service.size(), const_cast<char*>(service.data())};
    OM_uint32 minor = 0;
    if (gss_import_name(&minor, &name, GSS_KRB5_NT_PRINCIPAL_NAME, &target_) != GSS_S_COMPLETE) {
      throw std::runtime_error("no name: " + service);
    }
    bindings_.application_data = {data_.size(), data_.data()};
  }
  ~Initiator() {
    OM_uint32 minor = 0;
    gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
    gss_release_name(&minor, &target_);
  }
  Initiator(const Initiator&) = delete;
  Initiator& operator=(const Initiator&) = delete;

  // step takes the acceptor's token, empty at first, and returns the next one.
  Octets step(const Octets& token) {
    gss_buffer_desc input = buffer_of(token);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    major_ = gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &context_, target_, mechanism_,
                                  flags_, GSS_C_INDEFINITE,
                                  data_.empty() ? GSS_C_NO_CHANNEL_BINDINGS : &bindings_, &input,
                                  nullptr, &output, &granted_, nullptr);
    if (GSS_ERROR(major_)) {
      error_ = text_of(major_, GSS_C_GSS_CODE) + ": " + text_of(minor, GSS_C_MECH_CODE);
    }
    return take(output);
  }
  [[nodiscard]] bool complete() const { return major_ == GSS_S_COMPLETE; }
  [[nodiscard]] bool failed() const { return GSS_ERROR(major_); }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] OM_uint32 granted() const { return granted_; }

  Octets get_mic(const Octets& message) {
    gss_buffer_desc input = buffer_of(message);
    gss_buffer_desc mic = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    if (gss_get_mic(&minor, context_, GSS_C_QOP_DEFAULT, &input, &mic) != GSS_S_COMPLETE) {
      throw std::runtime_error("the client makes no MIC");
    }
    return take(mic);
  }
  // verify_mic says "right", "right-but-out-of-sequence" or "wrong".
  std::string verify_mic(const Octets& message, const Octets& mic) {
    gss_buffer_desc input = buffer_of(message);
    gss_buffer_desc token = buffer_of(mic);
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_verify_mic(&minor, context_, &input, &token, nullptr);
    return word_of(major);
  }

  Octets wrap(const Octets& message, bool seal) {
    gss_buffer_desc input = buffer_of(message);
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    int sealed = 0;
    if (gss_wrap(&minor, context_, seal ? 1 : 0, GSS_C_QOP_DEFAULT, &input, &sealed, &token) !=
            GSS_S_COMPLETE ||
        (sealed != 0) != seal) {
      throw std::runtime_error("the client wraps no message");
    }
    return take(token);
  }
  // unwrap says what verify_mic does of a message that is to be `message` and sealed or not.
  std::string unwrap(const Octets& token, const Octets& message, bool seal) {
    gss_buffer_desc input = buffer_of(token);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    int sealed = 0;
    const OM_uint32 major = gss_unwrap(&minor, context_, &input, &output, &sealed, nullptr);
    const Octets found = take(output);
    return !GSS_ERROR(major) && (found != message || (sealed != 0) != seal) ? "another"
                                                                            : word_of(major);
  }

  // Parts is a message whose token travels apart, as in DCE style.
  struct Parts {
    Octets token;
    Octets data;
  };
  Parts wrap_parts(const Octets& message) {
    Parts out{.token = {}, .data = message};
    std::array<gss_iov_buffer_desc, 2> parts{};
    parts[0].type = GSS_IOV_BUFFER_TYPE_HEADER;
    parts[1].type = GSS_IOV_BUFFER_TYPE_DATA;
    parts[1].buffer = buffer_of(out.data);
    OM_uint32 minor = 0;
    int sealed = 0;
    if (gss_wrap_iov_length(&minor, context_, 1, GSS_C_QOP_DEFAULT, &sealed, parts.data(),
                            parts.size()) != GSS_S_COMPLETE) {
      throw std::runtime_error("the client tells no sizes of a message");
    }
    out.token.resize(parts[0].buffer.length);
    parts[0].buffer = buffer_of(out.token);
    if (gss_wrap_iov(&minor, context_, 1, GSS_C_QOP_DEFAULT, &sealed, parts.data(), parts.size()) !=
            GSS_S_COMPLETE ||
        sealed == 0) {
      throw std::runtime_error("the client wraps no message in parts");
    }
    return out;
  }
  std::string unwrap_parts(Parts sent, const Octets& message) {
    std::array<gss_iov_buffer_desc, 2> parts{};
    parts[0].type = GSS_IOV_BUFFER_TYPE_HEADER;
    parts[0].buffer = buffer_of(sent.token);
    parts[1].type = GSS_IOV_BUFFER_TYPE_DATA;
    parts[1].buffer = buffer_of(sent.data);
    OM_uint32 minor = 0;
    int sealed = 0;
    const OM_uint32 major =
        gss_unwrap_iov(&minor, context_, &sealed, nullptr, parts.data(), parts.size());
    return !GSS_ERROR(major) && (sent.data != message || sealed == 0) ? "another" : word_of(major);
  }

 private:
  static std::string word_of(OM_uint32 major) {
    return major == GSS_S_COMPLETE ? "right"
           : GSS_ERROR(major)      ? "wrong"
                                   : "right-but-out-of-sequence";
  }

  std::string text_of(OM_uint32 status, int kind) {
    OM_uint32 more = 0;
    OM_uint32 minor = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    gss_display_status(&minor, status, kind, mechanism_, &more, &text);
    const Octets octets = take(text);
    return std::string(octets.begin(), octets.end()).c_str();  // MIT counts a NUL at the end, too.
  }

  gss_OID mechanism_;
  std::string data_;
  OM_uint32 flags_ = kAlways;
  gss_name_t target_ = GSS_C_NO_NAME;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
  gss_channel_bindings_struct bindings_{};
  OM_uint32 major_ = GSS_S_FAILURE;
  OM_uint32 granted_ = 0;
  std::string error_;
};

// sign_on goes on until both sides are content, or one is not.
bool sign_on(Initiator& client, Acceptor& acceptor) {
  bool established = false;
  Octets answer;
  do {
    const Octets token = client.step(answer);
    answer.clear();
    if (client.failed()) {
      break;  // It may have a token to say so, which nobody waits for.
    }
    if (!token.empty()) {
      const std::vector<std::string> words = acceptor.ask("token", token);
      answer = usher::testing::hex(words[1]);
      established = words[0] == "established";
      if (words[0] == "refused" && answer.empty()) {
        break;  // With an answer, the library is to read it.
      }
    } else if (!client.complete()) {
      throw std::runtime_error("both sides wait for each other");
    }
  } while (!answer.empty() || !client.complete());
  return established && client.complete();
}

// exchange sends messages of several sizes to and fro, and says how the acceptor and how the client
// found them: "right" of all, or what was said of one that was not.
std::pair<std::string, std::string> exchange(Initiator& client, Acceptor& acceptor) {
  const bool dce = (client.granted() & GSS_C_DCE_STYLE) != 0;
  std::pair<std::string, std::string> found{"right", "right"};
  const auto note = [](std::string& all, const std::string& one) {
    all = one == "right" ? all : one;
  };
  for (const std::size_t size : {1u, 15u, 16u, 100u, 5000u}) {
    const Octets message(size, 'm');
    if (dce) {
      const Initiator::Parts sent = client.wrap_parts(message);
      const std::vector<std::string> heard = acceptor.ask("open-dce", sent.token, sent.data);
      note(found.first,
           heard[0] == "sealed" && usher::testing::hex(heard[1]) == message ? "right" : "wrong");
      const std::vector<std::string> answer = acceptor.ask("seal-dce", message);
      note(found.second,
           client.unwrap_parts({usher::testing::hex(answer[0]), usher::testing::hex(answer[1])},
                               message));
      continue;
    }
    for (const bool seal : {true, false}) {
      const std::vector<std::string> heard = acceptor.ask("open", client.wrap(message, seal));
      note(found.first,
           heard[0] == (seal ? "sealed" : "readable") && usher::testing::hex(heard[1]) == message
               ? "right"
               : "wrong");
      const Octets token = usher::testing::hex(acceptor.ask(seal ? "seal" : "wrap", message)[0]);
      note(found.second, client.unwrap(token, message, seal));
    }
  }
  return found;
}

int run(const std::map<std::string, std::string>& options) {
  Initiator client(options);
  Acceptor acceptor;
  if (!sign_on(client, acceptor)) {
    std::cout << "client=refused\n";
    if (client.failed()) {
      std::cout << "client-error=" << client.error() << '\n';
    }
    return 0;
  }
  std::cout << "client=complete\nclient-flags=" << std::hex << client.granted() << std::dec << '\n';
  const Octets message = {'m', 'e', 's', 's', 'a', 'g', 'e'};
  const Octets other = {'m', 'e', 's', 's', 'e', 'g', 'a'};
  const Octets ours = client.get_mic(message);
  std::cout << "mic-to-acceptor=" << acceptor.ask("check", message, ours)[0] << '\n';
  std::cout << "mic-of-another=" << acceptor.ask("check", other, ours)[0] << '\n';
  const Octets theirs = usher::testing::hex(acceptor.ask("sign", message)[0]);
  std::cout << "mic-to-client=" << client.verify_mic(message, theirs) << '\n';
  const auto [to_acceptor, to_client] = exchange(client, acceptor);
  std::cout << "messages-to-acceptor=" << to_acceptor << "\nmessages-to-client=" << to_client
            << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) {
    options[std::string(argv[i]).substr(2)] = argv[i + 1];
  }
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::cerr << "gss_client: " << error.what() << '\n';
    return 2;
  }
}
