#include "tools/mint/ticket_shapes.h"

#include <algorithm>

#include "tools/mint/pac_mint.h"

namespace usher::mint {
namespace {

constexpr std::size_t kAuthorizationDataSize = 138;  // Without a PAC: makes tokens of 732 bytes.
constexpr std::int32_t kUnknownType = 9999;          // Which acceptors skip.
constexpr std::size_t kGroupSize = 8;                // Of one more in a PAC.
constexpr std::uint32_t kFirstGroup = 1000;          // Windows numbers an organisation's from here.

Octets filler() {
  Octets data(kAuthorizationDataSize - authorization_data(kUnknownType, {}).size());
  Octets element = authorization_data(kUnknownType, data);
  while (element.size() > kAuthorizationDataSize) {  // Lengths grew with it.
    data.pop_back();
    element = authorization_data(kUnknownType, data);
  }
  return element;
}

}  // namespace

TicketShaper::TicketShaper(crypto::Kit& kit, RandomSource& random, Service service,
                           const TicketShape& shape, std::int64_t now_s)
    : kit_(kit), random_(random), service_(std::move(service)), pac_(shape.size != 0) {
  const std::string realm = service_.name.realm;
  krbtgt_ = make_service(random_, "krbtgt/" + realm + "@" + realm);
  fields_.client = Principal::of("alice@" + realm);
  fields_.auth_time = now_s - 600;
  fields_.end_time = now_s + 36'000;
  fields_.session_etype = shape.session_etype;
  if (!pac_) {
    fields_.authorization_data = filler();
    return;
  }
  require(shape.size >= kPacTicketSizeMin, "a ticket with a PAC is larger");
  const std::size_t bare = make(1).encoded.size();
  groups_ = 1 + (std::max(shape.size, bare) - bare) / kGroupSize;
  while (groups_ > 1 && make(groups_).encoded.size() > shape.size) {  // Lengths grew with it.
    --groups_;
  }
}

Ticket TicketShaper::make() const { return make(groups_); }

Ticket TicketShaper::make(std::size_t groups) const {
  TicketFields fields = fields_;
  if (pac_) {
    PacFields pac;
    pac.logon_info->groups.clear();
    for (std::size_t n = 0; n < groups; ++n) {
      pac.logon_info->groups.push_back({.relative_id = kFirstGroup + std::uint32_t(n)});
    }
    add_pac(kit_, random_, service_, krbtgt_, fields, pac);
  }
  return KerberosMint(kit_, random_).ticket(service_, fields);
}

}  // namespace usher::mint
