// `usher decode`: what is in a token.
#include "tools/usher/decode_command.h"

#include <fmt/format.h>

#include <memory>
#include <ostream>

#include "engine/secret.h"
#include "tools/usher/decoder.h"
#include "tools/usher/input.h"
#include "tools/usher/text.h"
#include "tools/usher/usage_error.h"

namespace usher::cli {
namespace {

std::string_view direction_name(Direction direction) {
  switch (direction) {
    case Direction::kClientToServer:
      return "c2s";
    case Direction::kServerToClient:
      return "s2c";
    case Direction::kUnknown:
      break;
  }
  return "token";
}

// base64_fault stands where the token would, had it been readable.
Json base64_fault(const ParseFault& found) {
  Json fault{{"offset", found.offset},
             {"in", "base64 text"},
             {"code", words_of(found.code)},
             {"why", found.code == ParseCode::kBadLength
                         ? "its length is no multiple of 4: cut off, or its padding was lost"
                         : "no base64 of RFC 4648 4 with padding"}};
  return Json{{"type", "unreadable"}, {"fault", std::move(fault)}};
}

Json piece_tree(Decoder& decoder, const Piece& piece) {
  if (piece.base64.code != ParseCode::kOk) {
    return base64_fault(piece.base64);
  }
  if (piece.offer) {
    return Json{{"type", "no token, the scheme is offered"}};
  }
  return decoder.decode(piece.token);
}

}  // namespace

int decode_contents(std::string_view contents, const DecodeOptions& options, Opener* opener,
                    std::ostream& out) {
  const std::string name = options.file == "-" ? "standard input" : options.file;
  const Input input = parse_input(contents, name);
  Decoder decoder(opener);
  bool faulty = false;
  for (const Piece& piece : input.pieces) {
    const Json tree = piece_tree(decoder, piece);
    faulty = faulty || decoder.faulty() || piece.base64.code != ParseCode::kOk;
    const std::string_view direction = direction_name(piece.direction);
    if (options.json) {
      const Json object{{"file", options.file},
                        {"form", input.form},
                        {"line", piece.line},
                        {"direction", direction},
                        {"token", tree}};
      out << object.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
      continue;
    }
    std::string text;
    const bool several = input.pieces.size() > 1;
    write_text(text, several ? fmt::format("line {}, {}", piece.line, direction) : "token", tree,
               0);
    out << text;
  }
  return faulty ? kExitRefused : kExitGood;
}

int decode_command(const DecodeOptions& options, std::ostream& out) {
  std::unique_ptr<Opener> opener;
  if (!options.keytab.empty()) {
    opener = std::make_unique<Opener>(options.keytab);
  }
  return decode_contents(read_file(options.file), options, opener.get(), out);
}

}  // namespace usher::cli
