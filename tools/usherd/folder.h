// Whether a file that is not there yet could be made.
#pragma once

#include <cstdint>
#include <string>

namespace usherd {

// fault_of_folder says what this process would find in its way if it made a file of `size` bytes at
// `path`: a folder that is missing, that it may not write to, or without the room. Empty if nothing
// is known against it. Changes nothing.
[[nodiscard]] std::string fault_of_folder(const std::string& path, std::uint64_t size);

}  // namespace usherd
