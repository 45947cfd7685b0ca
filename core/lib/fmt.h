// SPDX-License-Identifier: BSD-2-Clause
//
// printf-style formatting without floating point, allocation or locale; any context. Supports
// %d %i %u %x %X %c %s %p %% with - 0 + width .precision * and hh h l ll z t, plus:
//   %pI4  be32_t *   dotted quad        %pM  uint8_t[6]   MAC address
// (GCC checks them as %p; the letters after p are consumed here.)

#pragma once

#include <stdarg.h>

#include "core/lib/types.h"

// Like snprintf/vsnprintf: always terminates (size > 0), returns the length without truncation.
int fmt_snprint(char *buf, size_t size, const char *fmt, ...) __printf_like(3, 4);
int fmt_vsnprint(char *buf, size_t size, const char *fmt, va_list args) __printf_like(3, 0);

// Text to numbers: whole string or up to `len` characters, decimal or 0x hex. -EINVAL, -ERANGE.
int parse_u64(const char *text, size_t len, uint64_t *value);
// Number with K, M, G suffix (`mem=`). -EINVAL, -ERANGE.
int parse_bytes(const char *text, uint64_t *value);
