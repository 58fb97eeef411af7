// S4U_DELEGATION_INFO (MS-PAC 2.9).
#include "parsers/ndr.h"
#include "parsers/pac.h"

namespace usher::pac {
namespace {

constexpr std::uint32_t kFixedSize = ndr::UnicodeString::kSize + 8;

// read_transited reads the array of RPC_UNICODE_STRINGs and the characters that follow all of them.
void read_transited(Parse& parse, ndr::Reader& reader, std::uint32_t referent,
                    DelegationInfo& info) noexcept {
  info.transited = reader.array(referent, info.transited_count, ndr::UnicodeString::kSize);
  const std::uint32_t begin = reader.at();
  for (Bytes rest = info.transited; !rest.empty() && parse.ok();
       rest = rest.subspan(ndr::UnicodeString::kSize)) {
    const ndr::UnicodeString string = ndr::UnicodeString::load(rest);
    reader.require(string.well_formed());
    reader.characters(string);
  }
  if (parse.ok()) {
    info.transited_bodies = parse.input().subspan(begin, reader.at() - begin);
  }
}

}  // namespace

Result<DelegationInfo> parse_delegation_info(Bytes buffer) noexcept {
  Parse parse(buffer);
  ndr::Reader reader(parse);
  DelegationInfo info;
  reader.headers();
  auto fixed = reader.block<kFixedSize>();
  const ndr::UnicodeString proxy_target = fixed.unicode_string();
  info.transited_count = fixed.u32();
  const std::uint32_t transited = fixed.u32();
  info.proxy_target = reader.characters(proxy_target);
  read_transited(parse, reader, transited, info);
  reader.finish();
  return parse.finish(info);
}

}  // namespace usher::pac
