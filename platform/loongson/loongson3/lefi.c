// SPDX-License-Identifier: BSD-2-Clause
//
// LEFI tables into a device tree (contract in lefi.h). Pure logic: memory is reached through the
// caller's reader only, so that it is tested and fuzzed on the host.

#include "platform/loongson/loongson3/lefi.h"

#include <libfdt.h>
#include <string.h>

#include "core/debug/log.h"
#include "core/lib/fmt.h"

// ---- Reading ---------------------------------------------------------------------------------

// Little-endian, at any alignment: the tables are packed.
struct field {
    uint8_t offset, bytes;
};

static bool read_field(const struct lefi_input *in, uint64_t base, struct field field,
                       uint64_t *value)
{
    uint8_t raw[8];
    if (!in->read(base + field.offset, raw, field.bytes))
        return false;
    *value = 0;
    for (unsigned i = field.bytes; i-- > 0;)
        *value = *value << 8 | raw[i];
    return true;
}

static bool read_fields(const struct lefi_input *in, uint64_t base, const struct field *fields,
                        uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!read_field(in, base, fields[i], &values[i]))
            return false;
    }
    return true;
}

#define PARAMS_OFFSETS 40 // in the boot parameters: offsets of the tables, from here
#define OFFSET_MAX MIB(16)
#define VERSION_MAX 1 // of the tables below, which all start with one

enum table { TABLE_MEMORY, TABLE_CPU };

// False if it is not readable, or has a version that may be laid out otherwise.
static bool find_table(const struct lefi_input *in, enum table table, uint64_t *address)
{
    uint64_t offsets = in->params + PARAMS_OFFSETS, offset, version;
    if (!read_field(in, offsets + 8 * table, (struct field){0, 8}, &offset) ||
        offset > OFFSET_MAX || !read_field(in, offsets + offset, (struct field){0, 2}, &version) ||
        version > VERSION_MAX)
        return false;
    *address = offsets + offset;
    return true;
}

#define KSEG0 0xffffffff80000000u
#define KSEG0_KSEG1_BYTES 0x40000000u
#define KSEG_PHYSICAL 0x1fffffffu
#define LOW_RAM_BYTES 0x10000000u
#define ROM_BASE 0x1fc00000u
#define ROM_BYTES 0x200000u

static bool inside(uint64_t start, uint64_t len, uint64_t base, uint64_t bytes)
{
    return start >= base && len <= bytes && start - base <= bytes - len;
}

bool lefi_physical(uint64_t address, size_t len, paddr_t *pa)
{
    if (address < KSEG0 || address - KSEG0 >= KSEG0_KSEG1_BYTES)
        return false;
    *pa = address & KSEG_PHYSICAL;
    return inside(*pa, len, 0, LOW_RAM_BYTES) || inside(*pa, len, ROM_BASE, ROM_BYTES);
}

// ---- Memory ----------------------------------------------------------------------------------

#define ENTRIES_MAX 128 // the array's length in the table's definition
#define ENTRY_FIRST 10  // after the packed header: version, number of entries, memory clock
#define ENTRY_STRIDE 24 // the entries themselves are not packed
#define RANGES_MAX 16
#define RAM_LOW 1 // types
#define RAM_HIGH 2
#define RANGE_UNIT KIB(64)    // all page sizes of the CPU up to this one
#define VECTORS_BYTES KIB(16) // reset values of the exception vectors' base, and page 0

struct range {
    uint64_t base, end;
};

// Where RAM can be. Between them are devices and then an alias of the low part, which must not be
// counted twice. An entry that goes beyond is believed in no part: memory that is not there costs
// the start, memory that is not used does not.
#define RAM_LIMIT (1ULL << 40)
static const struct range ram_windows[] = {{0, LOW_RAM_BYTES}, {0x90000000, RAM_LIMIT}};

struct memory_map {
    struct range ranges[RANGES_MAX];
    unsigned count;
};

