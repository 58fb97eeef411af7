// Messages with another implementation of Kerberos, MIT's or Heimdal's: its acceptor signs on a
// minted client, and each takes what the other has sealed or signed, in every layout that it knows.
// Built once for each, because their libraries have the same names.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "engine/protect/message.h"
#include "tools/mint/dce_mint.h"
#include "tools/mint/kerberos_mint.h"
#ifdef USHER_PEER_HEIMDAL
#include <gssapi/gssapi.h>
#else
#include <gssapi/gssapi_ext.h>
#endif

namespace usher::mint {
namespace {

using protect::MessageOutcome;
using protect::Part;
using protect::Sender;
using protect::Session;

#ifdef USHER_PEER_HEIMDAL
constexpr bool kHeimdal = true;
#else
constexpr bool kHeimdal = false;
#endif

// Keytab is one in a file, which the library is told of by its environment.
class Keytab {
 public:
  explicit Keytab(Bytes image) {
    path_ = (std::filesystem::temp_directory_path() / "usher-peer-XXXXXX").string();
    const int file = mkstemp(path_.data());
    require(file >= 0, "no temporary file");
    const ssize_t written = write(file, image.data(), image.size());
    close(file);
    require(written == static_cast<ssize_t>(image.size()), "the keytab is not written");
    setenv("KRB5_CONFIG", "/dev/null", 1);
    setenv("KRB5_KTNAME", ("FILE:" + path_).c_str(), 1);
    setenv("KRB5RCACHENAME", "none:", 1);
  }
  ~Keytab() { unlink(path_.c_str()); }
  Keytab(const Keytab&) = delete;
  Keytab& operator=(const Keytab&) = delete;

 private:
  std::string path_;
};

gss_buffer_desc buffer_of(Octets& octets) { return {octets.size(), octets.data()}; }

Octets take(gss_buffer_desc& buffer) {
  const auto* data = static_cast<const std::uint8_t*>(buffer.value);
  Octets out(data, data + buffer.length);
  if (!kHeimdal && buffer.length == 0) {
    std::free(buffer.value);  // MIT allocates a byte for nothing, and does not release it.
    buffer.value = nullptr;
  }
  OM_uint32 minor = 0;
  gss_release_buffer(&minor, &buffer);
  return out;
}

struct Case {
  std::int32_t etype;
  bool dce_style;
  bool subkey;  // The client's.

