// Where Usher and another implementation may disagree about an input, and which clause says so.
// Everything that is not a row here is a defect of one of the two, and ends a differential target.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace usher::fuzz {

// name; the target that needs it, fuzz_<target>; its peer; what happens; the clause that decides;
// and why that is right. A row is there only as long as an input of its target's corpus needs it.
// clang-format off
#define USHER_ALLOWED_DIFFERENCES(X) \
  X(kMitBer, "diff_mit_der", "MIT krb5", \
    "accepts indefinite and overlong lengths and integers", "RFC 4120 5.1", \
    "messages are DER; two encodings of one message are two readings of one token") \
  X(kMitTrailing, "diff_mit_der", "MIT krb5", \
    "ignores octets behind the message", "RFC 4120 5.1", \
    "a message is one element") \
  X(kMitCrowdedTag, "diff_mit_der", "MIT krb5", \
    "ignores what follows the element inside a tag", "X.690 8.14.2", \
    "an explicit tag contains the complete encoding of one value") \
  X(kMitDisorder, "diff_mit_der", "MIT krb5", \
    "ignores fields that are repeated or out of order", "X.690 8.9.2", \
    "a SEQUENCE is encoded in the order of its definition") \
  X(kMitErrorType, "diff_mit_der", "MIT krb5", \
    "does not look at the msg-type of a KRB-ERROR", "RFC 4120 5.9.1", \
    "msg-type [1] INTEGER (30)") \
  X(kMitInnerExtension, "diff_mit_der", "MIT krb5", \
    "skips unknown fields of types inside messages", "RFC 4120 1.5.1", \
    "unknown message extensions are ignored; names and keys are no messages") \
  X(kMitTime, "diff_mit_der", "MIT krb5", \
    "takes any octets as the digits of a time", "RFC 4120 5.2.3", \
    "YYYYMMDDhhmmssZ, and a second that exists") \
  X(kMitFlags, "diff_mit_der", "MIT krb5", \
    "takes flags of any number of bits", "RFC 4120 5.2.8", \
    "at least 32 bits MUST be sent, in DER without unused ones") \
  X(kMitNul, "diff_mit_der", "MIT krb5", \
    "takes NUL inside a name", "RFC 4120 5.2.1", \
    "names are for people and C strings; CVE-2015-2697 is what came of it") \
  X(kMitComponents, "diff_mit_der", "MIT krb5", \
    "takes more than 16 components", "RFC 4120 6.2", \
    "no name type has more; a bound of ours") \
  X(kMitEmptyKey, "diff_mit_der", "MIT krb5", \
    "takes a key of no octets", "RFC 3961 3", \
    "no encryption type has such a key") \
  X(kMitMicroseconds, "diff_mit_der", "MIT krb5", \
    "takes microseconds below 0 and above 999999", "RFC 4120 5.2.4", \
    "Microseconds ::= INTEGER (0..999999)") \
  X(kMitCredCount, "diff_mit_der", "MIT krb5", \
    "takes a KRB-CRED with none or many tickets", "RFC 4120 5.8.1", \
    "one info for each ticket; none delegate nothing, and 16 are our bound") \
  X(kMitTimeRange, "diff_mit_der", "MIT krb5", \
    "refuses times before 1970 and some after 2106", "RFC 4120 5.2.3", \
    "KerberosTime has four digits of year") \
  X(kMitTimeModulo, "diff_mit_der", "MIT krb5", \
    "reads a time after 2106 as one before", "RFC 4120 5.2.3", \
    "KerberosTime has four digits of year") \
  X(kMitNonce, "diff_mit_der", "MIT krb5", \
    "takes a nonce as signed", "RFC 4120 5.8.1", \
    "nonce is UInt32") \
  X(kMitErrorCode, "diff_mit_der", "MIT krb5", \
    "takes an error-code as unsigned", "RFC 4120 5.9.1", \
    "error-code is Int32") \
  X(kMitHalfName, "diff_mit_der", "MIT krb5", \
    "takes a realm without a name, and a name without one", "RFC 4120 5.8.1", \
    "together they are the delegated principal; half of it is nobody") \
  X(kMitEmptyList, "diff_mit_der", "MIT krb5", \
    "leaves out empty addresses and authorization data", "RFC 4120 5.2.5, 5.2.6", \
    "they should not be empty, and mean nothing if they are") \
  X(kMitHalfError, "diff_mit_der", "MIT krb5", \
    "leaves out a crealm without a cname, and the reverse", "RFC 4120 5.9.1", \
    "each is OPTIONAL by itself") \
  X(kMitKvno, "diff_mit_der", "MIT krb5", \
    "takes a kvno as signed", "RFC 4120 5.2.9", \
    "kvno is UInt32, though MS-KILE 3.1.5.8 signs it; both forms are taken") \
  X(kMitTransitedType, "diff_mit_der", "MIT krb5", \
    "keeps eight bits of tr-type", "RFC 4120 5.3", \
    "tr-type is Int32") \
  X(kMitNegative, "diff_mit_der", "MIT krb5", \
    "writes a negative seq-number as UInt32", "RFC 4120 5.5.1", \
    "implementations SHOULD accept the signed form that old clients send") \
  X(kMitLoneUsec, "diff_mit_der", "MIT krb5", \
    "writes usec only beside a timestamp", "RFC 4120 5.8.1", \
    "each is OPTIONAL by itself") \
  X(kMitExtension, "diff_mit_der", "MIT krb5", \
    "drops fields that it does not know", "RFC 4120 1.5.1", \
    "ignored as they MUST be; to preserve them is for who passes messages on") \
  X(kMitZeroIsAbsent, "diff_mit_der", "MIT krb5", \
    "leaves out an optional number that is 0", "RFC 4120 5.2.9", \
    "OPTIONAL without DEFAULT: 0 is a value") \
  X(kHeimdalHalfName, "diff_heimdal_der", "Heimdal", \
    "takes a realm without a name, and the reverse", "RFC 4120 5.8.1", \
    "together they are the delegated principal; half of it is nobody") \
  X(kHeimdalInt32, "diff_heimdal_der", "Heimdal", \
    "takes 2^31..2^32-1 for an Int32", "RFC 4120 5.2.4", \
    "Int32 ::= INTEGER (-2147483648..2147483647)") \
  X(kHeimdalNul, "diff_heimdal_der", "Heimdal", \
    "drops NULs at the end of a name", "RFC 4120 6.2", \
    "names are compared octet by octet; two that differ are two principals") \
  X(kHeimdalTimeRange, "diff_heimdal_der", "Heimdal", \
    "reads no time before 1970 and long after it", "RFC 4120 5.2.3", \
    "KerberosTime has four digits of year") \
  X(kHeimdalUnnamedFlag, "diff_heimdal_der", "Heimdal", \
    "drops flags that it has no name for", "RFC 4120 5.2.8", \
    "flags that are not understood are ignored, here as there") \
  X(kHeimdalKvno, "diff_heimdal_der", "Heimdal", \
    "writes a kvno above 2^31-1 as a negative one", "RFC 4120 5.2.9", \
    "kvno is UInt32, though MS-KILE 3.1.5.8 signs it; both forms are taken") \
  X(kHeimdalTail, "diff_heimdal_der", "Heimdal", \
    "ignores what follows the fields of a list's element", "X.690 8.9.2", \
    "a SEQUENCE holds its fields; what else is in it is not in every reader's message") \
  X(kHeimdalBer, "diff_heimdal_der", "Heimdal", \
    "accepts overlong and indefinite lengths and numbers", "RFC 4120 5.1", \
    "messages are DER; two encodings of one message are two readings of one token") \
  X(kHeimdalConstant, "diff_heimdal_der", "Heimdal", \
    "leaves pvno and msg-type to its callers", "RFC 4120 5.10", \
    "pvno is 5 and msg-type the message's own") \
  X(kHeimdalNegative, "diff_heimdal_der", "Heimdal", \
    "reads a negative seq-number without its sign", "X.690 8.3.3", \
    "an INTEGER is two's complement: -1 is 2^32-1 modulo 2^32, and not 255") \
  X(kHeimdalTextNul, "diff_heimdal_der", "Heimdal", \
    "drops NULs at the end of an e-text, refuses others", "RFC 4120 5.9.1", \
    "e-text is for people; we hand on what was sent") \
  X(kHeimdalTime, "diff_heimdal_der", "Heimdal", \
    "takes days and seconds that do not exist", "RFC 4120 5.2.3", \
    "a KerberosTime is a point in time") \
  X(kHeimdalFlags, "diff_heimdal_der", "Heimdal", \
    "takes flags of any number of bits", "RFC 4120 5.2.8", \
    "at least 32 bits MUST be sent, in DER without unused ones") \
  X(kHeimdalComponents, "diff_heimdal_der", "Heimdal", \
    "takes more than 16 components", "RFC 4120 6.2", \
    "no name type has more; a bound of ours") \
  X(kHeimdalEmptyKey, "diff_heimdal_der", "Heimdal", \
    "takes a key of no octets", "RFC 3961 3", \
    "no encryption type has such a key") \
  X(kHeimdalMicroseconds, "diff_heimdal_der", "Heimdal", \
    "takes microseconds outside 0..999999", "RFC 4120 5.2.4", \
    "Microseconds ::= INTEGER (0..999999)") \
  X(kHeimdalCredCount, "diff_heimdal_der", "Heimdal", \
    "takes a KRB-CRED with none or many tickets", "RFC 4120 5.8.1", \
    "one info for each ticket; none delegate nothing, and 16 are our bound") \
  X(kHeimdalExtension, "diff_heimdal_der", "Heimdal", \
    "refuses messages with fields it does not know", "RFC 4120 1.5.1", \
    "recipients MUST NOT decline a request simply because an extension is present") \
  X(kMitPacCount, "diff_mit_pac", "MIT krb5", \
    "takes a PAC of more than 32 buffers", "MS-PAC 2.4", \
    "14 types exist, each at most once; 32 are our bound") \
  X(kMitPacTwice, "diff_mit_pac", "MIT krb5", \
    "takes a PAC with two buffers of a type", "MS-PAC 2.4", \
    "who takes the first and who takes the second see two users in one PAC") \
  X(kMitPacOverlap, "diff_mit_pac", "MIT krb5", \
    "takes buffers that share octets", "MS-PAC 2.3", \
    "each buffer follows the one before; shared octets have two meanings") \
  X(kMitPacStructure, "diff_mit_pac", "MIT krb5", \
    "does not look into buffers when it parses", "MS-PAC 2.5 to 2.15", \
    "a buffer holds the structure of its type") \
  X(kMitPacRodc, "diff_mit_pac", "MIT krb5", \
    "takes an RODC's number for a part of the signature", "MS-PAC 2.8", \
    "the size of Signature is that of the checksum type; RODCIdentifier follows") \
  X(kMitRdGssLayer, "diff_mit_ap_req", "MIT krb5", \
    "is given the AP-REQ without what is around it", "RFC 4178 5, RFC 4121 4.1", \
    "framing, mechListMIC and the 0x8003 checksum are judged above krb5_rd_req") \
  X(kMitRdDecoder, "diff_mit_ap_req", "MIT krb5", \
    "decodes and refuses what Usher does not", "RFC 4120 5", \
    "fuzz_diff_mit_der has a row for each way") \
  X(kMitRdNotServed, "diff_mit_ap_req", "MIT krb5", \
    "serves user-to-user", "RFC 4120 3.7", \
    "not served by Usher; refused rather than half done") \
  X(kMitRdAnyService, "diff_mit_ap_req", "MIT krb5", \
    "takes a ticket for any name that our key opens", "RFC 4120 3.2.3", \
    "a ticket is for the service it names; keys may be shared by several") \
  X(kMitRdEtype, "diff_mit_ap_req", "MIT krb5", \
    "takes session keys and subkeys of other etypes", "RFC 8429 4", \
    "AES is served, and RC4 by policy; DES, DES3 and Camellia are not") \
  X(kMitRdAnonymous, "diff_mit_ap_req", "MIT krb5", \
    "signs anonymous clients on", "RFC 8062 3", \
    "whether to serve them is policy, and ours is not to") \
  X(kMitRdCritical, "diff_mit_ap_req", "MIT krb5", \
    "ignores authorization data that it does not know", "RFC 4120 1.5.1, 5.2.6", \
    "unknown elements outside AD-IF-RELEVANT MUST fail the authentication") \
  X(kMitRdLongName, "diff_mit_ap_req", "MIT krb5", \
    "takes names of any size", "RFC 4120 6", \
    "a bound of ours, kIdentitySizeMax") \
  X(kMitRdPacUnused, "diff_mit_ap_req", "MIT krb5", \
    "signs on a client whose PAC is wrong, and does not use it", "MS-PAC 2.8, MS-KILE 3.4.5.3", \
    "who changed the PAC may have changed the rest; pac=ignore is what MIT does") \
  X(kMitRdRealmPath, "diff_mit_ap_req", "MIT krb5", \
    "takes realms between the client's and its own for checked", "RFC 4120 2.7", \
    "a server checks them or rejects the ticket; Usher leaves checking to the KDC") \
  X(kMitRdFarTime, "diff_mit_ap_req", "MIT krb5", \
    "has no room for times after 2106, or much later ones", "RFC 4120 5.2.3", \
    "KerberosTime has four digits of year") \
  X(kMitRdSkew, "diff_mit_ap_req", "MIT krb5", \
    "does not count an authenticator's microseconds", "RFC 4120 3.2.3, 5.5.1", \
    "ctime and cusec together are the client's time") \
  X(kMitRdStaleKvno, "diff_mit_ap_req", "MIT krb5", \
    "wants a key of the kvno that the ticket names", "MS-KILE 3.4.5", \
    "the key that opens a ticket is its key, whatever its number") \
  X(kHeimdalRdGssLayer, "diff_heimdal_ap_req", "Heimdal", \
    "is given the AP-REQ without what is around it", "RFC 4178 5, RFC 4121 4.1", \
    "framing, mechListMIC and the 0x8003 checksum are judged above krb5_rd_req") \
  X(kHeimdalRdDecoder, "diff_heimdal_ap_req", "Heimdal", \
    "decodes and refuses what Usher does not", "RFC 4120 5", \
    "fuzz_diff_heimdal_der has a row for each way") \
  X(kHeimdalRdAnyService, "diff_heimdal_ap_req", "Heimdal", \
    "takes a ticket for any name that our key opens", "RFC 4120 3.2.3", \
    "a ticket is for the service it names; keys may be shared by several") \
  X(kHeimdalRdEtype, "diff_heimdal_ap_req", "Heimdal", \
    "takes session keys and subkeys of other etypes", "RFC 8429 4", \
    "AES is served, and RC4 by policy; DES, DES3 and Camellia are not") \
  X(kHeimdalRdAnonymous, "diff_heimdal_ap_req", "Heimdal", \
    "signs anonymous clients on", "RFC 8062 3", \
    "whether to serve them is policy, and ours is not to") \
  X(kHeimdalRdCritical, "diff_heimdal_ap_req", "Heimdal", \
    "ignores authorization data that it does not know", "RFC 4120 1.5.1, 5.2.6", \
    "unknown elements outside AD-IF-RELEVANT MUST fail the authentication") \
  X(kHeimdalRdLongName, "diff_heimdal_ap_req", "Heimdal", \
    "takes names of any size", "RFC 4120 6", \
    "a bound of ours, kIdentitySizeMax") \
  X(kHeimdalRdPac, "diff_heimdal_ap_req", "Heimdal", \
    "looks at a PAC's table, server signature and client info alone", "MS-PAC 2.4 to 2.15", \
    "a buffer that cannot be read, or another user's SID, says that the PAC is not to be used") \
  X(kHeimdalRdRodc, "diff_heimdal_ap_req", "Heimdal", \
    "takes an RODC's number for a part of the PAC's signature", "MS-PAC 2.8", \
    "RODCIdentifier is a field of its own, behind Signature") \
  X(kHeimdalRdClientInfo, "diff_heimdal_ap_req", "Heimdal", \
    "wants a PAC's name escaped and its time without fractions", "MS-PAC 2.7", \
    "Name is the client's account name as it is; a ticket's time has no fractions to compare") \
  X(kHeimdalRdTransited, "diff_heimdal_ap_req", "Heimdal", \
    "decides itself about realms that no KDC has checked", "RFC 4120 2.7", \
    "a server checks them or rejects the ticket; Usher leaves checking to the KDC") \
  X(kHeimdalRdFarTime, "diff_heimdal_ap_req", "Heimdal", \
    "has no room for times after 2106, or much later ones", "RFC 4120 5.2.3", \
    "KerberosTime has four digits of year") \
  X(kHeimdalRdNegative, "diff_heimdal_ap_req", "Heimdal", \
    "reads a negative seq-number without its sign", "X.690 8.3.3", \
    "an INTEGER is two's complement: -1 is 2^32-1 modulo 2^32, and not 255") \
  X(kHeimdalRdLabel, "diff_heimdal_ap_req", "Heimdal", \
    "does not look at what etype is said to be", "RFC 4120 5.2.9", \
    "etype identifies the algorithm that was used; the key has only one") \
  X(kHeimdalRdSkew, "diff_heimdal_ap_req", "Heimdal", \
    "does not count an authenticator's microseconds", "RFC 4120 3.2.3, 5.5.1", \
    "ctime and cusec together are the client's time") \
  X(kHeimdalRdStaleKvno, "diff_heimdal_ap_req", "Heimdal", \
    "wants a key of the kvno that the ticket names", "MS-KILE 3.4.5", \
    "the key that opens a ticket is its key, whatever its number")
