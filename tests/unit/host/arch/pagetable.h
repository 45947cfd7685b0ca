// SPDX-License-Identifier: BSD-2-Clause
//
// The page-table format that unit tests run the generic walker on: ARM64's, a plain one.

#pragma once

#include "../../../../platform/arm64/arch/pagetable.h"
