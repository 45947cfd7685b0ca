// SPDX-License-Identifier: BSD-2-Clause
//
// See fake_lefi.h.

#include "fake_lefi.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#define ROM_PHYSICAL 0x1fc01000u
#define ARGS_PHYSICAL 0x0ff00000u
#define KSEG0 0xffffffff80000000u
#define TEXT_FIRST 0x110u // behind room for 68 addresses

size_t fake_lefi_room = FAKE_LEFI_ROOM;
void *fake_lefi_tree;
size_t fake_lefi_tree_bytes;

static uint8_t *rom, *args;
static unsigned text_next;

static bool read_block(const uint8_t *block, uint64_t bytes, uint64_t offset, void *buf, size_t len)
{
    if (offset > bytes || len > bytes - offset)
        return false;
    memcpy(buf, block + offset, len);
    return true;
}

static bool read_fake(uint64_t address, void *buf, size_t len)
{
    paddr_t pa;
    if (!lefi_physical(address, len, &pa))
        return false;
    return read_block(rom, FAKE_LEFI_ROM_BYTES, pa - ROM_PHYSICAL, buf, len) ||
           read_block(args, FAKE_LEFI_ARGS_BYTES, pa - ARGS_PHYSICAL, buf, len);
}

struct lefi_input fake_lefi;

static void put(uint8_t *block, unsigned offset, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        block[offset + i] = (uint8_t)(value >> (8 * i));
}

void fake_lefi_put(unsigned offset, unsigned bytes, uint64_t value)
{
    assert(offset + bytes <= FAKE_LEFI_ROM_BYTES);
    put(rom, offset, bytes, value);
}

void fake_lefi_put_argv(unsigned index, uint32_t address) { put(args, 4 * index, 4, address); }
void fake_lefi_put_args(unsigned offset, uint8_t value) { args[offset] = value; }
void fake_lefi_fill_args(char c)
{
    memset(args + TEXT_FIRST, c, FAKE_LEFI_ARGS_BYTES - TEXT_FIRST);
}

void fake_lefi_argument(const char *text)
{
    size_t bytes = strlen(text) + 1;
    assert(text_next + bytes <= FAKE_LEFI_ARGS_BYTES);
    memcpy(args + text_next, text, bytes);
    fake_lefi_put_argv((unsigned)fake_lefi.argc++, (uint32_t)(KSEG0 + ARGS_PHYSICAL + text_next));
    text_next += (unsigned)bytes;
}

static void put_tables(void)
{
    static const uint64_t offsets[] = {0x118, 0x98, 0xd58, 0x30d8, 0x3158, 0x5e58, 0x31d8};
    put(rom, 0x18, 2, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++)
        put(rom, FAKE_LEFI_OFFSETS + 8 * i, 8, offsets[i]);
    put(rom, 0x70, 8, 0xffffffffbfc00080);
    put(rom, 0x78, 8, 0xffffffffbfc00080);
    put(rom, 0x88, 8, 0xffffffffbfc000a8);
    put(rom, 0x90, 8, 0xffffffffbfc000d0);
    put(rom, FAKE_LEFI_CPU + 2, 4, 0x6305);
    put(rom, FAKE_LEFI_CPU + 6, 4, 0x300);
    put(rom, FAKE_LEFI_CPU + 10, 4, 1);
    put(rom, FAKE_LEFI_CPU + 18, 4, 800000000);
    put(rom, FAKE_LEFI_CPU + 22, 4, 1);
    put(rom, FAKE_LEFI_MEMORY + 2, 4, 2);
    put(rom, FAKE_LEFI_MEMORY + 6, 4, 300000000);
    put(rom, FAKE_LEFI_MAP + 4, 4, 1);
    put(rom, FAKE_LEFI_MAP + 16, 4, 240);
    put(rom, FAKE_LEFI_MAP + FAKE_LEFI_STRIDE + 4, 4, 2);
    put(rom, FAKE_LEFI_MAP + FAKE_LEFI_STRIDE + 8, 8, 0x90000000);
    put(rom, FAKE_LEFI_MAP + FAKE_LEFI_STRIDE + 16, 4, 256);
}

void fake_lefi_reset(void)
{
    fake_lefi_free();
    rom = calloc(1, FAKE_LEFI_ROM_BYTES);
    args = calloc(1, FAKE_LEFI_ARGS_BYTES);
    assert(rom && args);
    put_tables();
    fake_lefi = (struct lefi_input){.argc = 0,
                                    .argv = KSEG0 + ARGS_PHYSICAL,
                                    .params = KSEG0 + ROM_PHYSICAL,
                                    .read = read_fake};
    text_next = TEXT_FIRST;
    fake_lefi_argument("g");
    fake_lefi_put_argv(2, 0x8ff005c4); // as there: nothing ends the array
}

void fake_lefi_free(void)
{
    free(rom);
    free(args);
    free(fake_lefi_tree);
    rom = args = NULL;
    fake_lefi_tree = NULL;
}

// The nodes that the built-in tree has and lefi.c needs, in a block of just the length.
static void make_tree(void)
{
    char small[512];
    int err = fdt_create_empty_tree(small, sizeof(small));
    err |= fdt_setprop_u32(small, 0, "#address-cells", 2);
    err |= fdt_setprop_u32(small, 0, "#size-cells", 2);
    int cpus = fdt_add_subnode(small, 0, "cpus");
    err |= fdt_setprop_u32(small, cpus, "#address-cells", 1);
    err |= fdt_setprop_u32(small, cpus, "#size-cells", 0);
    err |= fdt_add_subnode(small, 0, "chosen") < 0;
    err |= fdt_pack(small);
    assert(!err);
    free(fake_lefi_tree);
    fake_lefi_tree_bytes = fdt_totalsize(small) + fake_lefi_room;
    fake_lefi_tree = malloc(fake_lefi_tree_bytes);
    assert(fake_lefi_tree);
    err = fdt_open_into(small, fake_lefi_tree, (int)fake_lefi_tree_bytes);
    assert(!err);
}

int fake_lefi_patch(void)
{
    make_tree();
    return lefi_patch_tree(fake_lefi_tree, &fake_lefi);
}