static bool overlaps(const struct memory_map *map, const struct range *range)
{
    for (unsigned i = 0; i < map->count; i++) {
        if (range->base < map->ranges[i].end && map->ranges[i].base < range->end)
            return true;
    }
    return false;
}

static void add_range(struct memory_map *map, struct range range)
{
    range.base = ALIGN_UP(range.base, RANGE_UNIT);
    range.end = ALIGN_DOWN(range.end, RANGE_UNIT);
    if (range.base >= range.end)
        return;
    if (overlaps(map, &range))
        log_warn("LEFI: memory at 0x%llx is listed twice, the second entry is ignored",
                 (unsigned long long)range.base);
    else if (map->count == RANGES_MAX)
        log_warn("LEFI: more than %u memory ranges, that at 0x%llx is ignored", RANGES_MAX,
                 (unsigned long long)range.base);
    else
        map->ranges[map->count++] = range;
}

// Start and size in MiB, clipped to where RAM can be. The size has 32 bits, so it does not wrap.
static void add_entry(struct memory_map *map, uint64_t start, uint64_t mib)
{
    uint64_t bytes = mib << 20, kept = 0;
    if (start > RAM_LIMIT || bytes > RAM_LIMIT - start) {
        log_err("LEFI: memory entry at 0x%llx, %llu MiB: cannot be, ignored",
                (unsigned long long)start, (unsigned long long)mib);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(ram_windows); i++) {
        const struct range *window = &ram_windows[i];
        struct range part = {MAX(start, window->base), MIN(start + bytes, window->end)};
        if (part.base >= part.end)
            continue;
        kept += part.end - part.base;
        add_range(map, part);
    }
    if (kept < bytes)
        log_warn("LEFI: memory entry at 0x%llx, %llu MiB: only %llu can be memory",
                 (unsigned long long)start, (unsigned long long)mib,
                 (unsigned long long)(kept >> 20));
}

static bool read_memory(const struct lefi_input *in, struct memory_map *map)
{
    static const struct field entry_fields[] = {{4, 4}, {8, 8}, {16, 4}}; // type, start, MiB
    uint64_t table, count, entry[ARRAY_SIZE(entry_fields)];
    if (!find_table(in, TABLE_MEMORY, &table) ||
        !read_field(in, table, (struct field){2, 4}, &count) || count > ENTRIES_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!read_fields(in, table + ENTRY_FIRST + i * ENTRY_STRIDE, entry_fields, entry,
                         ARRAY_SIZE(entry_fields)))
            return false;
        if (entry[0] == RAM_LOW || entry[0] == RAM_HIGH)
            add_entry(map, entry[1], entry[2]);
    }
    return map->count > 0;
}

// ---- CPUs ------------------------------------------------------------------------------------

#define CORES_MAX 4 // of one node: those that the interrupt controller reaches
#define TABLE_CORES_MAX 1024
#define CLOCK_MIN 100000000u
#define CLOCK_MAX 4000000000u

struct cpu_info {
    unsigned count;
    uint32_t startup, reserved_mask, clock_hz;
};

static const struct cpu_info one_cpu = {.count = 1};

static bool read_cpus(const struct lefi_input *in, struct cpu_info *info)
{
    static const struct field fields[] = {{14, 2}, {16, 2}, {18, 4}, {22, 4}};
    uint64_t table, values[ARRAY_SIZE(fields)];
    if (!find_table(in, TABLE_CPU, &table) ||
        !read_fields(in, table, fields, values, ARRAY_SIZE(fields)))
        return false;
    *info = (struct cpu_info){.count = (unsigned)values[3],
                              .startup = (uint32_t)values[0],
                              .reserved_mask = (uint32_t)values[1],
                              .clock_hz = (uint32_t)values[2]};
    if (info->count == 0 || info->count > TABLE_CORES_MAX || info->startup >= CORES_MAX ||
        (info->reserved_mask >> info->startup & 1))
        return false;
    if (info->clock_hz < CLOCK_MIN || info->clock_hz > CLOCK_MAX)
        info->clock_hz = 0;
    return true;
}

