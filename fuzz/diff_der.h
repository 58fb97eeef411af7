// Usher's DER messages beside a peer's decoder: who accepts what, what is read, and what the peer
// writes for what it read.
#pragma once

#include <cstdint>
#include <vector>

#include "fuzz/allowed_differences.h"
#include "fuzz/diff_facts.h"
#include "fuzz/diff_krb5_facts.h"
#include "fuzz/fuzz_target.h"

namespace usher::fuzz {

// Form is what is unusual about an encoding, found without any of Usher's parsers and without
// knowing the type. Octet strings are not looked into.
struct Form {
  // BER and not DER (X.690 8.1.2, 8.1.3, 8.3, 10.1, 10.2).
  bool indefinite_length = false;
  bool long_length = false;
  bool long_tag = false;
  bool constructed_string = false;
  bool needless_octet = false;
  bool empty_number = false;
  // Neither.
  bool trailing = false;    // Octets behind the outermost element.
  bool broken = false;      // From some place on there are no elements.
  bool crowded = false;     // An explicit tag with more or less than one element in it.
  bool disorder = false;    // Tags of a SEQUENCE's fields that do not ascend, or are no field's.
  bool bad_time = false;    // A GeneralizedTime that is no second of RFC 4120 5.2.3.
  bool odd_flags = false;   // A BIT STRING not of 32 bits (RFC 4120 5.2.8).
  bool over_int32 = false;  // An INTEGER of more than four octets.
  bool nul = false;         // In a GeneralString.
  bool empty_sequence = false;
  bool negative = false;      // An INTEGER below zero.
  bool other_number = false;  // pvno is not 5, or msg-type not the message's own (RFC 4120 5.10).
  bool extended = false;      // A message with fields behind its last (RFC 4120 1.5.1).

  [[nodiscard]] bool is_ber() const {
    return indefinite_length || long_length || long_tag || constructed_string || needless_octet ||
           empty_number;
  }
};

class FormReader {
 public:
  static Form read(Bytes message) {
    FormReader reader;
    reader.at_ = message;
    reader.element(0, {});
    reader.form_.trailing = !reader.at_.empty();
    return reader.form_;
  }

 private:
  static constexpr int kDepthMax = 64;

  std::uint8_t octet() {
    if (at_.empty()) {
      form_.broken = true;
      return 0;
    }
    const std::uint8_t value = at_[0];
    at_ = at_.subspan(1);
    return value;
  }

  std::uint64_t long_size(std::uint8_t first) {
    std::uint64_t size = 0;
    form_.long_length |= !at_.empty() && at_[0] == 0;
    for (int i = 0; i < (first & 0x7f); ++i) {
      form_.broken |= size >> 32 != 0;
      size = size << 8 | octet();
    }
    form_.long_length |= size < 0x80;
    return size;
  }

  // last_field is that of the message with this APPLICATION tag (RFC 4120 5).
  static int last_field(std::uint8_t tag) {
    switch (tag & 0x1f) {
      case 1:   // Ticket
      case 22:  // KRB-CRED
      case 27:  // EncAPRepPart
        return 3;
      case 2:  // Authenticator
        return 8;
      case 3:  // EncTicketPart
        return 10;
      case 14:  // AP-REQ
        return 4;
      case 15:  // AP-REP
        return 2;
      case 29:  // EncKrbCredPart
        return 5;
      case 30:  // KRB-ERROR
        return 12;
      default:
        return 31;
    }
  }

  // Around is what an element lies in: the tag next to it, and the nearest message.
  struct Around {
    std::uint8_t parent = 0;
    std::uint8_t message = 0;  // Identifier octet, [APPLICATION n].
    int depth_of_message = 0;
  };