  [[nodiscard]] bool rc4() const { return etype == 23; }
};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return "Etype" + std::to_string(info.param.etype) + (info.param.dce_style ? "Dce" : "") +
         (info.param.subkey ? "Subkey" : "");
}

class MessagePeer : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::int32_t etype = GetParam().etype;
    const std::int64_t now = std::time(nullptr);
    const Ticket ticket =
        mint_.ticket(service_, {.auth_time = now, .end_time = now + 3600, .session_etype = etype});
    AuthenticatorFields fields;
    fields.ctime = now;
    fields.cusec = 1234;
    fields.seq_number = 0x12345678;
    fields.context_flags = GetParam().dce_style ? kContextFlagsDce : kContextFlagsUsual;
    if (GetParam().subkey) {
      fields.subkey_etype = etype;
    }
    const ApReq request = mint_.ap_req(ticket, fields);
    const Octets reply =
        accept(GetParam().dce_style ? request.message : gss_token(request.message));
    const KerberosMint::Answer answer = mint_.check_ap_rep(ticket, request, reply);
    ASSERT_EQ(answer.error, "");
    if (GetParam().dce_style) {
      accept(third_leg_to(mint_, ticket, request, answer));
    }
    make_session(ticket, request, answer);
  }
  void TearDown() override {
    OM_uint32 minor = 0;
    gss_delete_sec_context(&minor, &peer_, GSS_C_NO_BUFFER);
  }

  Octets accept(Octets token) {
    gss_buffer_desc input = buffer_of(token);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_accept_sec_context(&minor, &peer_, GSS_C_NO_CREDENTIAL, &input,
                                                   GSS_C_NO_CHANNEL_BINDINGS, nullptr, nullptr,
                                                   &output, nullptr, nullptr, nullptr);
    EXPECT_FALSE(GSS_ERROR(major)) << std::hex << major << ", " << minor;
    return take(output);
  }

  void make_session(const Ticket& ticket, const ApReq& request,
                    const KerberosMint::Answer& answer) {
    protect::SessionTerms terms{.flags = gss::ContextFlags(kContextFlagsUsual),
                                .dce_style = GetParam().dce_style,
                                .send_sequence = request.seq_number,
                                .receive_sequence = answer.seq_number.value_or(0),
                                .self = Sender::kInitiator};
    // RFC 4121 2: the acceptor's subkey, else the client's, else the session key.
    if (answer.subkey_etype != 0) {
      terms.kerberos = {crypto::profile_of(answer.subkey_etype), answer.subkey, true};
    } else if (request.subkey_etype != 0) {
      terms.kerberos = {crypto::profile_of(request.subkey_etype), request.subkey, false};
    } else {
      terms.kerberos = {crypto::profile_of(ticket.session_etype), ticket.session_key, false};
    }
    ours_ = Session::make(terms);
    ASSERT_NE(ours_, nullptr);
  }

  // What the peer says of a message of ours, and it of one of theirs.
  OM_uint32 unwrap(Octets wire, Octets& plain, bool& encrypted) {
    gss_buffer_desc input = buffer_of(wire);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    int confidential = 0;
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_unwrap(&minor, peer_, &input, &output, &confidential, nullptr);
    plain = take(output);
    encrypted = confidential != 0;
    return major;
  }
  Octets wrap(Octets plain, bool encrypt) {
    gss_buffer_desc input = buffer_of(plain);
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    int confidential = 0;
    OM_uint32 minor = 0;
    EXPECT_EQ(
        gss_wrap(&minor, peer_, encrypt ? 1 : 0, GSS_C_QOP_DEFAULT, &input, &confidential, &output),
        GSS_S_COMPLETE);
    EXPECT_EQ(confidential != 0, encrypt);
    return take(output);
  }

  // Sealed is what our side made, in its pieces.
  struct Sealed {
    Octets token;
    std::vector<Octets> parts;
    Octets padding;
  };
  // seal seals the second of three parts; the first and last, if there are any, are signed.
  Sealed seal(std::vector<Octets> parts, bool encrypt) {
    Sealed out{
        .token = Octets(ours_->sizes().trailer), .parts = std::move(parts), .padding = Octets(1)};
    std::vector<Part> views = views_of(out.parts);
    const Session::Sealed sealed = ours_->seal(views, encrypt, out.token, out.padding);
    EXPECT_EQ(sealed.outcome, MessageOutcome::kGood);
    out.token.resize(sealed.token_size);
    out.padding.resize(sealed.padding_size);
    return out;
  }
  static std::vector<Part> views_of(std::vector<Octets>& parts) {
    std::vector<Part> views;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool is_signed = parts.size() == 3 && i != 1;
      views.push_back(
          {.use = is_signed ? Part::Use::kSigned : Part::Use::kSealed, .bytes = parts[i]});
    }
    return views;
  }
  static Octets joined(const Octets& a, const Octets& b, const Octets& c = {},
                       const Octets& d = {}) {
    Octets out = a;
    for (const Octets* more : {&b, &c, &d}) {
      out.insert(out.end(), more->begin(), more->end());
    }
    return out;
  }
  static Octets text(std::size_t size) {
    Octets out(size);
    for (std::size_t i = 0; i < size; ++i) {
      out[i] = static_cast<std::uint8_t>(i * 11 + i / 23 + 1);
    }
    return out;
  }

  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  SeededRandom random_{7};
  KerberosMint mint_{*kit_, random_};
  Service service_ =
      make_service(random_, "HTTP/web.example.test@EXAMPLE.TEST", GetParam().etype, 3);
  Keytab keytab_{keytab_image(std::span(&service_, 1))};
  gss_ctx_id_t peer_ = GSS_C_NO_CONTEXT;
  std::shared_ptr<Session> ours_;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const std::int32_t etype : {17, 18, 19, 20, 23}) {
    for (const bool dce : {false, true}) {
      for (const bool subkey : {false, true}) {
        out.push_back({etype, dce, subkey});
      }
    }
  }
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, MessagePeer, ::testing::ValuesIn(cases()), name_of);

constexpr std::size_t kSizes[] = {0, 1, 15, 16, 17, 31, 32, 33, 100, 300, 5000, 70000};

