// MIT's initiator, with tickets from a real KDC, signs on to Usher's acceptor and believes its
// answers. Needs the realm that tests/interop/mit_kdc sets up; run by it.
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/protect/message.h"
#include "engine/protect/mic.h"

namespace usher {
namespace {

using Octets = std::vector<std::uint8_t>;

gss_OID_desc g_krb5 = {9, const_cast<char*>("\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")};
gss_OID_desc g_spnego = {6, const_cast<char*>("\x2b\x06\x01\x05\x05\x02")};

// Initiator is one client context of MIT's GSS-API, for the default credential cache.
class Initiator {
 public:
  Initiator(const std::string& service, gss_OID mechanism, OM_uint32 flags)
      : mechanism_(mechanism), flags_(flags) {
    gss_buffer_desc name = {service.size(), const_cast<char*>(service.data())};
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_import_name(&minor, &name, GSS_KRB5_NT_PRINCIPAL_NAME, &target_);
    EXPECT_EQ(major, OM_uint32{GSS_S_COMPLETE});
  }
  ~Initiator() {
    OM_uint32 minor = 0;
    gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
    gss_release_name(&minor, &target_);
  }
  Initiator(const Initiator&) = delete;
  Initiator& operator=(const Initiator&) = delete;

  // step takes the acceptor's token, empty at first, and returns the next one.
  Octets step(Bytes token) {
    gss_buffer_desc input = {token.size(), const_cast<std::uint8_t*>(token.data())};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    major_ = gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &context_, target_, mechanism_,
                                  flags_, GSS_C_INDEFINITE, bindings_, &input, nullptr, &output,
                                  nullptr, nullptr);
    if (GSS_ERROR(major_)) {
      describe(minor);
    }
    return take(output);
  }
  [[nodiscard]] bool complete() const { return major_ == GSS_S_COMPLETE; }
  [[nodiscard]] const std::string& error() const { return error_; }
  void use_bindings(gss_channel_bindings_t bindings) { bindings_ = bindings; }

  Octets get_mic(Bytes message) {
    gss_buffer_desc input = {message.size(), const_cast<std::uint8_t*>(message.data())};
    gss_buffer_desc mic = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    EXPECT_FALSE(GSS_ERROR(gss_get_mic(&minor, context_, GSS_C_QOP_DEFAULT, &input, &mic)));
    return take(mic);
  }
  bool verify_mic(Bytes message, Bytes mic) {
    gss_buffer_desc input = {message.size(), const_cast<std::uint8_t*>(message.data())};
    gss_buffer_desc token = {mic.size(), const_cast<std::uint8_t*>(mic.data())};
    OM_uint32 minor = 0;
    return gss_verify_mic(&minor, context_, &input, &token, nullptr) == GSS_S_COMPLETE;
  }
  Octets wrap(Bytes message, bool encrypt) {
    gss_buffer_desc input = {message.size(), const_cast<std::uint8_t*>(message.data())};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    EXPECT_FALSE(GSS_ERROR(
        gss_wrap(&minor, context_, encrypt ? 1 : 0, GSS_C_QOP_DEFAULT, &input, nullptr, &output)));
    return take(output);
  }
  // unwrap gives nothing of a message that is not right, next, and encrypted or not as said.
  Octets unwrap(Bytes message, bool encrypted) {
    gss_buffer_desc input = {message.size(), const_cast<std::uint8_t*>(message.data())};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    int confidential = 0;
    const OM_uint32 major = gss_unwrap(&minor, context_, &input, &output, &confidential, nullptr);
    Octets plain = take(output);
    return major == GSS_S_COMPLETE && (confidential != 0) == encrypted ? plain : Octets{};
  }

 private:
  static Octets take(gss_buffer_desc& buffer) {
    const auto* data = static_cast<const std::uint8_t*>(buffer.value);
    Octets out(data, data + buffer.length);
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &buffer);
    return out;
  }
  void describe(OM_uint32 minor_status) {
    OM_uint32 more = 0;
    OM_uint32 minor = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    gss_display_status(&minor, minor_status, GSS_C_MECH_CODE, mechanism_, &more, &text);
    const Octets octets = take(text);
    error_.assign(octets.begin(), octets.end());
  }

