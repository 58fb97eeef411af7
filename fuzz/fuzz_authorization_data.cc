// parsers/authorization_data.h, against a reader that recurses where the parser must not.
#include <algorithm>
#include <array>

#include "fuzz/fuzz_target.h"
#include "parsers/authorization_data.h"
#include "parsers/der.h"
#include "parsers/der_writer.h"
#include "parsers/krb5_fields.h"

namespace usher::fuzz {
namespace {

using krb5::AdType;
using krb5::AdWalk;
using krb5::AuthorizationData;

struct Seen {
  AdType type{};
  Bytes data;
  bool if_relevant = false;
};

// Model is what the rules of authorization_data.h make of an input.
struct Model {
  bool right = true;
  std::uint32_t element_count = 0;
  std::uint32_t pac_count = 0;
  bool has_etype_list = false;
  std::uint32_t etype_count = 0;  // Of the first list.
  std::uint32_t seen_count = 0;
  std::array<Seen, krb5::kAdElementsMax> seen;

  void see(AdType type, Bytes data, bool if_relevant) {
    pac_count += type == AdType::kWin2kPac ? 1 : 0;
    right = right && pac_count <= 1 && (type != AdType::kApOptions || data.size() == 4) &&
            (type != AdType::kClientTarget || data.size() % 2 == 0) &&
            (type != AdType::kEtypeNegotiation || see_etypes(data));
    seen[seen_count++] = {type, data, if_relevant};
  }

  bool see_etypes(Bytes data) {
    Parse parse(data);
    der::Reader reader(parse);
    std::uint32_t count = 0;
    reader.in(der::Tag::kSequence, [&](der::Reader& etypes) {
      for (; etypes.more(); ++count) {
        etypes.i32();
      }
    });
    reader.finish();
    if (!has_etype_list) {
      has_etype_list = true;
      etype_count = count;
    }
    return parse.ok() && count <= krb5::kEtypeListMax;
  }

  void read(Bytes list, std::uint32_t depth) {
    Parse parse(list);
    der::Reader reader(parse);
    reader.in(der::Tag::kSequence, [&](der::Reader& elements) {
      elements.each([&](der::Reader& rest) {
        AdType type{};
        Bytes data;
        rest.in(der::Tag::kSequence, [&](der::Reader& element) {
          element.in(der::context(0), [&](der::Reader& field) { type = AdType(field.i32()); });
          element.in(der::context(1),
                     [&](der::Reader& field) { data = field.bytes(der::Tag::kOctetString); });
        });
        right = right && parse.ok() && ++element_count <= krb5::kAdElementsMax;
        if (!right) {
          parse.fail(ParseCode::kBadValue, 0);
        } else if (type != AdType::kIfRelevant) {
          see(type, data, depth > 0);
        } else if (depth == krb5::kAdDepthMax) {
          right = false;
        } else {
          read(data, depth + 1);
        }
      });
    });
    reader.finish();
    right = right && parse.ok();
  }
};

// check_walk compares what AdWalk yields with the model; returns how many elements that are.
std::uint32_t check_walk(Bytes input, const Model& model) {
  AdWalk walk(input);
  std::uint32_t count = 0;
  for (krb5::AdElement element; walk.next(element); ++count) {
    check(count < krb5::kAdElementsMax, "a walk ends");
    check(within(element.data, input), "every element lies in the input");
    check(element.type != AdType::kIfRelevant, "AD-IF-RELEVANT is entered, not yielded");
    if (model.right) {
      const Seen& seen = model.seen[count];
      check(seen.type == element.type && seen.data.data() == element.data.data() &&
                seen.data.size() == element.data.size() && seen.if_relevant == element.if_relevant,
            "recursion and iteration see the same");
    }
  }
  return count;
}

void check_summary(const AuthorizationData& data, const Model& model, Bytes input) {
  check(within(data.pac, input) && within(data.client_target, input) &&
            within(data.etype_list, input),
        "views lie in the input");
  std::uint32_t etypes = 0;
  krb5::each_etype(data.etype_list, [&](std::int32_t) { ++etypes; });
  check(data.has_etype_list == model.has_etype_list && etypes == model.etype_count,
        "the first list of etypes counts");
  check(data.element_count == model.element_count, "every element is counted");
  check(data.has_pac == (model.pac_count == 1), "a PAC is found wherever it stands");
  const auto seen = std::span(model.seen).first(model.seen_count);
  const auto critical = std::ranges::find_if(seen, [](const Seen& element) {
    return !element.if_relevant && element.type != AdType::kWin2kPac;
  });
  check(data.has_critical == (critical != seen.end()), "nothing critical is passed over");
  check(!data.has_critical || data.critical == critical->type, "the first critical one is named");
}

// check_wrapped puts the data into one more AD-IF-RELEVANT: nothing in it is critical then.
void check_wrapped(Bytes input, const AuthorizationData& data) {
  static std::array<std::uint8_t, kInputSizeMax + 64> out;
  der::Writer writer(out);
  writer.octets(input);
  writer.wrap(der::Tag::kOctetString);
  writer.wrap(der::context(1));
  writer.in(der::context(0), [](der::Writer& type) { type.i32(1); });
  writer.wrap(der::Tag::kSequence);
  writer.wrap(der::Tag::kSequence);
  const Result<AuthorizationData> again = krb5::parse_authorization_data(writer.written());
  if (again.ok()) {
    check(!again->has_critical, "inside AD-IF-RELEVANT nothing is critical");
    check(again->element_count == data.element_count + 1, "an AD-IF-RELEVANT counts");
    check(again->has_pac == data.has_pac && again->ap_options == data.ap_options &&
              std::ranges::equal(again->client_target, data.client_target) &&
              std::ranges::equal(again->etype_list, data.etype_list),
          "it changes nothing else");
  } else {
    check(again.fault().code == ParseCode::kBadValue, "one more can only be one too many");
  }
}

}  // namespace

void run_one(Bytes input) {
  const Result<AuthorizationData> data = krb5::parse_authorization_data(input);
  if (!data.ok()) {
    check(data.fault().offset <= input.size(), "a fault points into the input");
  }
  if (input.empty()) {
    check(data.ok() && data->element_count == 0, "an absent field has no elements");
    return;
  }
  AuthorizationData within_message;
  const ParseFault of_list = krb5::read_within(input, within_message);
  check(within_message.fault == data.fault(), "in a message the same is wrong");
  check(of_list == krb5::fields::check_typed_list(input), "and the list as by itself");
  Model model;
  model.read(input, 0);
  check(model.right == data.ok(), "recursion and iteration agree on what is right");
  const std::uint32_t yielded = check_walk(input, model);
  if (!data.ok()) {
    return;
  }
  check(yielded == model.seen_count, "a walk over right data visits all of it");
  check_summary(*data, model, input);
  check(input.size() == 1 || !krb5::parse_authorization_data(input.first(input.size() - 1)).ok(),
        "every byte counts");
  check_wrapped(input, *data);
}

}  // namespace usher::fuzz
