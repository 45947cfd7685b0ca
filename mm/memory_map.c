// SPDX-License-Identifier: BSD-2-Clause
//
// From the device tree to memblock, in an order that lets nothing land on anything: RAM, what
// clips it, what is the image's own, what the tree says is taken, and only then what may be placed
// freely. Devicetree Specification v0.4, 3.4 (/memory) and 3.5 (/reserved-memory);
// linux,usable-memory and linux,usable-memory-range are left by a kernel that starts another one.

#include "mm/memory_map.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/lib/bootparam.h"
#include "core/lib/dt.h"
#include "core/lib/fmt.h"
#include "mm/cma.h"
#include "mm/memblock.h"
#include "platform/platform.h"

#define BAD_RANGES_MAX 4 // of one property; after that it is noise
#define DMA32_LAST UINT32_MAX
#define CMA_ALIGN (PAGE_SIZE << 10) // no block of the page allocator lies across the area's edge

typedef unsigned long long ull; // for log lines

static uint64_t memory_limit; // `mem=`, 0 without

static int set_memory_limit(const char *value) { return parse_bytes(value, &memory_limit); }
BOOT_PARAM(param_mem, "mem", set_memory_limit);

// `cma=BYTES[@BASE]`; base 0: anywhere. BYTES 0 means no area, whatever the tree says.
static struct {
    bool given;
    uint64_t bytes;
    paddr_t base;
} cma_option;

static int set_cma_option(const char *value)
{
    char bytes_text[24];
    const char *at = strchr(value, '@');
    size_t len = at ? (size_t)(at - value) : strlen(value);
    uint64_t bytes, base = 0;
    if (len >= sizeof(bytes_text))
        return -EINVAL;
    memcpy(bytes_text, value, len);
    bytes_text[len] = '\0';
    int err = parse_bytes(bytes_text, &bytes);
    if (!err && at)
        err = parse_bytes(at + 1, &base);
    if (err)
        return err;
    if (bytes > ARCH_LINEAR_BYTES || (at && (!base || !IS_ALIGNED(base, PAGE_SIZE))))
        return -EINVAL;
    cma_option.given = true;
    cma_option.bytes = ALIGN_UP(bytes, PAGE_SIZE);
    cma_option.base = base;
    return 0;
}
BOOT_PARAM(param_cma, "cma", set_cma_option);

// What may neither vanish nor be given to anybody.
enum { OWN_IMAGE, OWN_TREE, OWN_INITRD, OWN_RANGES };
static struct memblock_range own[OWN_RANGES];

static bool is_own(paddr_t base, uint64_t len)
{
    for (unsigned i = 0; i < OWN_RANGES; i++) {
        if (own[i].len && base < own[i].base + own[i].len && own[i].base < base + len)
            return true;
    }
    return false;
}

// Hands each (address, size) of a property to `use`; what cannot be read costs a line, and what is
// empty nothing.
static void for_ranges(const struct dt_node *node, const char *property,
                       void (*use)(const struct dt_node *node, paddr_t base, uint64_t len))
{
    paddr_t base;
    uint64_t len;
    for (unsigned i = 0, bad = 0; bad < BAD_RANGES_MAX; i++) {
        int err = dt_range(node, property, i, &base, &len);
        if (err == -ENOENT)
            return;
        if (err) {
            bad++;
            log_warn("memory: %s: %s: range %u is unusable: error %d", node->name, property, i,
                     err);
        } else if (len) {
            use(node, base, len);
        }
    }
}

// ---- RAM --------------------------------------------------------------------------------------

static void add_range(const struct dt_node *node, paddr_t base, uint64_t len)
{
    int err = memblock_add(base, len);
    if (err)
        log_warn("memory: %s: 0x%llx with 0x%llx bytes is unusable: error %d", node->name,
                 (ull)base, (ull)len, err);
}

static void add_memory_nodes(void)
{
    const struct dt_node *node = NULL;
    while ((node = dt_next(node))) {
        const char *type = dt_string(node, "device_type");
        if (!type || strcmp(type, "memory") != 0 || !dt_is_available(node))
            continue;
        bool usable = dt_has(node, "linux,usable-memory");
        for_ranges(node, usable ? "linux,usable-memory" : "reg", add_range);
    }
}

// linux,usable-memory-range: a crash kernel may have one range low and one high.
#define USABLE_MAX 8
static struct memblock_range usable[USABLE_MAX];
static unsigned usable_count;

static void note_usable(const struct dt_node *node, paddr_t base, uint64_t len)
{
    paddr_t first = ALIGN_UP(base, PAGE_SIZE);
    paddr_t end = ALIGN_DOWN(MIN(base + (len - 1), ARCH_LINEAR_BYTES - 1) + 1, PAGE_SIZE);
    if (base >= ARCH_LINEAR_BYTES || first >= end)
        return;
    if (usable_count < USABLE_MAX)
        usable[usable_count++] = (struct memblock_range){first, end - first};
    else
        log_warn("memory: %s: usable range at 0x%llx is one too many", node->name, (ull)base);
}