  gss_OID mechanism_;
  OM_uint32 flags_;
  gss_name_t target_ = GSS_C_NO_NAME;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
  gss_channel_bindings_t bindings_ = GSS_C_NO_CHANNEL_BINDINGS;
  OM_uint32 major_ = GSS_S_FAILURE;
  std::string error_;
};

class MitClient : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_NE(std::getenv("USHER_INTEROP_KEYTAB"), nullptr) << "run by tests/interop/mit_kdc";
  }

  void SetUp() override {
    crypto::KeyRing::Loaded loaded =
        crypto::KeyRing::load_keytab(*kit_, std::getenv("USHER_INTEROP_KEYTAB"));
    ASSERT_NE(loaded.ring, nullptr) << loaded.error;
    auto keys = std::make_unique<auth::Keys>();
    keys->ring = std::move(loaded.ring);
    credential_ = std::make_unique<Credential>(auth::Package::kNegotiate, std::move(keys));
  }

  AcceptReply accept(Bytes token, ContextHandle context = {}) {
    const AcceptRequest request{.credential = credential_.get(),
                                .context = context,
                                .token = token,
                                .reply = buffer_,
                                .error_tokens = error_tokens_,
                                .recorded_challenge = {}};
    AcceptReply reply;
    auth::accept(*desk_, engine_->environment(), std::span(&request, 1), std::span(&reply, 1));
    return reply;
  }
  [[nodiscard]] Bytes token_of(const AcceptReply& reply) const {
    return Bytes(buffer_).first(reply.reply_size);
  }

  std::unique_ptr<crypto::Kit> kit_ = crypto::Kit::make();
  std::unique_ptr<Engine> engine_ = Engine::make({});
  std::unique_ptr<Desk> desk_ = Desk::make(1);
  std::unique_ptr<Credential> credential_;
  std::array<std::uint8_t, kReplySizeMax> buffer_{};
  bool error_tokens_ = false;
};

// exchange_messages has each side take what the other seals, after one MIC of each.
void exchange_messages(Initiator& client, const Context& context) {
  const std::shared_ptr<protect::Session> session =
      protect::Session::make({.kerberos = {crypto::profile_of(context.key_etype),
                                           context.key.bytes(), context.key_is_acceptor_subkey},
                              .flags = context.flags,
                              .send_sequence = std::uint64_t{context.acceptor_sequence} + 1,
                              .receive_sequence = std::uint64_t{context.initiator_sequence} + 1});
  ASSERT_NE(session, nullptr);
  for (std::size_t size = 1; size < 5000; size = 2 * size + 7) {
    for (const bool encrypt : {true, false}) {
      const Octets message(size, 0x6d);
      Octets from_client = client.wrap(message, encrypt);
      const protect::Session::OpenedStream opened = session->open_stream(from_client);
      ASSERT_EQ(opened.outcome, protect::MessageOutcome::kGood) << size;
      EXPECT_EQ(opened.encrypted, encrypt);
      EXPECT_EQ(Octets(opened.data.begin(), opened.data.end()), message);

      Octets data = message;
      const protect::Part part{.bytes = data};
      Octets answer(session->sizes().trailer);
      const protect::Session::Sealed sealed =
          session->seal(std::span(&part, 1), encrypt, answer, {});
      ASSERT_EQ(sealed.outcome, protect::MessageOutcome::kGood);
      answer.resize(sealed.token_size);
      answer.insert(answer.end(), data.begin(), data.end());
      EXPECT_EQ(client.unwrap(answer, encrypt), message) << size;
    }
  }
}

// Case is a service whose only key is of one etype, and how the client comes to it.
struct Case {
  const char* name;
  const char* service;
  std::int32_t etype;
  gss_OID mechanism;
  OM_uint32 flags;
};

constexpr OM_uint32 kMutual = GSS_C_MUTUAL_FLAG;
constexpr OM_uint32 kIntegrity = GSS_C_INTEG_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG;

