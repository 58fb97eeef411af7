// The sockets usherd listens on.
#pragma once

#include <string>
#include <vector>

#include "tools/usherd/config.h"

namespace usherd {

// Listeners closes its sockets and removes its Unix socket files when it goes.
class Listeners {
 public:
  Listeners() = default;
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;
  ~Listeners();

  // open opens everything `config` asks for; returns an empty string, or what went wrong. A Unix
  // socket left behind by a process that is gone is replaced; one that somebody answers on is not.
  [[nodiscard]] std::string open(const Config& config);

  // check says what `open` would, as far as that can be known without leaving anything behind. An
  // address that is in use is all right: it may be that of the daemon that is to be replaced.
  [[nodiscard]] static std::string check(const Config& config);

  // refuse_more ends listening: whoever connects from now on is refused at once instead of waiting
  // for nobody. Connections that exist go on.
  void refuse_more() noexcept;

  [[nodiscard]] const std::vector<int>& sockets() const { return sockets_; }
  // "tcp 127.0.0.1:8080", "unix /run/usherd.sock": with the port that was really taken.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  [[nodiscard]] std::string bind_tcp(const std::string& address, bool may_be_in_use);
  [[nodiscard]] std::string open_tcp(const std::string& address);
  [[nodiscard]] std::string open_unix(const std::string& path, std::int64_t mode);

  std::vector<int> sockets_;
  std::vector<std::string> names_;
  std::vector<std::string> paths_;
};

}  // namespace usherd