TEST_P(MessagePeer, TakesOurMessagesAndWeItsOwn) {
  for (const std::size_t size : kSizes) {
    for (const bool encrypt : {true, false}) {
      if (GetParam().dce_style) {
        continue;  // gss_wrap is for streams, which RPC has not.
      }
      const Sealed sealed = seal({text(size)}, encrypt);
      Octets plain;
      bool encrypted = !encrypt;
      ASSERT_EQ(unwrap(joined(sealed.token, sealed.parts[0], sealed.padding), plain, encrypted),
                GSS_S_COMPLETE)
          << size;
      EXPECT_EQ(plain, text(size));
      EXPECT_EQ(encrypted, encrypt);

      Octets wire = wrap(text(size), encrypt);
      const Session::OpenedStream opened = ours_->open_stream(wire);
      ASSERT_EQ(opened.outcome, MessageOutcome::kGood) << size;
      EXPECT_EQ(opened.encrypted, encrypt);
      EXPECT_EQ(Octets(opened.data.begin(), opened.data.end()), text(size));
    }
  }
}

TEST_P(MessagePeer, TakesOurSignaturesAndWeItsOwn) {
  for (const std::size_t size : kSizes) {
    Octets message = text(size);
    gss_buffer_desc text_buffer = buffer_of(message);
    const Part part{.use = Part::Use::kSigned, .bytes = message};
    Octets mic(ours_->sizes().signature);
    ASSERT_EQ(ours_->sign(std::span(&part, 1), mic).outcome, MessageOutcome::kGood);
    gss_buffer_desc mic_buffer = buffer_of(mic);
    OM_uint32 minor = 0;
    EXPECT_EQ(gss_verify_mic(&minor, peer_, &text_buffer, &mic_buffer, nullptr), GSS_S_COMPLETE);

    gss_buffer_desc made = GSS_C_EMPTY_BUFFER;
    ASSERT_EQ(gss_get_mic(&minor, peer_, GSS_C_QOP_DEFAULT, &text_buffer, &made), GSS_S_COMPLETE);
    const Octets theirs = take(made);
    EXPECT_EQ(ours_->verify(std::span(&part, 1), theirs), MessageOutcome::kGood);
    EXPECT_EQ(ours_->verify(std::span(&part, 1), theirs), MessageOutcome::kReplayed);
  }
}

gss_iov_buffer_desc iov(OM_uint32 type, Octets& octets) {
  return {type, {octets.size(), octets.data()}};
}

// In RPC's form: header | signed | sealed | signed, no trailer, and padding only of RC4.
TEST_P(MessagePeer, TakesOurPartsAndWeItsOwn) {
  for (const std::size_t size : {16u, 64u, 4000u}) {
    for (const bool encrypt : {true, false}) {
      if (!encrypt && GetParam().dce_style && kHeimdal) {
        continue;  // Heimdal does not do this.
      }
      Sealed sealed = seal({text(24), text(size), text(8)}, encrypt);
      std::vector<gss_iov_buffer_desc> vector = {
          iov(GSS_IOV_BUFFER_TYPE_HEADER, sealed.token),
          iov(GSS_IOV_BUFFER_TYPE_SIGN_ONLY, sealed.parts[0]),
          iov(GSS_IOV_BUFFER_TYPE_DATA, sealed.parts[1]),
          iov(GSS_IOV_BUFFER_TYPE_SIGN_ONLY, sealed.parts[2])};
      if (!sealed.padding.empty()) {
        vector.push_back(iov(GSS_IOV_BUFFER_TYPE_PADDING, sealed.padding));
      }
      OM_uint32 minor = 0;
      int confidential = 0;
      // Heimdal 7.8 asks the wrong structure whether this is DCE style, and expects a token's
      // length to count the data.
      if (!(kHeimdal && GetParam().rc4() && GetParam().dce_style)) {
        EXPECT_EQ(gss_unwrap_iov(&minor, peer_, &confidential, nullptr, vector.data(),
                                 static_cast<int>(vector.size())),
                  GSS_S_COMPLETE)
            << size << encrypt;
        EXPECT_EQ(sealed.parts[1], text(size));
        EXPECT_EQ(confidential != 0, encrypt);
      }

      Sealed theirs{.token = {}, .parts = {text(24), text(size), text(8)}, .padding = {}};
      vector = {{GSS_IOV_BUFFER_TYPE_HEADER | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER},
                iov(GSS_IOV_BUFFER_TYPE_SIGN_ONLY, theirs.parts[0]),
                iov(GSS_IOV_BUFFER_TYPE_DATA, theirs.parts[1]),
                iov(GSS_IOV_BUFFER_TYPE_SIGN_ONLY, theirs.parts[2])};
      if (!GetParam().dce_style) {
        vector.push_back(
            {GSS_IOV_BUFFER_TYPE_PADDING | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER});
      }
      ASSERT_EQ(gss_wrap_iov(&minor, peer_, encrypt ? 1 : 0, GSS_C_QOP_DEFAULT, &confidential,
                             vector.data(), static_cast<int>(vector.size())),
                GSS_S_COMPLETE);
      theirs.token = take(vector[0].buffer);
      if (vector.size() > 4) {
        theirs.padding = take(vector[4].buffer);
      }
      const std::vector<Part> views = views_of(theirs.parts);
      const Session::Opened opened = ours_->open(views, theirs.token, theirs.padding);
      ASSERT_EQ(opened.outcome, MessageOutcome::kGood) << size << encrypt;
      EXPECT_EQ(opened.encrypted, encrypt);
      EXPECT_EQ(theirs.parts[1], text(size));
      EXPECT_LE(theirs.token.size(), ours_->sizes().trailer);
    }
  }
}

