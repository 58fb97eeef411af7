// usher_accept_batch: many calls of AcceptSecurityContext in one, each with its own arguments and
// results, and none the worse for its neighbours.
#include <usher/acceptor.h>

#include <deque>

#include "tests/engine/sspi_caller.h"

namespace usher {
namespace {

using namespace testing;

// Element is one request of a batch with its buffers.
struct Element {
  Element(CredHandle& credential, Bytes bytes, CtxtHandle* given = nullptr,
          std::uint32_t flags = 0) {
    token.assign(bytes.begin(), bytes.end());
    in = {static_cast<std::uint32_t>(token.size()), SECBUFFER_TOKEN, token.data()};
    out = {static_cast<std::uint32_t>(room.size()), SECBUFFER_TOKEN, room.data()};
    request = {.phCredential = &credential,
               .phContext = given,
               .pInput = &input,
               .fContextReq = flags,
               .TargetDataRep = SECURITY_NATIVE_DREP,
               .phNewContext = &context,
               .pOutput = &output,
               .pfContextAttr = &attributes,
               .ptsExpiry = &expiry,
               .Status = SEC_E_INTERNAL_ERROR};
  }
  Element(const Element&) = delete;
  Element& operator=(const Element&) = delete;

  Octets token;
  Octets room = Octets(2048);
  SecBuffer in{};
  SecBuffer out{};
  SecBufferDesc input{SECBUFFER_VERSION, 1, &in};
  SecBufferDesc output{SECBUFFER_VERSION, 1, &out};
  CtxtHandle context = no_handle();
  std::uint32_t attributes = 0;
  TimeStamp expiry{};
  USHER_ACCEPT request;
};

class SspiBatch : public SspiTest {
 protected:
  void TearDown() override { EXPECT_EQ(free_slots(), kTestSlots) << "a context was left behind"; }

