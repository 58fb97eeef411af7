// Promise: an acceptor that has its KDC's key lets only in what that KDC has signed.
#include "tests/auth/pac_door.h"

namespace usher {
namespace {

using mint::Octets;
using mint::Service;
using mint::TicketFields;
using testing::another;
using testing::Attempt;
using testing::Case;
using testing::kRealmsKrbtgt;
using testing::md5_of;
using testing::PacDoor;

// Cases in which the door knows its KDC's key.
const Case kKdcCases[] = {
    {"KdcAsItShouldBe", Status::kEstablished, [](PacDoor&, Attempt&) {}, "the positive twin"},
    {"KdcPolicyRequire", Status::kEstablished,
     [](PacDoor& door, Attempt&) { door.credential.policy.pac = auth::PacPolicy::kRequire; },
     "the positive twin of those with this policy"},
    {"KdcNoPac", Status::kPacMissing, [](PacDoor&, Attempt& a) { a.has_pac = false; },
     "leaving the PAC out is no way around the KDC's signatures"},
    {"KdcNoPacIgnored", Status::kEstablished,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kIgnore;
       a.has_pac = false;
     },
     "unless nobody looks at PACs"},
    {"KdcOtherKey", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.pac.kdc.signer = another("krbtgt/X@X", 18); },
     "a ticket that no KDC has made"},
    {"KdcServicesKey", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt& a) {
       a.pac.kdc.signer = a.pac.ticket.signer = a.pac.full.signer = door.services[0];
     },
     "whoever has the service's key has no other"},
    {"KdcUnkeyed", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.kdc.type = 7;
       a.pac.kdc.size = 16;
       a.pac.kdc.make = md5_of;
     },
     "CVE-2014-6324"},
    {"KdcOtherEtype", Status::kPacKdcSignature, [](PacDoor&, Attempt& a) { a.pac.kdc.type = 15; },
     "the key decides the type"},
    {"KdcRodcIdentifier", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.pac.kdc.rodc_id = 1; },
     "a read-only KDC's key is another one, which nobody has given"},
    {"OlderKrbtgt", Status::kEstablished,
     [](PacDoor& door, Attempt&) {
       const Service fresh = mint::make_service(door.random, kRealmsKrbtgt, 18, 3);
       const Service keys[] = {fresh, door.krbtgt};
       door.know_krbtgt(keys);
     },
     "tickets outlive a change of krbtgt's key"},
    {"KrbtgtAsSambaExportsIt", Status::kEstablished,
     [](PacDoor& door, Attempt&) {
       Service key = door.krbtgt;
       key.name = mint::Principal::of("krbtgt@EXAMPLE.TEST");
       door.know_krbtgt({&key, 1});
     },
     "samba-tool domain exportkeytab --principal=krbtgt"},
    {"KrbtgtOfAnotherRealm", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt&) {
       Service key = door.krbtgt;
       key.name = mint::Principal::of("krbtgt/OTHER.TEST@OTHER.TEST");
       door.know_krbtgt({&key, 1});
     },
     "no key for the ticket's realm: refused, not passed over"},
    {"KrbtgtForAnotherRealm", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt&) {
       Service key = door.krbtgt;
       key.name = mint::Principal::of("krbtgt/OTHER.TEST@EXAMPLE.TEST");
       door.know_krbtgt({&key, 1});
     },
     "the key of a trust signs nothing here"},
    {"RodcKrbtgt", Status::kEstablished,
     [](PacDoor& door, Attempt& a) {
       door.krbtgt.kvno = 0x12340001;
       door.know_krbtgt();
       a.pac.kdc.rodc_id = a.pac.ticket.rodc_id = a.pac.full.rodc_id = 0x1234;
     },
     "MS-PAC 2.8: the first 16 bits of its key version"},
    {"RodcKrbtgtOfAnother", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt& a) {
       door.krbtgt.kvno = 0x12340001;
       door.know_krbtgt();
       a.pac.kdc.rodc_id = 0x1235;
     },
     "another read-only KDC"},
    {"RodcKrbtgtUnnamed", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt&) {
       door.krbtgt.kvno = 0x12340001;
       door.know_krbtgt();
     },
     "without an identifier it was the domain's own key"},
    {"Sha2Krbtgt", Status::kEstablished,
     [](PacDoor& door, Attempt&) {
       door.krbtgt = mint::make_service(door.random, kRealmsKrbtgt, 20, 2);
       door.know_krbtgt();
     },
     "RFC 8009"},
    {"Rc4Krbtgt", Status::kEstablished,
     [](PacDoor& door, Attempt&) {
       door.krbtgt = mint::make_service(door.random, kRealmsKrbtgt, 23, 2);
       door.know_krbtgt();
     },
     "old domains sign with what krbtgt has"},

    // D3: the ticket signature.
    {"NoTicketSignature", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.pac.ticket.absent = true; }, "CVE-2020-17049"},
    {"TicketFlagsChanged", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) {
       a.change = [](TicketFields& ticket) { ticket.flags ^= 0x40000000; };
     },
     "CVE-2020-17049: forwardable"},
    {"TicketEndChanged", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.change = [](TicketFields& ticket) { ++ticket.end_time; }; },
     "a ticket made to last"},
    {"TicketSessionKeyChanged", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) {
       a.change = [](TicketFields& ticket) { ticket.session_key[0] ^= 1; };
     },
     "every field is covered"},
    {"TicketSignatureOfAnotherKey", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.pac.ticket.signer = another("krbtgt/X@X", 18); },
     "CVE-2020-17049"},
    {"TicketSignatureOfAnotherType", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.pac.ticket.type = 15; },
     "MS-PAC 2.8.3: of the KDC signature's type"},
    {"TicketWithOtherData", Status::kEstablished,
     [](PacDoor&, Attempt& a) {
       a.pac.more = {{13, Octets(30'000, 1)}};  // Lengths of more than two octets.
     },
     "a large PAC"},

    // D4: the full signature.
    {"NoFullSignature", Status::kEstablished,
     [](PacDoor&, Attempt& a) { a.pac.full.absent = true; }, "MIT before 1.21"},
    {"NoFullSignatureButRequired", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kRequire;
       a.pac.full.absent = true;
     },
     "CVE-2022-37967"},
    {"NoFullSignatureUnderMd5", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.allow_rc4 = true;
       a.service = door.of_etype(23);
       a.pac.full.absent = true;
     },
     "CVE-2022-37967: two PACs of one MD5 have one server signature"},
    {"FullSignatureOverMd5", Status::kEstablished,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.allow_rc4 = true;
       a.service = door.of_etype(23);
     },
     "the positive twin of the one before"},
    {"FullSignatureOfAnotherKey", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) { a.pac.full.signer = another("krbtgt/X@X", 18); },
     "CVE-2022-37967: wrong, whatever the policy"},
    {"FullSignatureUnkeyed", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.full.type = 7;
       a.pac.full.size = 16;
       a.pac.full.make = md5_of;
     },
     "CVE-2022-37967"},
    {"FullSignatureTooLarge", Status::kPacKdcSignature,
     [](PacDoor&, Attempt& a) {
       a.pac.full.type = 4711;
       a.pac.full.size = 1000;
     },
     "D8"},
    {"FullSignatureOverAnotherPac", Status::kPacKdcSignature,
     [](PacDoor& door, Attempt& a) {
       // What a collision would give: all but the full signature fits.
       a.pac.full.make = [&door](Bytes covered) {
         Octets other = mint::octets_of(covered);
         other.back() ^= 1;
         return mint::keyed_checksum(*door.kit, door.krbtgt, other);
       };
     },
     "CVE-2022-37967"},
    {"KdcWrongSignaturesUnderIgnore", Status::kEstablished,
     [](PacDoor& door, Attempt& a) {
       door.credential.policy.pac = auth::PacPolicy::kIgnore;
       a.pac.kdc.signer = another("krbtgt/X@X", 18);
     },
     "policy pac=ignore: nothing of the PAC is used"},
};

class PacCheckWithKrbtgt : public ::testing::TestWithParam<Case> {};

TEST_P(PacCheckWithKrbtgt, DecidesAndLeavesNothingBehind) {
  PacDoor door;
  door.know_krbtgt();
  expect_verdict(door, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Table, PacCheckWithKrbtgt, ::testing::ValuesIn(kKdcCases),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace usher
