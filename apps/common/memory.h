// SPDX-License-Identifier: BSD-2-Clause
//
// Whose memory configurations, and what commands print from, take (account "config",
// mm/account.h). All of it is asked for in threads.

#pragma once

#include "mm/account.h"

DECLARE_MEM_ACCOUNT(config);
#define GFP_CONFIG (GFP_KERNEL | GFP_ACCOUNT(config))