// What lies in none of them goes.
static void clip_to_usable(void)
{
    for (paddr_t at = 0, end; usable_count && at < ARCH_LINEAR_BYTES; at = end) {
        paddr_t next = end = ARCH_LINEAR_BYTES;
        for (unsigned i = 0; i < usable_count; i++) {
            paddr_t first = MAX(usable[i].base, at), behind = usable[i].base + usable[i].len;
            if (behind > at && first < next) {
                next = first;
                end = behind;
            }
        }
        if (next > at)
            memblock_remove(at, next - at);
    }
}

static void add_memory(void)
{
    add_memory_nodes();
    const struct dt_node *chosen = dt_by_path("/chosen");
    usable_count = 0;
    if (chosen)
        for_ranges(chosen, "linux,usable-memory-range", note_usable);
    clip_to_usable();
    if (!memblock_memory_bytes())
        panic("boot: the device tree names no usable memory");
}

// The image stays, wherever `mem=` ends.
static void limit_memory(void)
{
    if (!memblock_is_memory(own[OWN_IMAGE].base, own[OWN_IMAGE].len))
        panic("boot: the image's memory is not in what the tree names");
    if (!memory_limit)
        return;
    memblock_limit(memory_limit);
    if (memblock_add(ALIGN_DOWN(own[OWN_IMAGE].base, PAGE_SIZE),
                     ALIGN_UP(own[OWN_IMAGE].len, PAGE_SIZE)))
        panic("boot: too little memory: mem= leaves no room for the image");
}

// ---- What is taken ----------------------------------------------------------------------------

static void reserve_own(void)
{
    for (unsigned i = 0; i < OWN_RANGES; i++) {
        if (own[i].len && memblock_reserve(own[i].base, own[i].len))
            panic("boot: cannot reserve memory of image and tree");
    }
}

static void set_aside(const char *name, paddr_t base, uint64_t len, bool no_map)
{
    // A range may end at 2^64.
    if (base < ARCH_LINEAR_BYTES && base + (len - 1) >= base)
        len = MIN(len, ARCH_LINEAR_BYTES - base);
    // What is taken out of RAM goes by whole pages.
    paddr_t first = ALIGN_DOWN(base, PAGE_SIZE);
    if (no_map && is_own(first, ALIGN_UP(base + len, PAGE_SIZE) - first)) {
        log_warn("memory: %s at 0x%llx: no-map ignored, it holds what is in use", name, (ull)base);
        no_map = false;
    }
    int err = no_map ? memblock_remove(base, len) : memblock_reserve(base, len);
    if (err == -ENOSPC) { // no room for the two pieces
        log_warn("memory: %s at 0x%llx: too many ranges, it stays mapped", name, (ull)base);
        err = memblock_reserve(base, len);
    }
    if (err)
        log_warn("memory: %s at 0x%llx ignored: error %d", name, (ull)base, err);
}

static void set_node_aside(const struct dt_node *node, paddr_t base, uint64_t len)
{
    set_aside(node->name, base, len, dt_has(node, "no-map"));
}

static void reserve_header_list(void)
{
    paddr_t base;
    uint64_t len;
    for (unsigned i = 0; dt_reservation(i, &base, &len) == 0; i++) {
        if (len)
            set_aside("reservation of the tree's header", base, len, false);
    }
}

// ---- The contiguous area ----------------------------------------------------------------------

static bool set_area(const char *name, paddr_t base, uint64_t len)
{
    if (!memblock_is_free(base, len)) {
        log_warn("memory: %s: no contiguous area at 0x%llx: not free memory", name, (ull)base);
        return false;
    }
    memblock_reserve(base, len);
    cma_set_area(base, len);
    return true;
}

// A whole number of pages of what the node names; the first range that can be had.
static bool area_found;
static void try_area(const struct dt_node *node, paddr_t base, uint64_t len)
{
    paddr_t first = ALIGN_UP(base, PAGE_SIZE), end = ALIGN_DOWN(base + len, PAGE_SIZE);
    if (!area_found && first < end && set_area(node->name, first, end - first))
        area_found = true;
    else
        set_node_aside(node, base, len);
}

// The highest place below 4 GiB, where most devices reach, or else anywhere.
static paddr_t find_anywhere(uint64_t bytes, uint64_t align)
{
    paddr_t base = memblock_find(bytes, align, 0, DMA32_LAST);
    return base ? base : memblock_find(bytes, align, 0, UINT64_MAX);
}

static void area_from_option(void)
{
    uint64_t bytes = cma_option.bytes;
    paddr_t base = cma_option.base;
    if (!bytes)
        return;
    if (!base)
        base = find_anywhere(bytes, bytes >= CMA_ALIGN ? CMA_ALIGN : PAGE_SIZE);
    if (!base)
        log_warn("memory: cma=: no room for 0x%llx bytes", (ull)bytes);
    else
        set_area("cma=", base, bytes);
}

