// The table as a whole.
#include "tests/attacks/attacks.h"

#include <cctype>

namespace usher::attacks {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Octets Attack::seed_octets() const {
  Octets octets = parser.selector;
  const Octets& message = seed.empty() ? bad : seed;
  octets.insert(octets.end(), message.begin(), message.end());
  return octets;
}

std::string Attack::test_name() const {
  std::string text = row + '_';
  bool upper = true;
  for (const char c : name) {
    if (c == '-') {
      upper = true;
      continue;
    }
    const bool digits_meet = upper && is_digit(c) && is_digit(text.back());
    text += digits_meet ? "_" : "";
    text += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = false;
  }
  return text;
}

void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.seed_name(); }

const std::vector<Attack>& all_attacks() {
  static const std::vector<Attack> table = [] {
    std::vector<Attack> list;
    const Section section(list);
    add_der(section);
    add_spnego(section);
    add_negoex(section);
    add_kerberos(section);
    add_kerberos_messages(section);
    add_pac(section);
    add_ntlm(section);
    return list;
  }();
  return table;
}

}  // namespace usher::attacks
