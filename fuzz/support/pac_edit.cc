#include "fuzz/support/pac_edit.h"

#include <algorithm>
#include <array>

#include "parsers/pac.h"
#include "tools/mint/pac_mint.h"

namespace usher::fuzz {
namespace {

using pac::BufferType;

constexpr std::size_t kTableOffset = 8;  // PACTYPE up to its table.
constexpr std::size_t kEntrySize = 16;   // PAC_INFO_BUFFER
constexpr std::size_t kTypeSize = 4;     // PAC_SIGNATURE_DATA's SignatureType.
constexpr std::int64_t kFiletimeEpochS = 11'644'473'600;

// signature_size is the size of a signature of that checksum type (MS-PAC 2.8).
std::size_t signature_size(std::int32_t type) {
  for (const std::int32_t etype : {19, 20, 23}) {
    const crypto::EtypeProfile& profile = *crypto::profile_of(etype);
    if (profile.checksum_type == type) {
      return profile.checksum_size;
    }
  }
  return 12;  // hmac-sha1-96-aes128 and -aes256.
}

// What a table's entry says; `offset` as far as 32 bits hold it.
struct Entry {
  std::uint32_t type;
  std::uint32_t size;
  std::uint64_t offset;
};
std::vector<Entry> table_of(Bytes pac) {
  std::vector<Entry> entries;
  const std::uint32_t count = pac.size() < kTableOffset ? 0 : load_le<std::uint32_t>(pac);
  for (std::size_t at = kTableOffset; entries.size() < count && entries.size() < 64 &&
                                      pac.size() - at >= kEntrySize && at < pac.size();
       at += kEntrySize) {
    entries.push_back({load_le<std::uint32_t>(pac.subspan(at)),
                       load_le<std::uint32_t>(pac.subspan(at + 4)),
                       load_le<std::uint64_t>(pac.subspan(at + 8))});
  }
  return entries;
}

bool lies_in(const Entry& entry, Bytes pac) {
  return entry.offset <= pac.size() && entry.size <= pac.size() - entry.offset;
}

// signature_value is where a signature's octets lie, which are not followed by an RODC's number.
MutableBytes signature_value(MutableBytes pac, const Entry& entry) {
  if (!lies_in(entry, pac) || entry.size < kTypeSize) {
    return {};
  }
  const MutableBytes buffer = pac.subspan(static_cast<std::size_t>(entry.offset), entry.size);
  const auto type = static_cast<std::int32_t>(load_le<std::uint32_t>(buffer));
  return buffer.subspan(kTypeSize, std::min(signature_size(type), buffer.size() - kTypeSize));
}

Octets signature_buffer(std::int32_t etype) {
  Octets buffer;
  const std::int32_t type = crypto::profile_of(etype)->checksum_type;
  mint::append_le(buffer, static_cast<std::uint32_t>(type));
  buffer.resize(kTypeSize + signature_size(type));
  return buffer;
}

// place_of is where the first signature of a type has its value; empty if there is none.
MutableBytes place_of(MutableBytes pac, const std::vector<Entry>& table, BufferType type) {
  const auto found = std::ranges::find(table, std::uint32_t(type), &Entry::type);
  return found == table.end() ? MutableBytes{} : signature_value(pac, *found);
}

// write_signature puts as much of a checksum over `covered` into `place` as has room there.
void write_signature(crypto::Kit& kit, const mint::Service& signer, Bytes covered,
                     MutableBytes place) {
  const Octets value = mint::keyed_checksum(kit, signer, covered);
  std::copy_n(value.begin(), std::min(value.size(), place.size()), place.begin());
}

}  // namespace

std::optional<std::vector<PacBuffer>> take_apart(Bytes pac) {
  std::vector<PacBuffer> buffers;
  for (const Entry& entry : table_of(pac)) {
    if (!lies_in(entry, pac)) {
      return std::nullopt;
    }
    buffers.push_back({entry.type, mint::octets_of(pac.subspan(
                                       static_cast<std::size_t>(entry.offset), entry.size))});
  }
  return buffers;
}

Octets put_together(const std::vector<PacBuffer>& buffers) {
  Octets table;
  Octets bodies;
  mint::append_le(table, static_cast<std::uint32_t>(buffers.size()));
  mint::append_le(table, std::uint32_t{0});  // Version.
  const std::size_t first = kTableOffset + kEntrySize * buffers.size();
  for (const PacBuffer& buffer : buffers) {
    mint::append_le(table, buffer.type);
    mint::append_le(table, static_cast<std::uint32_t>(buffer.data.size()));
    mint::append_le(table, static_cast<std::uint64_t>(first + bodies.size()));
    mint::append(bodies, buffer.data);
    bodies.resize((bodies.size() + 7) / 8 * 8);
  }
  mint::append(table, bodies);
  return table;
}

Octets unsigned_pac(std::string_view name, std::int64_t auth_time, std::int32_t etype) {
  mint::PacLogonInfo logon_info;
  logon_info.effective_name = {std::string(name)};
  const auto file_time = static_cast<std::uint64_t>((auth_time + kFiletimeEpochS) * 10'000'000);
  return put_together(
      {{std::uint32_t(BufferType::kLogonInfo), mint::make_logon_info(logon_info)},
       {std::uint32_t(BufferType::kClientInfo), mint::make_client_info(file_time, name)},
       {std::uint32_t(BufferType::kUpnDns), mint::make_upn_dns()},
       {std::uint32_t(BufferType::kRequestor), mint::account_sid()},
       {std::uint32_t(BufferType::kServerSignature), signature_buffer(etype)},
       {std::uint32_t(BufferType::kKdcSignature), signature_buffer(18)},
       {std::uint32_t(BufferType::kTicketSignature), signature_buffer(18)},
       {std::uint32_t(BufferType::kFullSignature), signature_buffer(18)}});
}

void sign_pac(crypto::Kit& kit, const mint::Service& service, const mint::Service& krbtgt,
              Bytes emptied_ticket, Octets& pac) {
  const std::vector<Entry> table = table_of(pac);
  // zeroed is the PAC with zeros for the values of these signatures.
  const auto zeroed = [&](std::initializer_list<BufferType> types) {
    Octets copy = pac;
    for (const BufferType type : types) {
      std::ranges::fill(place_of(copy, table, type), std::uint8_t{0});
    }
    return copy;
  };
  using enum BufferType;
  if (!emptied_ticket.empty()) {
    write_signature(kit, krbtgt, emptied_ticket, place_of(pac, table, kTicketSignature));
  }
  write_signature(kit, krbtgt, zeroed({kServerSignature, kKdcSignature, kFullSignature}),
                  place_of(pac, table, kFullSignature));
  const MutableBytes server = place_of(pac, table, kServerSignature);
  write_signature(kit, service, zeroed({kServerSignature, kKdcSignature}), server);
  write_signature(kit, krbtgt, server, place_of(pac, table, kKdcSignature));
}

void change_pac(Mutator& mutator, Octets& pac, std::size_t size_max) {
  std::optional<std::vector<PacBuffer>> buffers = take_apart(pac);
  const auto entries = static_cast<std::uint32_t>(table_of(pac).size());
  const std::uint32_t what = mutator.below(10);
  if (!buffers || buffers->empty() || what < 2) {
    return mutator.change(pac, size_max);
  }
  if (what < 4) {  // An entry of the table, or its header.
    const std::uint32_t at = 4 * mutator.below(2 + 4 * entries);
    constexpr std::array<std::uint32_t, 10> kValues = {0,  1,  6,          7,          8,
                                                       10, 16, 0x7fffffff, 0xfffffff8, 0xffffffff};
    const std::uint32_t old = load_le<std::uint32_t>(Bytes(pac).subspan(at));
    const std::uint32_t near = old + 4 * mutator.below(9) - 16;
    const std::uint32_t value = mutator.chance(50) ? near : kValues[mutator.below(kValues.size())];
    return store_le(MutableBytes(pac).subspan(at), value);
  }
  const auto count = static_cast<std::uint32_t>(buffers->size());
  PacBuffer& buffer = (*buffers)[mutator.below(count)];
  switch (what) {
    case 4:
      std::swap(buffer, (*buffers)[mutator.below(count)]);
      break;
    case 5:
      buffers->push_back(PacBuffer(buffer));
      break;
    case 6:
      buffers->erase(buffers->begin() + static_cast<std::ptrdiff_t>(mutator.below(count)));
      break;
    default:
      mutator.change(buffer.data, size_max);
      break;
  }
  pac = put_together(*buffers);
  pac.resize(std::min(pac.size(), size_max));
}

}  // namespace usher::fuzz
