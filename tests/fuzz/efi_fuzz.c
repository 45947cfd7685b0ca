// SPDX-License-Identifier: BSD-2-Clause
//
// Fuzz entry for the EFI boot tables of LoongArch: the input is what lies in memory from physical
// address 0 on, command line, tables and device tree. What comes out must be a tree that dt_init()
// reads or refuses, in a block of just its length, so that the address sanitizer sees any step
// outside. To be linked with libFuzzer (-fsanitize=fuzzer); the unit test test_efi.c calls it with
// mutations of its own.

#include <stdlib.h>
#include <string.h>

#include "core/lib/dt.h"
#include "platform/loongson/loongarch64/efi.h"

#define TABLE_ADDRESS 0x200
#define BUFFER_BYTES KIB(48)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *memory_bytes;
static size_t memory_size;

static const void *memory(paddr_t pa, size_t len)
{
    if (pa > memory_size || len > memory_size - pa)
        return NULL;
    return memory_bytes + pa;
}

// Every property and register of every node, read once.
static void read_everything(void)
{
    for (const struct dt_node *node = dt_next(NULL); node; node = dt_next(node)) {
        paddr_t base;
        uint64_t len;
        dt_string(node, "bootargs");
        dt_u64(node, "linux,initrd-start", &base);
        dt_reg(node, 0, &base, &len);
        dt_interrupt_parent(node);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct efi_boot boot = {.table = TABLE_ADDRESS, .cmdline = 0, .memory = memory};
    void *buffer = NULL;
    const char *reason;
    memory_bytes = data;
    memory_size = size;
    if (posix_memalign(&buffer, 8, BUFFER_BYTES))
        return 0;
    int used = efi_build_fdt(&boot, buffer, BUFFER_BYTES);
    if (used > (int)BUFFER_BYTES)
        abort();
    if (used > 0) {
        void *exact = NULL;
        if (posix_memalign(&exact, 8, (size_t)used))
            abort();
        memcpy(exact, buffer, (size_t)used);
        if (dt_init(exact, (size_t)used, &reason) != -EINVAL)
            read_everything();
        dt_init(NULL, 0, &reason); // forgets the block before it is freed
        free(exact);
    }
    free(buffer);
    return 0;
}