  // element reads one, in what is `around` it, and returns its first identifier octet.
  std::uint8_t element(int depth, Around around) {
    const std::uint8_t tag = octet();
    if ((tag & 0xe0) == 0x60) {
      around.message = tag;
      around.depth_of_message = depth;
    }
    form_.long_tag |= (tag & 0x1f) == 0x1f;
    while ((tag & 0x1f) == 0x1f && !form_.broken && (octet() & 0x80) != 0) {
    }
    const std::uint8_t first = octet();
    form_.broken |= depth > kDepthMax;
    if (first == 0x80 && !form_.broken) {
      form_.indefinite_length = true;
      children(tag, depth, around, true);
      form_.broken |= at_.empty();
      at_ = at_.subspan(form_.broken ? 0 : 2);
      return tag;
    }
    const std::uint64_t size = first < 0x80 ? first : long_size(first);
    form_.broken |= size > at_.size();
    if (form_.broken) {
      return tag;
    }
    const Bytes contents = at_.first(size);
    const Bytes behind = at_.subspan(size);
    if ((tag & 0x20) != 0) {
      at_ = contents;
      children(tag, depth, around, false);
    } else {
      primitive(tag, contents);
      own_number(tag, contents, depth, around);
    }
    at_ = behind;
    return tag;
  }

  // children reads to the end of what there is, or, if `indefinite`, to end-of-contents octets.
  void children(std::uint8_t tag, int depth, Around around, bool indefinite) {
    const int last_known = (around.parent & 0xe0) == 0x60 ? last_field(around.parent) : 31;
    around.parent = tag;
    const bool fields = tag == 0x30;
    form_.constructed_string |= (tag & 0xc0) == 0 && !fields && tag != 0x31;
    int count = 0;
    int last = -1;
    while (!form_.broken && !at_.empty() &&
           !(indefinite && at_.size() >= 2 && at_[0] == 0 && at_[1] == 0)) {
      const std::uint8_t child = element(depth + 1, around);
      // SEQUENCE OF holds elements without context tags, and only those.
      const int field = (child & 0xe0) == 0xa0 ? child & 0x1f : -1;
      form_.disorder |= fields && (count > 0 && (field < 0) != (last < 0));
      form_.disorder |= fields && field >= 0 && field <= last;
      form_.extended |= fields && field > last_known;
      last = field;
      ++count;
    }
    form_.empty_sequence |= fields && count == 0;
    form_.crowded |= (tag & 0xc0) != 0 && count != 1;
  }

  // own_number looks at the [0] and [1] of messages that begin with pvno and msg-type.
  void own_number(std::uint8_t tag, Bytes contents, int depth, const Around& around) {
    const std::uint8_t type = around.message & 0x1f;
    const std::uint8_t parent = around.parent;
    const bool typed = type == 14 || type == 15 || type == 22 || type == 30;
    const bool versioned = typed || type == 1 || type == 2;
    if (depth == around.depth_of_message + 3 && tag == 2 &&
        ((parent == 0xa0 && versioned) || (parent == 0xa1 && typed))) {
      const std::uint8_t wanted = parent == 0xa0 ? 5 : type;
      form_.other_number |= contents.empty() || contents.back() != wanted ||
                            std::ranges::any_of(contents.first(contents.size() - 1),
                                                [](int octet) { return octet != 0; });
    }
  }

  void primitive(std::uint8_t tag, Bytes contents) {
    switch (tag) {
      case 2:
        form_.over_int32 |= contents.size() > 4;
        form_.negative |= !contents.empty() && contents[0] >= 0x80;
        form_.empty_number |= contents.empty();
        form_.needless_octet |=
            contents.size() > 1 && ((contents[0] == 0 && contents[1] < 0x80) ||
                                    (contents[0] == 0xff && contents[1] >= 0x80));
        return;
      case 3:
        form_.odd_flags |= contents.size() != 5 || contents[0] != 0;
        return;
      case 27:
        form_.nul |= std::ranges::find(contents, 0) != contents.end();
        return;
      case 24:
        form_.bad_time |= !is_second(contents);
        return;
      default:
        return;
    }
  }

  static bool is_second(Bytes text) {
    if (text.size() != 15 || text[14] != 'Z' ||
        !std::ranges::all_of(text.first(14), [](int c) { return c >= '0' && c <= '9'; })) {
      return false;
    }
    const auto two = [&](std::size_t at) { return (text[at] - '0') * 10 + text[at + 1] - '0'; };
    const int year = two(0) * 100 + two(2);
    const int month = two(4);
    constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12) {
      return false;
    }
    const bool leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    const int days = kDays[month - 1] + (leap ? 1 : 0);
    return two(6) >= 1 && two(6) <= days && two(8) < 24 && two(10) < 60 && two(12) < 60;
  }

