// SPDX-License-Identifier: BSD-2-Clause
//
// libFuzzer entry for LEFI tables: the input is the number of arguments, the tables from the boot
// parameters on, and the argument area; the tree that comes out is read back. Built like a unit
// test, with -fsanitize=fuzzer:
//
// unit-sources: platform/loongson/loongson3/lefi.c core/lib/dt.c core/lib/fmt.c
// unit-sources: tests/unit/fake_lefi.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_ro.c
// unit-sources: out/deps/libfdt/libfdt/fdt_rw.c out/deps/libfdt/libfdt/fdt_wip.c
// unit-sources: out/deps/libfdt/libfdt/fdt_sw.c out/deps/libfdt/libfdt/fdt_empty_tree.c
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow

#include <stdlib.h>

#include "core/lib/dt.h"
#include "fake_lefi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *reason;
    fake_lefi_reset();
    if (size > 0)
        fake_lefi.argc = (int8_t)data[0];
    for (size_t i = 1; i < size && i <= FAKE_LEFI_ROM_BYTES; i++)
        fake_lefi_put((unsigned)i - 1, 1, data[i]);
    for (size_t i = FAKE_LEFI_ROM_BYTES + 1; i < size; i++) {
        if (i - FAKE_LEFI_ROM_BYTES - 1 < FAKE_LEFI_ARGS_BYTES)
            fake_lefi_put_args((unsigned)(i - FAKE_LEFI_ROM_BYTES - 1), data[i]);
    }
    if (fake_lefi_patch() || dt_init(fake_lefi_tree, fake_lefi_tree_bytes, &reason))
        abort(); // the tree is sound whatever the tables say
    return 0;
}
