// libwbclient, as far as an answerer speaks to it: a test plays winbindd's part here.
#pragma once

#include <cstdint>
#include <memory>

extern "C" {
#include <wbclient.h>
}

#include "engine/auth/asking_threads.h"

namespace usher::auth {

// WinbindLine is one thread's connection to winbindd.
class WinbindLine {
 public:
  virtual ~WinbindLine() = default;

  // authenticate blocks. With WBC_ERR_SUCCESS `info` is set, with WBC_ERR_AUTH_ERROR `error`, and
  // otherwise neither; whoever asked gives them back by release.
  [[nodiscard]] virtual wbcErr authenticate(const wbcAuthUserParams& params, wbcAuthUserInfo*& info,
                                            wbcAuthErrorInfo*& error) noexcept = 0;

  // ping says whether winbindd is there, for whatever it lets us do.
  [[nodiscard]] virtual bool ping() noexcept = 0;

  virtual void release(void* memory) noexcept = 0;  // Null: nothing happens.
};

// make_winbind_answerer asks over `line`. Null without memory.
[[nodiscard]] std::unique_ptr<Answerer> make_winbind_answerer(
    std::unique_ptr<WinbindLine> line) noexcept;

}  // namespace usher::auth
