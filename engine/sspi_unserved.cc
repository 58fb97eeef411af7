// Functions that are there for the table's sake: no package here has anything for them to do. Each
// tells a stale handle from a live one all the same.
#include "engine/sspi_internal.h"

namespace usher::sspi {
namespace {

SECURITY_STATUS unserved(const SecHandle* handle, const char* why) noexcept {
  const Engine* const engine = running_engine();
  const Status status = engine == nullptr
                            ? Status::kStaleHandle
                            : engine->inspect(read_context_handle(handle), [](const Context&) {});
  return status == Status::kEstablished ? refuse(SEC_E_UNSUPPORTED_FUNCTION, why) : refuse(status);
}

constexpr const char* kNoAttribute = "SetContextAttributes is for Schannel's contexts";

}  // namespace
}  // namespace usher::sspi

extern "C" SECURITY_STATUS CompleteAuthToken(PCtxtHandle context, PSecBufferDesc /*token*/) {
  return usher::sspi::unserved(context,
                               "CompleteAuthToken: no call here returns SEC_I_COMPLETE_NEEDED");
}

extern "C" SECURITY_STATUS ApplyControlToken(PCtxtHandle context, PSecBufferDesc /*input*/) {
  return usher::sspi::unserved(context, "ApplyControlToken is for Schannel's contexts");
}

extern "C" SECURITY_STATUS SetContextAttributesA(PCtxtHandle context, uint32_t /*attribute*/,
                                                 void* /*in*/, uint32_t /*size*/) {
  return usher::sspi::unserved(context, usher::sspi::kNoAttribute);
}

extern "C" SECURITY_STATUS SetContextAttributesW(PCtxtHandle context, uint32_t /*attribute*/,
                                                 void* /*in*/, uint32_t /*size*/) {
  return usher::sspi::unserved(context, usher::sspi::kNoAttribute);
}