// ---- Command line ----------------------------------------------------------------------------

#define ARGS_MAX 64
#define CMDLINE_MAX 2048
#define ARG_CUT 237 // longest argument that QEMU's loader passes; it cuts without a word

struct cmdline {
    char text[CMDLINE_MAX];
    size_t len;
    uint64_t initrd_start, initrd_end; // physical; equal when there is none
};

// False if it does not end in readable memory, or there is no room for all of it.
static bool append_argument(const struct lefi_input *in, uint64_t address, struct cmdline *line)
{
    size_t start = line->len;
    for (; line->len < CMDLINE_MAX - 1; line->len++) {
        char *c = &line->text[line->len];
        if (!in->read(address + (line->len - start), c, 1))
            return false;
        if (*c == '\0') {
            if (line->len - start == ARG_CUT)
                log_warn("LEFI: command line may have been cut after %u characters", ARG_CUT);
            return true;
        }
    }
    return false;
}

static int32_t argument_address(uint64_t raw) { return (int32_t)(uint32_t)raw; }

// The first is the program's name. Nothing ends the array but the count.
static void read_arguments(const struct lefi_input *in, struct cmdline *line)
{
    if (in->argc < 0 || in->argc > ARGS_MAX) {
        log_err("LEFI: command line with %d arguments ignored", in->argc);
        return;
    }
    for (int i = 1; i < in->argc; i++) {
        uint64_t raw;
        if (line->len && line->len < CMDLINE_MAX - 1)
            line->text[line->len++] = ' ';
        if (!read_field(in, in->argv + 4 * (uint64_t)i, (struct field){0, 4}, &raw) ||
            !append_argument(in, (uint64_t)(int64_t)argument_address(raw), line)) {
            log_err("LEFI: command line is damaged at argument %d", i);
            break;
        }
    }
    line->text[line->len] = '\0';
}

// If the word is `name` with a number: takes the first such.
static bool take_number(const char *word, size_t len, const char *name, uint64_t *value, bool *have)
{
    size_t name_len = strlen(name);
    uint64_t number;
    if (len < name_len || memcmp(word, name, name_len) != 0)
        return false;
    if (!*have && parse_u64(word + name_len, len - name_len, &number) == 0) {
        *value = number;
        *have = true;
    }
    return true;
}

static void note_initrd(struct cmdline *line, uint64_t address, uint64_t bytes)
{
    paddr_t start;
    if (bytes == 0 || bytes > LOW_RAM_BYTES || !lefi_physical(address, bytes, &start) ||
        start >= LOW_RAM_BYTES) {
        log_err("LEFI: initrd at 0x%llx, %llu bytes: not in memory, ignored",
                (unsigned long long)address, (unsigned long long)bytes);
        return;
    }
    line->initrd_start = start;
    line->initrd_end = start + bytes;
}

// How many characters of the text are spaces, or none.
static size_t run_of(const char *text, bool spaces)
{
    size_t n = 0;
    while (text[n] && (text[n] == ' ') == spaces)
        n++;
    return n;
}

// Takes rd_start= and rd_size=, which the loader puts in front, out of the line. What stands
// behind "--" is the application's.
static void take_initrd(struct cmdline *line)
{
    uint64_t address = 0, bytes = 0;
    bool have_address = false, have_bytes = false, ours = true;
    size_t kept = 0;
    for (size_t at = 0; at < line->len;) {
        char *word = &line->text[at];
        size_t len = run_of(word, false), gap = run_of(word + len, true);
        if (len == 2 && memcmp(word, "--", 2) == 0)
            ours = false;
        at += len + gap;
        if (ours && (take_number(word, len, "rd_start=", &address, &have_address) ||
                     take_number(word, len, "rd_size=", &bytes, &have_bytes)))
            continue;
        memmove(&line->text[kept], word, len + gap);
        kept += len + gap;
    }
    line->len = kept;
    line->text[kept] = '\0';
    if (have_address || have_bytes)
        note_initrd(line, address, bytes);
}

