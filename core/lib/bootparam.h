// SPDX-License-Identifier: BSD-2-Clause
//
// Kernel options of the command line (`name=value` or `name`, blanks between, "..." quotes; all
// after `--` belongs to the application). A subsystem declares its option in the linker table
// boot_param; boot.c hands each its value before the subsystem starts.

#pragma once

#include "core/lib/types.h"

struct boot_param {
    const char *name;
    int (*set)(const char *value); // value is "" without '='; NUL-terminated, copied by the callee
};
#define BOOT_PARAM(id, name_, set_fn) \
    static const struct boot_param id TABLE_ENTRY(boot_param) = {.name = name_, .set = set_fn}

// Parses `cmdline` (copied, at most 2047 characters). The application's part is available through
// bootparam_argv(), at most 63 words of it.
void bootparam_parse(const char *cmdline);
// The index-th option that no subsystem knows or that its subsystem refused, as it was given;
// NULL past the end. boot.c logs them.
const char *bootparam_rejected(unsigned index);
// Name of the application: the build defines it, "app" otherwise.
extern const char app_name[];
int bootparam_argc(void);
char **bootparam_argv(void); // NULL-terminated; argv[0] is app_name
