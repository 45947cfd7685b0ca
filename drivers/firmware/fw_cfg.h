// SPDX-License-Identifier: BSD-2-Clause
//
// QEMU's firmware configuration device: named files from the host (`-fw_cfg name=...`), the first
// source of an appliance's configuration.

#pragma once

#include "core/lib/types.h"

#define FW_CFG_FILE_MAX MIB(1)

// Reads a whole file into fresh memory, the caller's (kfree), with a NUL behind its last byte that
// *len does not count. Thread context. -ENODEV no such device, -ENOENT no such file, -EFBIG larger
// than FW_CFG_FILE_MAX, -EIO the device failed or its directory is malformed, -ENOMEM.
int fw_cfg_read_file(const char *name, void **data, size_t *len);