// clang-format on

enum class Allowed : std::uint8_t {
#define USHER_ALLOWED_ENUM(name, target, peer, what, clause, why) name,
  USHER_ALLOWED_DIFFERENCES(USHER_ALLOWED_ENUM)
#undef USHER_ALLOWED_ENUM
};

struct AllowedDifference {
  std::string_view name;
  std::string_view target;
  std::string_view peer;
  std::string_view what;
  std::string_view clause;
  std::string_view why;
};

inline constexpr std::array kAllowedDifferences = {
#define USHER_ALLOWED_ROW(name, target, peer, what, clause, why) \
  AllowedDifference{#name, target, peer, what, clause, why},
    USHER_ALLOWED_DIFFERENCES(USHER_ALLOWED_ROW)
#undef USHER_ALLOWED_ROW
};

// Excuses counts how often each row of one target was needed, and says so at the end of the
// process; a row that nobody needed is printed as such, and fails the target's run over its corpus
// in ctest.
class Excuses {
 public:
  explicit Excuses(std::string_view target) : target_(target) {}
  Excuses(const Excuses&) = delete;
  Excuses& operator=(const Excuses&) = delete;
  ~Excuses() {
    for (std::size_t i = 0; i < kAllowedDifferences.size(); ++i) {
      const AllowedDifference& row = kAllowedDifferences[i];
      if (row.target == target_) {
        std::fprintf(stderr, "%s: %s %llu times: %s (%s)\n",
                     uses_[i] == 0 ? "never needed" : "allowed difference", row.name.data(),
                     uses_[i], row.what.data(), row.clause.data());
      }
    }
  }

  // use counts one more input that `row` excuses; a row of another target is a defect of this one.
  bool use(Allowed row) {
    const auto i = static_cast<std::size_t>(row);
    if (kAllowedDifferences[i].target != target_) {
      std::abort();
    }
    ++uses_[i];
    return true;
  }

 private:
  std::string_view target_;
  std::array<unsigned long long, kAllowedDifferences.size()> uses_{};
};

}  // namespace usher::fuzz