  template <class... Arguments>
  Element& add(Arguments&&... arguments) {
    return elements.emplace_back(credential.handle, std::forward<Arguments>(arguments)...);
  }
  SECURITY_STATUS run() {
    std::vector<USHER_ACCEPT> requests;
    for (const Element& element : elements) {
      requests.push_back(element.request);
    }
    const SECURITY_STATUS status =
        usher_accept_batch(requests.data(), static_cast<std::uint32_t>(requests.size()));
    for (std::size_t n = 0; n < requests.size(); ++n) {
      elements[n].request.Status = requests[n].Status;
    }
    return status;
  }
  std::deque<Element> elements;
};

TEST_F(SspiBatch, EachElementIsAsACallOfItsOwn) {
  Octets forged = kerberos_token();
  forged.back() ^= 1;
  const Called twin = accept(credential.handle, forged);
  const std::string why = usher_last_refusal();
  const Octets replayed = kerberos_token();
  const Element& good = add(kerberos_token());
  const Element& bad = add(forged);
  const Element& ntlm = add(client.first());
  const Element& once = add(replayed, nullptr, std::uint32_t{ASC_REQ_CONNECTION});
  const Element& twice = add(replayed);
  const Element& rubbish = add(mint::octets_of("no token"));
  Element& version = add(kerberos_token());
  version.input.ulVersion = 7;
  Element& nowhere = add(kerberos_token());
  nowhere.request.phNewContext = nullptr;
  Element& nobody = add(kerberos_token());
  CredHandle none{};
  nobody.request.phCredential = &none;
  ASSERT_EQ(run(), SEC_E_OK);
  EXPECT_EQ(good.request.Status, SEC_E_OK);
  EXPECT_GT(good.out.cbBuffer, 0u);
  EXPECT_NE(good.expiry.QuadPart, 0);
  EXPECT_EQ(bad.request.Status, twin.status);
  EXPECT_FALSE(SecIsValidHandle(&bad.context));
  EXPECT_EQ(bad.out.cbBuffer, 0u);
  EXPECT_EQ(ntlm.request.Status, SEC_I_CONTINUE_NEEDED);
  EXPECT_EQ(once.request.Status, SEC_E_OK);
  EXPECT_NE(once.attributes & ASC_RET_CONNECTION, 0u);
  EXPECT_EQ(good.attributes & ASC_RET_CONNECTION, 0u) << "its neighbour's";
  EXPECT_EQ(twice.request.Status, SEC_E_LOGON_DENIED) << "a replay of its neighbour";
  EXPECT_EQ(rubbish.request.Status, SEC_E_INVALID_TOKEN);
  EXPECT_EQ(version.request.Status, SEC_E_INVALID_TOKEN);
  EXPECT_EQ(nowhere.request.Status, SEC_E_INVALID_HANDLE);
  EXPECT_EQ(nobody.request.Status, SEC_E_INVALID_HANDLE);

  CtxtHandle half_open = ntlm.context;
  const Octets answer = client.second(Bytes(ntlm.room).first(ntlm.out.cbBuffer));
  CtxtHandle ends[] = {good.context, once.context};
  elements.clear();
  const Element& last_leg = add(answer, &half_open);
  Element& same_context = add(answer, &half_open);
  ASSERT_EQ(run(), SEC_E_OK);
  EXPECT_EQ(last_leg.request.Status, SEC_E_OK);
  EXPECT_EQ(same_context.request.Status, SEC_E_INVALID_HANDLE);
  for (CtxtHandle end : {ends[0], ends[1], last_leg.context}) {
    EXPECT_EQ(DeleteSecurityContext(&end), SEC_E_OK);
  }
}

// What a batch's last refusal says is what the single call would have said.
TEST_F(SspiBatch, SaysWhyTheLastRefusedOneWas) {
  static_cast<void>(accept(credential.handle, mint::octets_of("no token")));
  const std::string why = usher_last_refusal();
  add(mint::octets_of("no token"));
  const Element& good = add(kerberos_token());
  ASSERT_EQ(run(), SEC_E_OK);
  EXPECT_EQ(usher_last_refusal(), why);
  CtxtHandle context = good.context;
  EXPECT_EQ(DeleteSecurityContext(&context), SEC_E_OK);
}

TEST_F(SspiBatch, MoreThanFitIntoOneTurnGoIntoSeveral) {
  for (int n = 0; n < 150; ++n) {
    add(n % 50 == 7 ? kerberos_token() : mint::octets_of("?"));
  }
  for (std::size_t n = 0; n < elements.size(); ++n) {
    if (n % 50 != 7) {
      elements[n].input.ulVersion = 7;  // Takes no slot, of which there are few.
    }
  }
  ASSERT_EQ(run(), SEC_E_OK);
  for (std::size_t n = 0; n < elements.size(); ++n) {
    EXPECT_EQ(elements[n].request.Status, n % 50 == 7 ? SEC_E_OK : SEC_E_INVALID_TOKEN) << n;
    if (n % 50 == 7) {
      EXPECT_EQ(DeleteSecurityContext(&elements[n].context), SEC_E_OK);
    }
  }
}

TEST_F(SspiBatch, NothingAndNobodyAreRefusedAsAWhole) {
  EXPECT_EQ(usher_accept_batch(nullptr, 0), SEC_E_OK);
  EXPECT_EQ(usher_accept_batch(nullptr, 1), SEC_E_INVALID_PARAMETER);
}

TEST_F(SspiBatch, ReplyMayBeAllocated) {
  Element& element = add(kerberos_token(), nullptr, std::uint32_t{ASC_REQ_ALLOCATE_MEMORY});
  ASSERT_EQ(run(), SEC_E_OK);
  ASSERT_EQ(element.request.Status, SEC_E_OK);
  EXPECT_NE(element.attributes & ASC_RET_ALLOCATED_MEMORY, 0u);
  EXPECT_NE(element.out.pvBuffer, element.room.data());
  FreeContextBuffer(element.out.pvBuffer);
  EXPECT_EQ(DeleteSecurityContext(&element.context), SEC_E_OK);
}

// Program knows Carol, and answers once it has been asked about as many as it waits for: a batch
// asks about all of its clients before it waits for any.
struct Program {
  CredHandle* credential = nullptr;
  std::size_t wanted = 0;
  std::vector<std::uint64_t> asked;
  SECURITY_STATUS inside = SEC_E_OK;
  static void ask(void* context, const USHER_QUESTION* question) {
    auto& self = *static_cast<Program*>(context);
    self.inside = usher_accept_batch(nullptr, 0);
    self.asked.push_back(question->Inquiry);
    if (self.asked.size() < self.wanted) {
      return;
    }
    for (const std::uint64_t inquiry : self.asked) {
      const USHER_ANSWER no{.Status = SEC_E_LOGON_DENIED};
      EXPECT_EQ(usher_answer(self.credential, inquiry, &no), SEC_E_OK);
    }
  }
};

TEST_F(SspiBatch, AsksAboutAllBeforeItWaitsForAny) {
  Program program;
  USHER_ACCEPTOR with = acceptor();
  with.Ask = Program::ask;
  with.AskContext = &program;
  with.AuthorityMilliseconds = 600'000;
  OwnCredential asking{with};
  program.credential = &asking.handle;
  program.wanted = 3;
  client.fields.user = u"carol";
  std::vector<Called> first;
  for (int n = 0; n < 3; ++n) {
    first.push_back(accept(asking.handle, client.first()));
  }
  for (Called& leg : first) {
    elements.emplace_back(asking.handle, client.second(leg.reply), &leg.context);
  }
  Element& other = add(kerberos_token());
  ASSERT_EQ(run(), SEC_E_OK);
  EXPECT_EQ(program.asked.size(), 3u);
  EXPECT_EQ(program.inside, SEC_E_OUT_OF_SEQUENCE);
  for (std::size_t n = 0; n < 3; ++n) {
    EXPECT_EQ(elements[n].request.Status, SEC_E_LOGON_DENIED);
  }
  EXPECT_EQ(other.request.Status, SEC_E_OK);
  EXPECT_EQ(DeleteSecurityContext(&other.context), SEC_E_OK);
}

}  // namespace
}  // namespace usher
