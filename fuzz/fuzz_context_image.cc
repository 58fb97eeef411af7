// engine/auth/context_image.h: what is read is a context, which is written the same again, and can
// do with its messages what any can.
#include <array>
#include <limits>
#include <memory>
#include <vector>

#include "engine/auth/context_image.h"
#include "engine/protect/session_base.h"
#include "fuzz/support/image_layers.h"
#include "fuzz/support/world.h"

namespace usher::fuzz {
namespace {

using auth::Context;
using auth::ContextImage;
using protect::SessionState;

constexpr std::size_t kPages = 160;  // For the largest PAC and delegation there may be.

// Store is where what does not fit into a context lies; it must come back whole.
struct Store {
  ~Store() {
    pages.release(context.pac);
    pages.release(context.delegated);
    check(pages.free_count() == kPages, "every page comes back");
  }
  void keep(Bytes bytes, Kept& kept) {
    check(pages.keep({&bytes, 1}, kept), "there is room for all that may be kept");
  }

  static std::vector<PageStore::Page>& memory() {
    static std::vector<PageStore::Page> all(kPages);
    return all;
  }
  std::array<PageStore::Link, kPages> links{};
  PageStore pages{memory(), links};
  Context context{};
};

Octets written(const Store& store, const SessionState* state) {
  Octets out(auth::image_size(store.context, state));
  auth::write_image(store.context, state, &store.pages, out);
  return out;
}

// check_messages has a Session go on from there, and come back to where it was.
void check_messages(const ContextImage& image, const Store& store, Bytes input) {
  static ConstantRandom random;
  const SessionState state = auth::session_state(image);
  protect::SessionTerms terms = store.context.session_terms();
  terms.state = &state;
  const protect::SessionShare session =
      protect::make_session(terms, {.send = make_kit(), .receive = make_kit(), .random = &random});
  check(session != nullptr, "a session can go on from every state");
  SessionState again;
  check(session->save(again, protect::Session::Stop::kNothing), "and be packed again");
  const Octets second = written(store, &again);
  check(std::ranges::equal(second, input), "which is the same");
  Octets token(session->sizes().signature);
  using enum protect::MessageOutcome;
  const bool used_up = !terms.ntlm && protect::repeats_key_stream(terms) &&
                       state.sent_count >= std::numeric_limits<std::uint32_t>::max();
  check(session->sign({}, token).outcome == (token.empty() ? kNotNegotiated
                                             : used_up     ? kStopped
                                                           : kGood),
        "it makes messages if they were negotiated, and have numbers");
}

}  // namespace

void run_one(Bytes input) {
  const Result<ContextImage> image = auth::read_image(input);
  if (!image.ok()) {
    check(image.fault().offset <= input.size(), "a fault is in the input");
    return;
  }
  for (const Bytes view : {image->key, image->names[0], image->names[1], image->names[2],
                           image->names[3], image->pac, image->delegated, image->streams}) {
    check(within(view, input), "views lie in the image");
  }
  check(!auth::read_image(input.first(input.size() - 1)).ok(), "one byte less is refused");
  Store store;
  auth::fill_context(*image, store.context);
  store.keep(image->pac, store.context.pac);
  store.keep(image->delegated, store.context.delegated);
  enter(store.context.state, auth::State::kEstablished);
  check(auth::image_fits(store.context), "what was read fits");
  if (image->has_session) {
    return check_messages(*image, store, input);
  }
  check(std::ranges::equal(written(store, nullptr), input), "read and written, it is the same");
}

}  // namespace usher::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  using namespace usher::fuzz;
  return hand_back(mutate_image({data, size}, size_max, seed), data, size_max);
}
