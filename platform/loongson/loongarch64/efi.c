// SPDX-License-Identifier: BSD-2-Clause
//
// Boot information from EFI tables (UEFI Specification 2.10, 4.3 and 4.6). Loaders that are no EFI
// firmware fill in the least that a kernel needs, and one common emulator overwrites the first
// configuration table: so nothing is taken for granted but the signature, and tables are looked up
// by GUID alone. See efi.h.

#include "platform/loongson/loongarch64/efi.h"

#include <libfdt.h>
#include <string.h>

#include "arch/layout.h"

#define EFI_SIGNATURE 0x5453595320494249ULL // "IBI SYST"
#define EFI_TABLES_MAX 128                  // looked at; real firmware has about twenty
#define FDT_BUFFER KIB(48)                  // a tree for 256 CPUs takes 40
#define FDT_TOTAL_MAX MIB(16)
#define RESERVATIONS_MAX 256
#define ADDITIONS_BYTES 1024 // /chosen with bootargs, linux,initrd-start and -end, and their names

struct efi_system_table {
    le64_t signature;
    le32_t revision, header_bytes, crc32, reserved; // not all loaders fill these in
    le64_t firmware_vendor;
    le32_t firmware_revision, padding;
    le64_t console[6], runtime_services, boot_services;
    le64_t table_count, tables;
};
_Static_assert(sizeof(struct efi_system_table) == 0x78, "UEFI 2.10, 4.3.1");

struct efi_guid {
    uint8_t bytes[16];
};

struct efi_configuration_table {
    struct efi_guid guid;
    le64_t address;
};

struct efi_initrd {
    le64_t base, bytes;
};

// UEFI 2.10, 4.6.1.3.
static const struct efi_guid device_tree_guid = {{0xd5, 0x21, 0xb6, 0xb1, 0x9c, 0xf1, 0xa5, 0x41,
                                                  0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0}};
// Linux's "initrd media".
static const struct efi_guid initrd_guid = {{0x27, 0xe4, 0x68, 0x55, 0xfc, 0x68, 0x3d, 0x4f, 0xac,
                                             0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68}};

// Copied, since nothing says that the tables are aligned.
static bool read_memory(const struct efi_boot *boot, paddr_t pa, void *out, size_t len)
{
    const void *from = boot->memory(pa, len);
    if (from)
        memcpy(out, from, len);
    return from;
}

// Address of a configuration table, 0 without one.
static paddr_t find_table(const struct efi_boot *boot, const struct efi_system_table *system,
                          const struct efi_guid *guid)
{
    uint64_t count = MIN(le64_get(system->table_count), EFI_TABLES_MAX);
    struct efi_configuration_table entry;
    for (uint64_t i = 0; i < count; i++) {
        paddr_t pa = le64_get(system->tables) + i * sizeof(entry);
        if (!read_memory(boot, pa, &entry, sizeof(entry)))
            break;
        if (memcmp(&entry.guid, guid, sizeof(*guid)) == 0)
            return le64_get(entry.address);
    }
    return 0;
}

// ---- The device tree -------------------------------------------------------------------------

// The copy as it grows: header, reservations, structure, strings. The room that the original has
// between its blocks is left out; a loader may reserve a megabyte for a few kilobytes.
struct copy {
    char *buffer;
    size_t used, size;
};

static int add_bytes(const struct efi_boot *boot, struct copy *copy, paddr_t pa, size_t len)
{
    if (len > copy->size - copy->used)
        return -ENOSPC;
    if (len && !read_memory(boot, pa, copy->buffer + copy->used, len))
        return -EINVAL;
    copy->used += len;
    return 0;
}

// The block ends with an entry of zeros.
static int add_reservations(const struct efi_boot *boot, struct copy *copy, paddr_t pa)
{
    for (unsigned i = 0; i < RESERVATIONS_MAX; i++) {
        static const struct fdt_reserve_entry last;
        int err = add_bytes(boot, copy, pa + i * sizeof(last), sizeof(last));
        if (err)
            return err;
        if (memcmp(copy->buffer + copy->used - sizeof(last), &last, sizeof(last)) == 0)
            return 0;
    }
    return -EINVAL;
}

static int copy_blocks(const struct efi_boot *boot, struct copy *copy, paddr_t pa,
                       const struct fdt_header *from)
{
    struct fdt_header *to = (struct fdt_header *)copy->buffer;
    int err = add_reservations(boot, copy, pa + fdt_off_mem_rsvmap(from));
    fdt_set_off_dt_struct(to, (uint32_t)copy->used);
    if (!err)
        err = add_bytes(boot, copy, pa + fdt_off_dt_struct(from), fdt_size_dt_struct(from));
    fdt_set_off_dt_strings(to, (uint32_t)copy->used);
    if (!err)
        err = add_bytes(boot, copy, pa + fdt_off_dt_strings(from), fdt_size_dt_strings(from));
    return err;
}

// The result's totalsize is the buffer's, so that the tree can grow.
static int copy_fdt(const struct efi_boot *boot, paddr_t pa, void *buffer, size_t size)
{
    struct fdt_header from __attribute__((aligned(8)));
    if (!read_memory(boot, pa, &from, sizeof(from)) || fdt_check_header(&from) ||
        fdt_version(&from) < 17 || fdt_totalsize(&from) > FDT_TOTAL_MAX ||
        !IS_ALIGNED(fdt_size_dt_struct(&from), FDT_TAGSIZE))
        return -EINVAL;
    if (size < sizeof(from) + ADDITIONS_BYTES)
        return -ENOSPC;
    struct copy copy = {.buffer = buffer, .used = sizeof(from), .size = size - ADDITIONS_BYTES};
    memcpy(buffer, &from, sizeof(from));
    int err = copy_blocks(boot, &copy, pa, &from);
    fdt_set_off_mem_rsvmap(buffer, sizeof(from));
    fdt_set_version(buffer, 17);
    fdt_set_last_comp_version(buffer, 16);
    fdt_set_totalsize(buffer, (uint32_t)size);
    return err;
}

