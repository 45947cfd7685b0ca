// SPDX-License-Identifier: BSD-2-Clause
//
// Error numbers for people. The C library's strerror() would bring several kilobytes of texts
// about files and processes; these are the ones that this machine's own functions return.

#pragma once

// A phrase for 0 or a negative errno; never NULL, valid for ever.
const char *error_text(int err);