const Case kCases[] = {
    {"SpnegoAes256", "HTTP/t18.localhost", 18, &g_spnego, kMutual},
    {"SpnegoAes128", "HTTP/t17.localhost", 17, &g_spnego, kMutual},
    {"SpnegoOneWay", "HTTP/t18.localhost", 18, &g_spnego, 0},
    {"RawAes256", "HTTP/t18.localhost", 18, &g_krb5, kMutual},
    {"RawAes128", "HTTP/t17.localhost", 17, &g_krb5, kMutual},
    {"RawOneWay", "HTTP/t18.localhost", 18, &g_krb5, 0},
    {"Delegation", "HTTP/t18.localhost", 18, &g_spnego, kMutual | GSS_C_DELEG_FLAG},
};

constexpr std::size_t kSizeWithDelegation = 1100;  // Only a token that carries a ticket is larger.

class MitClientCase : public MitClient, public ::testing::WithParamInterface<Case> {};

TEST_P(MitClientCase, SignsOnAndBothSidesHaveOneKey) {
  const Case& c = GetParam();
  Initiator client(c.service, c.mechanism, c.flags | kIntegrity);
  const Octets first = client.step({});
  ASSERT_FALSE(first.empty()) << client.error();
  EXPECT_EQ(first.size() > kSizeWithDelegation, (c.flags & GSS_C_DELEG_FLAG) != 0);
  const AcceptReply reply = accept(first);
  ASSERT_EQ(reply.verdict.status, Status::kEstablished) << text_of(reply.verdict.status);
  if (reply.reply_size != 0) {
    EXPECT_TRUE(client.step(token_of(reply)).empty());
  }
  EXPECT_TRUE(client.complete()) << client.error();

  const Octets message = {'m', 'e', 's', 's', 'a', 'g', 'e'};
  const Octets from_client = client.get_mic(message);
  const Status inspected = engine_->inspect(reply.context, [&](const Context& context) {
    EXPECT_EQ(std::string(context.user().begin(), context.user().end()), "alice");
    EXPECT_EQ(std::string(context.realm().begin(), context.realm().end()), "USHER.TEST");
    EXPECT_EQ(std::string(context.service().begin(), context.service().end()),
              std::string(c.service) + "@USHER.TEST");
    EXPECT_EQ(context.ticket_etype, c.etype);
    EXPECT_EQ(gss::has(context.flags, gss::ContextFlags::kMutual), (c.flags & kMutual) != 0);

    const protect::KerberosMicKey key{crypto::profile_of(context.key_etype), context.key.bytes(),
                                      context.key_is_acceptor_subkey};
    EXPECT_TRUE(protect::check_mic(*kit_, key, protect::Sender::kInitiator,
                                   std::uint64_t{context.initiator_sequence}, message,
                                   from_client));
    std::array<std::uint8_t, protect::kMicSizeMax> mic;
    const std::size_t size =
        protect::write_mic(*kit_, key, protect::Sender::kAcceptor,
                           std::uint64_t{context.acceptor_sequence}, message, mic);
    EXPECT_TRUE(client.verify_mic(message, std::span(mic).first(size)));
    exchange_messages(client, context);
  });
  EXPECT_EQ(inspected, Status::kEstablished);
  EXPECT_EQ(engine_->release(reply.context), Status::kEstablished);
}

INSTANTIATE_TEST_SUITE_P(Table, MitClientCase, ::testing::ValuesIn(kCases),
                         [](const auto& c) { return std::string(c.param.name); });

TEST_F(MitClient, IsTakenOnceAndRefusedAsAReplay) {
  Initiator client("HTTP/t18.localhost", &g_spnego, kMutual);
  const Octets token = client.step({});
  EXPECT_EQ(accept(token).verdict.status, Status::kEstablished);
  EXPECT_EQ(accept(token).verdict.status, Status::kReplay);
}

TEST_F(MitClient, IsRefusedForAServiceWithoutKey) {
  Initiator client("HTTP/elsewhere", &g_spnego, kMutual);
  const Octets token = client.step({});
  ASSERT_FALSE(token.empty()) << client.error();
  EXPECT_EQ(accept(token).verdict.status, Status::kNoSuchService);
}

