// parsers/krb5.h: a KRB-ERROR is written as it is parsed, and so is the KERB-ERROR-DATA in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "parsers/krb5.h"
#include "tests/hex.h"
#include "tests/parsers/krb5_messages.h"

namespace usher::krb5 {
namespace {

using usher::testing::hex;

Octets octets_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

Octets written(const KrbError& error) {
  Octets buffer(512);
  der::Writer writer(buffer);
  write_krb_error(writer, error);
  EXPECT_TRUE(writer.ok());
  return octets_of(writer.written());
}

TEST(Krb5ErrorWriter, WritesWhatWasParsed) {
  const Fields& full = kinds()[kKrbError].fields;
  const std::size_t minimal[] = {0, 1, 4, 5, 6, 9, 10};
  Fields least;
  for (const std::size_t i : minimal) {
    least.push_back(full[i]);
  }
  Fields with_data = least;
  with_data.push_back(full[12]);
  Fields with_client = least;
  with_client.insert(with_client.begin() + 2, {full[2], full[3]});
  Fields negative = least;
  negative[4] = field(6, "0201ff");
  for (const Fields& fields : {full, least, with_data, with_client, negative}) {
    const Octets message = build(30, fields).message;
    const Result<KrbError> error = parse_krb_error(message);
    ASSERT_TRUE(error.ok()) << error.fault().offset;
    EXPECT_EQ(written(*error), message);
  }
}

TEST(Krb5ErrorWriter, IsNotWrittenIntoTooSmallABuffer) {
  const Octets message = build(30, kinds()[kKrbError].fields).message;
  const Result<KrbError> error = parse_krb_error(message);
  ASSERT_TRUE(error.ok());
  for (std::size_t size = 0; size < message.size(); ++size) {
    Octets buffer(size);
    der::Writer writer(buffer);
    write_krb_error(writer, *error);
    EXPECT_FALSE(writer.ok()) << size;
    EXPECT_TRUE(writer.written().empty()) << size;
  }
}

struct DataCase {
  const char* data;
  ErrorDataType type;
  bool has_value;
  const char* value;
};

TEST(Krb5ErrorData, IsReadAndWritten) {
  const DataCase cases[] = {
      // What domain members send for clock skew, and KDCs for an NTSTATUS (MS-KILE 2.2.1, 2.2.2).
      {"30 05 a103 020102", ErrorDataType::kSkewRecovery, false, ""},
      {"30 15 a103 020103 a20e 040c 340000c0 00000000 03000000", ErrorDataType::kExtended, true,
       "340000c00000000003000000"},
      {"30 09 a103 020103 a202 0400", ErrorDataType::kExtended, true, ""},
      {"30 05 a103 0201fb", ErrorDataType(-5), false, ""},
  };
  for (const DataCase& c : cases) {
    const Octets octets = hex(c.data);
    const Result<ErrorData> data = parse_error_data(octets);
    ASSERT_TRUE(data.ok()) << c.data;
    EXPECT_EQ(data->type, c.type);
    EXPECT_EQ(data->has_value, c.has_value);
    EXPECT_EQ(octets_of(data->value), hex(c.value));
    Octets buffer(octets.size());
    der::Writer writer(buffer);
    write_error_data(writer, *data);
    EXPECT_EQ(octets_of(writer.written()), octets);
    for (std::size_t size = 0; size < octets.size(); ++size) {
      EXPECT_FALSE(parse_error_data(Bytes(octets).first(size)).ok()) << size;
    }
  }
}

struct DataFault {
  const char* data;
  ParseFault fault;
  const char* why;
};

TEST(Krb5ErrorData, RefusesWhatElseStandsInEData) {
  const DataFault cases[] = {
      {"30 00", {ParseCode::kTruncated, 2}, "data-type is not OPTIONAL"},
      {"30 05 a003 020102", {ParseCode::kUnexpectedTag, 2}, "METHOD-DATA and TYPED-DATA begin so"},
      {"30 05 a103 040102", {ParseCode::kUnexpectedTag, 4}, "an INTEGER is wanted"},
      {"30 05 a103 020102 00", {ParseCode::kTrailingBytes, 7}, "one element"},
      {"30 09 a103 020102 a302 0400", {ParseCode::kTrailingBytes, 7}, "there is no [3]"},
      {"30 09 a103 020102 a202 0500", {ParseCode::kUnexpectedTag, 9}, "an OCTET STRING is wanted"},
      {"31 05 a103 020102", {ParseCode::kUnexpectedTag, 0}, "a SEQUENCE is wanted"},
  };
  for (const DataFault& c : cases) {
    EXPECT_EQ(parse_error_data(hex(c.data)).fault(), c.fault) << c.why;
  }
}

}  // namespace
}  // namespace usher::krb5