// The node whose memory becomes the area: linux,cma-default, or else the first that qualifies.
static const struct dt_node *area_node(const struct dt_node *first_child)
{
    const struct dt_node *chosen = NULL;
    for (const struct dt_node *node = first_child; node; node = dt_next_sibling(node)) {
        if (!dt_is_compatible(node, "shared-dma-pool") || !dt_is_available(node))
            continue;
        if (dt_has(node, "no-map"))
            log_warn("memory: %s: no-map: no contiguous area", node->name);
        else if (!chosen ||
                 (dt_has(node, "linux,cma-default") && !dt_has(chosen, "linux,cma-default")))
            chosen = node;
    }
    return chosen;
}

// ---- /reserved-memory -------------------------------------------------------------------------

// Somewhere in the node's alloc-ranges, in their order.
static paddr_t find_in_ranges(const struct dt_node *node, uint64_t bytes, uint64_t align)
{
    paddr_t low, found = 0;
    uint64_t len;
    for (unsigned i = 0; !found && dt_range(node, "alloc-ranges", i, &low, &len) == 0; i++) {
        if (len)
            found = memblock_find(bytes, align, low, low + (len - 1));
    }
    return found;
}

// A node with a size and no place (3.5.4).
static void place(const struct dt_node *node, bool is_area)
{
    uint64_t bytes, align = PAGE_SIZE;
    if (dt_u64(node, "size", &bytes) || !bytes || bytes > ARCH_LINEAR_BYTES ||
        (dt_has(node, "alignment") && dt_u64(node, "alignment", &align))) {
        log_warn("memory: %s: no usable size or alignment, ignored", node->name);
        return;
    }
    bytes = ALIGN_UP(bytes, PAGE_SIZE);
    paddr_t base = dt_has(node, "alloc-ranges") ? find_in_ranges(node, bytes, align)
                                                : find_anywhere(bytes, align);
    if (!base) {
        log_warn("memory: %s: no room for 0x%llx bytes", node->name, (ull)bytes);
        return;
    }
    log_info("memory: %s is at 0x%llx, 0x%llx bytes", node->name, (ull)base, (ull)bytes);
    if (is_area)
        set_area(node->name, base, bytes);
    else
        set_node_aside(node, base, bytes);
}

// Nobody but the area could use a pool that has no place of its own.
static bool is_spare_pool(const struct dt_node *node, const struct dt_node *area)
{
    return node != area && dt_is_compatible(node, "shared-dma-pool") && !dt_has(node, "no-map");
}

// Fixed places first: the other ranges, then the area, which must not lie on any; then what is
// placed.
static void reserve_from_tree(void)
{
    const struct dt_node *parent = dt_by_path("/reserved-memory");
    const struct dt_node *first = parent && dt_is_available(parent) ? dt_first_child(parent) : NULL;
    if (first && !dt_has(parent, "ranges"))
        log_warn("memory: /reserved-memory has no ranges: its nodes cannot be read");
    const struct dt_node *area = cma_option.given ? NULL : area_node(first);
    for (const struct dt_node *node = first; node; node = dt_next_sibling(node)) {
        if (node != area && dt_is_available(node))
            for_ranges(node, "reg", set_node_aside);
    }
    if (area)
        for_ranges(area, "reg", try_area);
    for (const struct dt_node *node = first; node; node = dt_next_sibling(node)) {
        if (!dt_has(node, "reg") && dt_is_available(node) && !is_spare_pool(node, area))
            place(node, node == area);
    }
}

// ---- The initial archive ----------------------------------------------------------------------

// Other reservations may be of its own range: loaders that know of no other way make one.
static void reserve_initrd(void)
{
    const struct dt_node *chosen = dt_by_path("/chosen");
    uint64_t start, end;
    if (!chosen || dt_u64(chosen, "linux,initrd-start", &start) ||
        dt_u64(chosen, "linux,initrd-end", &end) || end <= start)
        return;
    uint64_t len = end - start;
    if (is_own(start, len) || !memblock_is_memory(start, len) || memblock_reserve(start, len)) {
        log_err("memory: initrd 0x%llx-0x%llx ignored: not in free memory", (ull)start, (ull)end);
        return;
    }
    own[OWN_INITRD] = (struct memblock_range){start, len};
}

bool memory_map_initrd(paddr_t *base, uint64_t *bytes)
{
    *base = own[OWN_INITRD].base;
    *bytes = own[OWN_INITRD].len;
    return *bytes != 0;
}

void memory_map_build(paddr_t fdt_pa)
{
    platform_image_range(&own[OWN_IMAGE].base, &own[OWN_IMAGE].len);
    own[OWN_TREE] = (struct memblock_range){fdt_pa, fdt_pa ? dt_used_bytes() : 0};
    add_memory();
    limit_memory();
    reserve_own();
    reserve_header_list();
    // The archive before anything that is placed, which must not land on it.
    reserve_initrd();
    reserve_from_tree();
    if (cma_option.given)
        area_from_option();
}