TEST_F(MitClient, IsRefusedWhenTheKdcHasANewerKeyThanTheKeytab) {
  Initiator client("HTTP/rekeyed", &g_spnego, kMutual);
  const Octets token = client.step({});
  ASSERT_FALSE(token.empty()) << client.error();
  EXPECT_EQ(accept(token).verdict.status, Status::kTicketKey);
}

TEST_F(MitClient, IsRefusedWhenItsTokenWasChangedOnTheWay) {
  Initiator client("HTTP/t18.localhost", &g_spnego, kMutual);
  Octets token = client.step({});
  ASSERT_FALSE(token.empty()) << client.error();
  token.back() ^= 1;
  EXPECT_EQ(accept(token).verdict.status, Status::kAuthenticatorKey);
  token.back() ^= 1;
  EXPECT_EQ(accept(token).verdict.status, Status::kEstablished);
}

TEST_F(MitClient, BelievesNoAnswerThatWasChanged) {
  Initiator client("HTTP/t18.localhost", &g_krb5, kMutual);
  const AcceptReply reply = accept(client.step({}));
  ASSERT_EQ(reply.verdict.status, Status::kEstablished);
  buffer_[reply.reply_size - 1] ^= 1;
  client.step(token_of(reply));
  EXPECT_FALSE(client.complete());
  EXPECT_NE(client.error(), "");
}

TEST_F(MitClient, MaySendChannelBindings) {
  char data[] = "tls-server-end-point:certificate";
  gss_channel_bindings_struct bindings{};
  bindings.application_data = {sizeof data - 1, data};
  Initiator client("HTTP/t18.localhost", &g_spnego, kMutual);
  client.use_bindings(&bindings);
  EXPECT_EQ(accept(client.step({})).verdict.status, Status::kEstablished);
}

TEST_F(MitClient, SignsOnInDceStyle) {
  for (const gss_OID mechanism : {&g_krb5, &g_spnego}) {
    Initiator client("HTTP/t18.localhost", mechanism, kMutual | kIntegrity | GSS_C_DCE_STYLE);
    const AcceptReply first = accept(client.step({}));
    ASSERT_EQ(text_of(first.verdict.status), text_of(Status::kContinue));
    const Octets third_leg = client.step(token_of(first));
    ASSERT_FALSE(third_leg.empty()) << client.error();
    const AcceptReply last = accept(third_leg, first.context);
    ASSERT_EQ(text_of(last.verdict.status), text_of(Status::kEstablished));
    EXPECT_TRUE(gss::has(last.flags, gss::ContextFlags::kDceStyle));
    if (mechanism == &g_spnego) {
      client.step(token_of(last));
    }
    EXPECT_TRUE(client.complete()) << client.error();

    const Octets message = {'m', 'e', 's', 's', 'a', 'g', 'e'};
    const Octets from_client = client.get_mic(message);
    const Status inspected = engine_->inspect(last.context, [&](const Context& context) {
      const protect::KerberosMicKey key{crypto::profile_of(context.key_etype), context.key.bytes(),
                                        context.key_is_acceptor_subkey};
      EXPECT_TRUE(protect::check_mic(*kit_, key, protect::Sender::kInitiator,
                                     std::uint64_t{context.initiator_sequence}, message,
                                     from_client));
    });
    EXPECT_EQ(inspected, Status::kEstablished);
  }
}

TEST_F(MitClient, UnderstandsWhyItIsRefused) {
  error_tokens_ = true;
  Initiator client("HTTP/t18.localhost", &g_krb5, kMutual);
  const Octets token = client.step({});
  EXPECT_EQ(accept(token).verdict.status, Status::kEstablished);
  const AcceptReply refused = accept(token);
  EXPECT_EQ(refused.verdict.status, Status::kReplay);
  client.step(token_of(refused));
  EXPECT_FALSE(client.complete());
  EXPECT_EQ(client.error(), "Request is a replay") << "RFC 4121 4.1: KRB_AP_ERR_REPEAT";
}

}  // namespace
}  // namespace usher
