// Section E: NTLM messages and AV_PAIR lists (MS-NLMP 2.2).
#include "parsers/ntlm.h"

#include "tests/attacks/build.h"

namespace usher::attacks {
namespace {

const Parser kNegotiate = {"ntlm", {}, fault_of<ntlm::parse_negotiate>};
const Parser kChallenge = {"ntlm", {}, fault_of<ntlm::parse_challenge>};
const Parser kAuthenticate = {"ntlm", {}, fault_of<ntlm::parse_authenticate>};
const Parser kAvPairs = {"ntlm_av", {}, fault_of<ntlm::parse_av_pairs>};
const Parser kNtlmv2 = {"ntlm_av", {}, fault_of<ntlm::parse_ntlmv2_response>};

struct Field {
  std::uint64_t length;
  std::uint64_t offset;
};
Octets field(const Field& f) { return cat({le(f.length, 2), le(f.length, 2), le(f.offset, 4)}); }

Octets head(std::uint64_t type) { return cat({octets_of("NTLMSSP"), {0}, le(type, 4)}); }

// In an AUTHENTICATE with version and MIC the payload begins at 88; each field has 24 bytes there.
constexpr std::size_t kFieldCount = 6;
constexpr std::uint64_t kPayload = 88;
constexpr std::uint64_t kFieldSize = 24;
constexpr std::uint64_t kAuthenticateSize = kPayload + kFieldCount * kFieldSize;
constexpr const char* kFieldNames[kFieldCount] = {"lm-response", "nt-response", "domain",
                                                  "user",        "workstation", "session-key"};

Field right_field(std::size_t index) { return {kFieldSize, kPayload + index * kFieldSize}; }

// authenticate_with returns a builder that takes the header of one field.
auto authenticate_with(std::size_t index) {
  return [index](const Field& header) {
    Octets message = head(3);
    for (std::size_t i = 0; i < kFieldCount; ++i) {
      message = cat({message, field(i == index ? header : right_field(i))});
    }
    return cat({message, le(0xe2888215, 4), Octets(8, 0), Octets(16, 0x33),
                Octets(kFieldCount * kFieldSize, 0x61)});
  };
}

constexpr std::uint64_t kTargetInfoSize = 4;
constexpr std::uint64_t kChallengeSize = 56 + 8 + kTargetInfoSize;
Octets challenge(const Field& name, const Field& target_info) {
  return cat({head(2), field(name), le(0xe2898215, 4), Octets(8, 0x5c), Octets(8, 0),
              field(target_info), Octets(8, 0), Octets(8, 0x44), le(0, kTargetInfoSize)});
}
const Field kRightName = {8, 56};
const Field kRightTargetInfo = {kTargetInfoSize, 64};
Octets challenge_with_name(const Field& name) { return challenge(name, kRightTargetInfo); }
Octets challenge_with_target_info(const Field& info) { return challenge(kRightName, info); }

Octets negotiate_with_domain(const Field& domain) {
  return cat({head(1), le(0xe208b235, 4), field(domain), field({4, 44}), Octets(8, 0),
              octets_of("DOMNWORK")});
}
const Field kRightDomain = {4, 40};

void add_offsets(Section& section) {
  const auto out = ParseCode::kOutOfBounds;
  for (std::size_t i = 0; i < kFieldCount; ++i) {
    const std::string name = kFieldNames[i];
    const auto build = authenticate_with(i);
    section
        .add("E1", name + "-wraps", kAuthenticate, out, build, Field{0x20, 0xfffffff0},
             right_field(i))
        .add("E1", name + "-one-over", kAuthenticate, out, build,
             Field{kFieldSize, kAuthenticateSize - kFieldSize + 1}, right_field(i))
        .add("E1", name + "-in-header", kAuthenticate, out, build, Field{kFieldSize, 63},
             right_field(i));
  }
  section
      .add("E1", "target-name-wraps", kChallenge, out, challenge_with_name, Field{0x20, 0xfffffff0},
           kRightName)
      .add("E1", "target-name-in-header", kChallenge, out, challenge_with_name, Field{8, 40},
           kRightName)
      .add("E1", "target-info-one-over", kChallenge, out, challenge_with_target_info,
           Field{kTargetInfoSize, kChallengeSize - kTargetInfoSize + 1}, kRightTargetInfo)
      .add("E1", "oem-domain-wraps", kNegotiate, out, negotiate_with_domain,
           Field{0x20, 0xfffffff0}, kRightDomain)
      .add("E1", "oem-domain-in-header", kNegotiate, out, negotiate_with_domain, Field{4, 23},
           kRightDomain)
      .add("E10", "target-name-2-31", kChallenge, out, challenge_with_name, Field{8, 0x7ffffffc},
           kRightName)
      .add("E10", "target-info-minus-1", kChallenge, out, challenge_with_target_info,
           Field{kTargetInfoSize, 0xffffffff}, kRightTargetInfo)
      .add("E10", "user-2-31", kAuthenticate, out, authenticate_with(3), Field{0x20, 0x7ffffff0},
           right_field(3))
      .add("E18", "target-info-wraps", kChallenge, out, challenge_with_target_info,
           Field{0xffff, 0xffff0040}, kRightTargetInfo)
      .add("E18", "nt-response-65535", kAuthenticate, out, authenticate_with(1),
           Field{0xffff, right_field(1).offset}, right_field(1))
      .add("E15", "lm-response-65535", kAuthenticate, out, authenticate_with(0),
           Field{0xffff, kPayload}, right_field(0));
}

void add_cuts(Section& section) {
  const auto truncated = ParseCode::kTruncated;
  // Empty fields, so that nothing but the end of the header is missing.
  const auto authenticate_of = [](std::size_t size) {
    Octets message = cat({head(3), repeat(field({0, 0}), kFieldCount), le(0xe2888215, 4)});
    message.resize(size);
    return message;
  };
  for (const std::size_t size : {7u, 11u, 12u, 15u, 20u, 33u, 47u, 60u, 63u}) {
    section.add("E7", "authenticate-cut-at-" + std::to_string(size), kAuthenticate, truncated,
                authenticate_of, size, std::size_t{64});
  }
  // 16 octets are enough: WinPR and libraries stop after the flags.
  const auto negotiate_of = [](std::size_t size) {
    Octets message = cat({head(1), le(0xe2088237, 4), field({0, 0}), field({0, 0})});
    message.resize(size);
    return message;
  };
  for (const std::size_t size : {8u, 11u, 12u, 15u}) {
    section.add("E8", "negotiate-cut-at-" + std::to_string(size), kNegotiate, truncated,
                negotiate_of, size, std::size_t{16});
  }
  for (const std::size_t size : {17u, 24u, 31u}) {
    section.add("E8", "negotiate-cut-at-" + std::to_string(size), kNegotiate, truncated,
                negotiate_of, size, std::size_t{32});
  }
  const auto of_type = [](std::uint64_t type) {
    return cat({head(type), repeat(field({0, 0}), kFieldCount), le(0, 4)});
  };
  for (const std::uint64_t type : {0u, 1u, 2u, 4u, 0x03000000u}) {
    section.add("E20", "authenticate-of-type-" + std::to_string(type), kAuthenticate,
                ParseCode::kBadValue, of_type, type, std::uint64_t{3});
  }
}

Octets pair(std::uint64_t id, const Octets& value) {
  return cat({le(id, 2), le(value.size(), 2), value});
}
Octets av_list(const Octets& pairs) { return cat({pair(2, hex("44004f00")), pairs, pair(0, {})}); }

void add_av_pairs(Section& section) {
  const auto bad_value = ParseCode::kBadValue;
  const auto out = ParseCode::kOutOfBounds;
  struct Sized {
    const char* name;
    std::uint64_t id;
    std::size_t right;
    std::vector<std::size_t> wrong;
  };
  const std::vector<Sized> ids = {{"computer", 1, 4, {1, 3}},       {"tree", 5, 4, {5}},
                                  {"flags", 6, 4, {0, 3, 5}},       {"timestamp", 7, 8, {0, 7, 9}},
                                  {"single-host", 8, 48, {0, 47}},  {"target-name", 9, 4, {3}},
                                  {"bindings", 10, 16, {0, 15, 17}}};
  for (const Sized& sized : ids) {
    const auto build = [&](std::size_t size) { return av_list(pair(sized.id, Octets(size, 0))); };
    for (const std::size_t wrong : sized.wrong) {
      section.add("E5", sized.name + ("-of-" + std::to_string(wrong)), kAvPairs, bad_value, build,
                  wrong, sized.right);
    }
  }
  const auto end = [](const Octets& last) {
    return cat({pair(2, hex("4400")), pair(7, Octets(8, 0)), last});
  };
  const Octets eol = hex("0000 0000");
  section.add("E5", "no-eol", kAvPairs, ParseCode::kTruncated, end, Octets{}, eol)
      .add("E5", "eol-with-size", kAvPairs, bad_value, end, hex("0000 0400 00000000"), eol)
      .add("E5", "eol-cut", kAvPairs, ParseCode::kTruncated, end, hex("0000 00"), eol);

  const auto repeated = [](std::size_t count) {
    return cat({repeat(pair(3, {}), count), pair(0, {})});
  };
  section
      .add_big("E5", "pairs-65535", kAvPairs, bad_value, repeated, std::size_t{65535},
               std::size_t{1}, std::size_t{2})
      .found_by(8);

  const auto length_of = [](std::uint64_t id) {
    return [id](std::uint64_t size) {
      return cat({le(id, 2), le(size, 2), Octets(4, 0), pair(0, {})});
    };
  };
  section
      .add("E9", "known-rest-and-2", kAvPairs, out, length_of(3), std::uint64_t{10},
           std::uint64_t{4})
      .add("E9", "unknown-rest-and-1", kAvPairs, out, length_of(0x1234), std::uint64_t{9},
           std::uint64_t{4})
      .add("E9", "unknown-65535", kAvPairs, out, length_of(0x1234), std::uint64_t{0xffff},
           std::uint64_t{4});

  // Everything that another parser had allocated by then, and then the fault.
  const Octets before = cat({pair(2, hex("4400")), pair(8, Octets(48, 0x31)),
                             pair(10, Octets(16, 0xbb)), pair(9, hex("4800"))});
  const auto after = [before](const Octets& last) { return cat({before, last, pair(0, {})}); };
  section
      .add("E3", "flags-of-3-at-the-end", kAvPairs, bad_value, after, pair(6, Octets(3, 0)),
           pair(6, Octets(4, 0)))
      .add("E3", "bindings-twice", kAvPairs, bad_value, after, pair(10, Octets(16, 0xbb)), Octets{})
      .add("E2", "name-of-odd-size", kAvPairs, bad_value, after, pair(4, Octets(5, 0x61)),
           pair(4, Octets(6, 0x61)));
}

void add_responses(Section& section) {
  const auto response_of = [](std::size_t size) {
    Octets response = cat({Octets(16, 0x70), hex("01 01 0000 00000000"), Octets(8, 0x74),
                           Octets(8, 0xaa), Octets(4, 0)});
    response.resize(size);
    return response;
  };
  for (const std::size_t size : {1u, 15u, 16u, 24u, 27u, 28u, 43u}) {
    section.add("E6", "response-of-" + std::to_string(size), kNtlmv2, ParseCode::kTruncated,
                response_of, size, std::size_t{44});
  }
  for (const std::size_t size : {45u, 46u, 47u}) {
    section.add("E6", "response-of-" + std::to_string(size), kNtlmv2, ParseCode::kTruncated,
                response_of, size, std::size_t{48});
  }
  const auto versions = [](const Octets& octets) {
    return cat({Octets(16, 0x70), octets, Octets(6, 0), Octets(20, 0)});
  };
  section
      .add("E6", "response-version-0", kNtlmv2, ParseCode::kBadValue, versions, hex("00 01"),
           hex("01 01"))
      .add("E6", "response-high-version-2", kNtlmv2, ParseCode::kBadValue, versions, hex("01 02"),
           hex("01 01"));
}

}  // namespace

void add_ntlm(Section section) {
  add_offsets(section);
  add_cuts(section);
  add_av_pairs(section);
  add_responses(section);
}

}  // namespace usher::attacks
