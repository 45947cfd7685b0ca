// SPDX-License-Identifier: BSD-2-Clause
//
// Whose memory routes take: FIB, route store, next hops (account "routes", mm/account.h). All of
// it is asked for in threads.

#pragma once

#include "mm/account.h"

DECLARE_MEM_ACCOUNT(routes);
#define GFP_ROUTES (GFP_KERNEL | GFP_ACCOUNT(routes))