// ---- Tree ------------------------------------------------------------------------------------

static int add_memory_node(void *tree, const struct range *range)
{
    char name[32];
    fdt64_t reg[2] = {cpu_to_fdt64(range->base), cpu_to_fdt64(range->end - range->base)};
    fmt_snprint(name, sizeof(name), "memory@%llx", (unsigned long long)range->base);
    int node = fdt_add_subnode(tree, 0, name);
    if (node < 0)
        return node;
    int err = fdt_setprop_string(tree, node, "device_type", "memory");
    return err ? err : fdt_setprop(tree, node, "reg", reg, sizeof(reg));
}

static int write_memory(void *tree, const struct memory_map *map)
{
    int err = fdt_add_mem_rsv(tree, 0, VECTORS_BYTES);
    for (unsigned i = map->count; !err && i-- > 0;) // each goes in front of the others
        err = add_memory_node(tree, &map->ranges[i]);
    return err;
}

static int add_cpu_node(void *tree, int cpus, uint32_t core, uint32_t clock_hz)
{
    char name[16];
    fmt_snprint(name, sizeof(name), "cpu@%x", core);
    int node = fdt_add_subnode(tree, cpus, name);
    if (node < 0)
        return node;
    int err = fdt_setprop_string(tree, node, "device_type", "cpu");
    if (!err)
        err = fdt_setprop_string(tree, node, "compatible", "loongson,gs464");
    if (!err)
        err = fdt_setprop_u32(tree, node, "reg", core);
    if (!err && clock_hz)
        err = fdt_setprop_u32(tree, node, "clock-frequency", clock_hz);
    return err;
}

// Cores that firmware keeps for itself have a number, but no node.
static int write_cpus(void *tree, const struct cpu_info *info)
{
    int cpus = fdt_path_offset(tree, "/cpus");
    if (cpus < 0)
        return cpus;
    fdt_set_boot_cpuid_phys(tree, info->startup);
    int err = 0;
    for (uint32_t core = MIN(info->count, (unsigned)CORES_MAX); !err && core-- > 0;) {
        if (!(info->reserved_mask >> core & 1))
            err = add_cpu_node(tree, cpus, core, info->clock_hz);
    }
    return err;
}

static int write_chosen(void *tree, const struct cmdline *line)
{
    int chosen = fdt_path_offset(tree, "/chosen");
    if (chosen < 0)
        return chosen;
    int err = fdt_setprop_string(tree, chosen, "bootargs", line->text);
    if (err || line->initrd_start == line->initrd_end)
        return err;
    err = fdt_setprop_u64(tree, chosen, "linux,initrd-start", line->initrd_start);
    return err ? err : fdt_setprop_u64(tree, chosen, "linux,initrd-end", line->initrd_end);
}

static struct cmdline cmdline;

int lefi_patch_tree(void *tree, const struct lefi_input *input)
{
    struct memory_map map = {.count = 0};
    struct cpu_info cpus;
    if (!read_memory(input, &map))
        log_err("LEFI: memory map of the firmware is damaged");
    if (!read_cpus(input, &cpus)) {
        log_err("LEFI: CPU table of the firmware is damaged, assuming one CPU");
        cpus = one_cpu;
    }
    cmdline.len = cmdline.initrd_start = cmdline.initrd_end = 0;
    read_arguments(input, &cmdline);
    take_initrd(&cmdline);
    int err = write_chosen(tree, &cmdline);
    if (!err)
        err = write_memory(tree, &map);
    return err ? err : write_cpus(tree, &cpus);
}
