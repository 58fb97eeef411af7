// Windows' <security.h>, for servers that are ported: all of SSPI. Its other half, the names of
// users and computers (secext.h), is not SSPI's and not here.
#pragma once

#include "sspi.h"