// ---- What is added ---------------------------------------------------------------------------

static bool is_memory(const void *fdt, int node)
{
    int bytes;
    const char *type = fdt_getprop(fdt, node, "device_type", &bytes);
    return type && bytes == sizeof("memory") && memcmp(type, "memory", sizeof("memory")) == 0;
}

// Bytes of memory from `pa` on, as far as the tree names it. Only now is it known what may be read
// without a fault. Such nodes stand below the root (Devicetree Specification 0.4, 3.4).
static uint64_t memory_from(const void *fdt, paddr_t pa)
{
    int bytes, node;
    if (fdt_address_cells(fdt, 0) != 2 || fdt_size_cells(fdt, 0) != 2)
        return 0;
    fdt_for_each_subnode(node, fdt, 0)
    {
        const fdt64_t *reg = is_memory(fdt, node) ? fdt_getprop(fdt, node, "reg", &bytes) : NULL;
        for (; reg && bytes >= (int)(2 * sizeof(*reg)); reg += 2, bytes -= 2 * sizeof(*reg)) {
            uint64_t base = fdt64_ld(&reg[0]), size = fdt64_ld(&reg[1]);
            if (pa >= base && pa - base < size)
                return size - (pa - base);
        }
    }
    return 0;
}

// Byte by byte: the text may end where memory does.
static size_t read_cmdline(const struct efi_boot *boot, const void *fdt,
                           char text[EFI_CMDLINE_MAX + 1])
{
    uint64_t room = memory_from(fdt, boot->cmdline);
    size_t len = 0;
    while (len < MIN(room, (uint64_t)EFI_CMDLINE_MAX) &&
           read_memory(boot, boot->cmdline + len, &text[len], 1) && text[len])
        len++;
    text[len] = '\0';
    return len;
}

static void add_cmdline(const struct efi_boot *boot, void *fdt, int chosen)
{
    char text[EFI_CMDLINE_MAX + 1];
    size_t len = read_cmdline(boot, fdt, text);
    if (len)
        (void)fdt_setprop(fdt, chosen, "bootargs", text, (int)len + 1);
}

// Whether that is memory, and nobody else's, is found out when there is a map of the memory.
static void add_initrd(const struct efi_boot *boot, const struct efi_system_table *system,
                       void *fdt, int chosen)
{
    struct efi_initrd initrd;
    paddr_t pa = find_table(boot, system, &initrd_guid);
    if (!pa || memory_from(fdt, pa) < sizeof(initrd) ||
        !read_memory(boot, pa, &initrd, sizeof(initrd)))
        return;
    uint64_t base = le64_get(initrd.base), bytes = le64_get(initrd.bytes), end;
    if (!bytes || __builtin_add_overflow(base, bytes, &end))
        return;
    if (!fdt_setprop_u64(fdt, chosen, "linux,initrd-end", end))
        (void)fdt_setprop_u64(fdt, chosen, "linux,initrd-start", base);
}

static void add_chosen(const struct efi_boot *boot, const struct efi_system_table *system,
                       void *fdt)
{
    int chosen = fdt_path_offset(fdt, "/chosen");
    if (chosen == -FDT_ERR_NOTFOUND)
        chosen = fdt_add_subnode(fdt, 0, "chosen");
    if (chosen < 0)
        return;
    add_cmdline(boot, fdt, chosen);
    add_initrd(boot, system, fdt, chosen);
}

int efi_build_fdt(const struct efi_boot *boot, void *buffer, size_t size)
{
    struct efi_system_table system;
    if (!boot->table || !read_memory(boot, boot->table, &system, sizeof(system)) ||
        le64_get(system.signature) != EFI_SIGNATURE)
        return -ENODEV;
    paddr_t tree = find_table(boot, &system, &device_tree_guid);
    if (!tree)
        return -ENODEV;
    int err = copy_fdt(boot, tree, buffer, size);
    if (err)
        return err;
    add_chosen(boot, &system, buffer);
    (void)fdt_pack(buffer);
    return (int)fdt_totalsize(buffer);
}

// ---- This machine ----------------------------------------------------------------------------

// RAM has a hole for devices between 256 MiB and 2 GiB, where a stray read may have an effect. How
// much there is above is not known yet.
static const struct {
    paddr_t low, high;
} ram[] = {
    {0, 0x10000000},
    {0x80000000, 1ULL << 40},
};

static const void *ram_pointer(paddr_t pa, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(ram); i++) {
        if (pa >= ram[i].low && pa < ram[i].high && len <= ram[i].high - pa)
            return (const void *)(ARCH_LINEAR_BASE + pa);
    }
    return NULL;
}

int efi_make_fdt(paddr_t efi_table, paddr_t cmdline, const void **fdt, size_t *bytes)
{
    static char buffer[FDT_BUFFER] __attribute__((aligned(8)));
    const struct efi_boot boot = {.table = efi_table, .cmdline = cmdline, .memory = ram_pointer};
    int used = efi_build_fdt(&boot, buffer, sizeof(buffer));
    *fdt = used > 0 ? buffer : NULL;
    *bytes = used > 0 ? (size_t)used : 0;
    return used > 0 ? 0 : used;
}