// In the order of RFC 4121: header | data | padding | trailer, which is a stream.
TEST_P(MessagePeer, HasTrailersThatWeTakeAsAStreamAndTakesOurs) {
  if (GetParam().dce_style) {
    return;  // It has none there.
  }
  for (const std::size_t size : {1u, 16u, 4000u}) {
    for (const bool encrypt : {true, false}) {
      Octets data = text(size);
      gss_iov_buffer_desc vector[] = {
          {GSS_IOV_BUFFER_TYPE_HEADER | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER},
          iov(GSS_IOV_BUFFER_TYPE_DATA, data),
          {GSS_IOV_BUFFER_TYPE_PADDING | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER},
          {GSS_IOV_BUFFER_TYPE_TRAILER | GSS_IOV_BUFFER_FLAG_ALLOCATE, GSS_C_EMPTY_BUFFER}};
      OM_uint32 minor = 0;
      int confidential = 0;
      ASSERT_EQ(
          gss_wrap_iov(&minor, peer_, encrypt ? 1 : 0, GSS_C_QOP_DEFAULT, &confidential, vector, 4),
          GSS_S_COMPLETE);
      Octets wire =
          joined(take(vector[0].buffer), data, take(vector[2].buffer), take(vector[3].buffer));
      const Session::OpenedStream opened = ours_->open_stream(wire);
      ASSERT_EQ(opened.outcome, MessageOutcome::kGood) << size << encrypt;
      EXPECT_EQ(Octets(opened.data.begin(), opened.data.end()), text(size));

      if (kHeimdal) {
        continue;  // It has no streams.
      }
      const Sealed sealed = seal({text(size)}, encrypt);
      Octets stream = joined(sealed.token, sealed.parts[0], sealed.padding);
      gss_iov_buffer_desc whole[] = {iov(GSS_IOV_BUFFER_TYPE_STREAM, stream),
                                     {GSS_IOV_BUFFER_TYPE_DATA, GSS_C_EMPTY_BUFFER}};
      ASSERT_EQ(gss_unwrap_iov(&minor, peer_, &confidential, nullptr, whole, 2), GSS_S_COMPLETE);
      const auto* plain = static_cast<const std::uint8_t*>(whole[1].buffer.value);
      EXPECT_EQ(Octets(plain, plain + whole[1].buffer.length), text(size));
    }
  }
}

TEST_P(MessagePeer, RefusesWhatWeChangeAndWeWhatItChanged) {
  Octets message = text(50);
  if (!GetParam().dce_style) {
    Octets wire = wrap(text(50), true);
    wire[wire.size() - 3] ^= 1;
    EXPECT_EQ(ours_->open_stream(wire).outcome, MessageOutcome::kAltered);
    const Sealed sealed = seal({text(50)}, true);
    Octets changed = joined(sealed.token, sealed.parts[0], sealed.padding);
    changed[changed.size() - 3] ^= 1;
    Octets plain;
    bool encrypted = false;
    EXPECT_TRUE(GSS_ERROR(unwrap(changed, plain, encrypted)));
  }
}

}  // namespace
}  // namespace usher::mint