  Bytes at_;
  Form form_;
};

// A Disagreement is one input, as a peer's list of excuses is asked about it.
struct Disagreement {
  Bytes message;
  const Form& form;
  const Facts& facts;     // Of the side that accepts.
  ParseFault fault;       // Ours, if Usher refuses.
  std::string_view type;  // "AP-REQ", ...
};

// judge_written wants a peer's own encoding accepted, and read as the peer read it.
template <class Peer, class Message>
void judge_written(Peer& peer, Bytes written, const Facts& theirs) {
  static Facts ours;
  ours.clear();
  ours.tell_presence = Peer::kTellsPresence;
  ours.narrow_times = Peer::kNarrowTimes;
  const auto parsed = Message::parse(written);
  if (parsed.ok()) {
    tell(ours, *parsed);
    const Form form;
    const Disagreement as_written{written, form, ours, {}, Message::kType};
    return Facts::check_equal(ours, theirs, Peer::kName, [&](auto... fact) {
      return peer.reading_excused(as_written, fact...);
    });
  }
  const Form form = FormReader::read(written);
  if (!peer.acceptance_excused({written, form, theirs, parsed.fault(), Message::kType})) {
    std::fprintf(stderr, "%s: fault %d at %u\n", Message::kType, int(parsed.fault().code),
                 parsed.fault().offset);
    check(false, "what the peer itself writes Usher accepts");
  }
}

// judge holds one message of one type against a peer. Peer says, beside its name and excuses,
//   refusal_excused:    Usher accepts, the peer does not;
//   reading_excused:    both accept, and read another value of one fact;
//   acceptance_excused: the peer accepts, Usher does not;
//   writing_excused:    both accept, and the peer writes it otherwise.
// Message says how Usher and the peer decode, tell and encode the type.
template <class Peer, class Message>
void judge(Peer& peer, Bytes input) {
  static Facts ours;
  static Facts theirs;
  ours.clear();
  theirs.clear();
  ours.tell_presence = theirs.tell_presence = Peer::kTellsPresence;
  ours.narrow_times = theirs.narrow_times = Peer::kNarrowTimes;

  const auto parsed = Message::parse(input);
  const Message decoded(input);
  if (parsed.ok()) {
    tell(ours, *parsed);
  }
  if (decoded.ok()) {
    decoded.tell(theirs);
  }
  const Form form = parsed.ok() == decoded.ok() && !parsed.ok() ? Form{} : FormReader::read(input);
  if (parsed.ok() && !decoded.ok()) {
    if (!peer.refusal_excused({input, form, ours, {}, Message::kType})) {
      std::fprintf(stderr, "%s\n", Message::kType);
      check(false, "what Usher accepts its peer accepts");
    }
    return;
  }
  if (!decoded.ok()) {
    return;
  }
  if (parsed.ok()) {
    const Disagreement input_as_read{input, form, ours, {}, Message::kType};
    Facts::check_equal(ours, theirs, Peer::kName,
                       [&](auto... fact) { return peer.reading_excused(input_as_read, fact...); });
    const std::vector<std::uint8_t> written = decoded.encode();
    if (!std::ranges::equal(written, input) &&
        !peer.writing_excused({input, form, ours, {}, Message::kType})) {
      std::fprintf(stderr, "%s\n", Message::kType);
      check(false, "what Usher accepts is the one encoding that its peer writes for it");
    }
    return;
  }
  if (!peer.acceptance_excused({input, form, theirs, parsed.fault(), Message::kType})) {
    std::fprintf(stderr, "%s: fault %d at %u\n", Message::kType, int(parsed.fault().code),
                 parsed.fault().offset);
    check(false, "what the peer accepts Usher accepts");
  }
  // What the peer understood, in the encoding it would have sent itself, is Usher's business too.
  const std::vector<std::uint8_t> written = decoded.encode();
  if (!written.empty() && !std::ranges::equal(written, input)) {
    judge_written<Peer, Message>(peer, written, theirs);
  }
}

}  // namespace usher::fuzz
