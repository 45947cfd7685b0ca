// SPDX-License-Identifier: BSD-2-Clause
//
// The device tree index (contract in dt.h; Devicetree Specification v0.4, chapters 2 and 5).
// dt_init() checks the header and walks the structure block once, with libfdt's bounds-checked
// readers; it notes where each node's properties stand. What it has checked holds for the
// life of the blob, so readers afterwards go straight to the bytes.
//
// What is checked once: the header's ranges against the readable bytes, every tag and property
// inside the structure block, every property name inside the strings block, nesting and node count.

#include "core/lib/dt.h"

#include <libfdt.h>
#include <string.h>

#define CELL sizeof(uint32_t)
#define MAX_CELLS 4
#define PHANDLE_INVALID 0xffffffffu

static struct {
    const char *blob;
    const char *structure; // structure block
    const char *strings;   // strings block, cut behind its last NUL
    size_t strings_len;
    const fdt64_t *reservations; // pairs of (address, size)
    unsigned reservation_count;
    size_t used_bytes;
    int node_count;
    struct dt_node nodes[DT_MAX_NODES];
} tree;

// State of the one walk. A level's entries are valid up to the current depth.
struct walk {
    int depth;                        // of the innermost open node; -1 outside the root
    bool cut;                         // more nodes than the table holds
    int16_t open[DT_MAX_DEPTH];       // index of the node, -1 for one that was cut
    int16_t last_child[DT_MAX_DEPTH]; // of that node, -1 before the first
    const char *reason;
};

// ---- Building the index ----------------------------------------------------------------------

static int refuse(const char **reason, const char *phrase)
{
    *reason = phrase;
    return -EINVAL;
}

static const char *header_fault(const void *blob)
{
    switch (fdt_check_header(blob)) {
    case 0:
        break;
    case -FDT_ERR_ALIGNMENT:
        return "not 8-byte aligned";
    case -FDT_ERR_BADMAGIC:
        return "no magic number";
    case -FDT_ERR_BADVERSION:
        return "unknown version";
    default:
        return "a block lies outside the tree";
    }
    // Version 17 (2009) brought size_dt_struct, without which the structure has no end.
    if (fdt_version(blob) < 17)
        return "version before 17";
    if (!IS_ALIGNED(fdt_off_dt_struct(blob), CELL) || !IS_ALIGNED(fdt_off_mem_rsvmap(blob), 8u))
        return "a block is misaligned";
    return NULL;
}

// Finds the terminating pair of zeros of the reservation block within `limit` bytes of the blob.
static bool scan_reservations(size_t limit)
{
    size_t offset = fdt_off_mem_rsvmap(tree.blob);
    tree.reservations = (const fdt64_t *)(tree.blob + offset);
    for (unsigned n = 0; offset + 16 <= limit; n++, offset += 16) {
        if (!tree.reservations[2 * n] && !tree.reservations[2 * n + 1]) {
            tree.reservation_count = n;
            tree.used_bytes = MAX(tree.used_bytes, offset + 16);
            return true;
        }
    }
    return false;
}

// Where the blocks end, by the header, against how much can be read. The header's totalsize may be
// larger than that: loaders leave room for additions, and nothing of it is used.
static const char *blocks_fault(size_t bytes)
{
    const void *blob = tree.blob;
    size_t structure_end = (size_t)fdt_off_dt_struct(blob) + fdt_size_dt_struct(blob);
    size_t strings_end = (size_t)fdt_off_dt_strings(blob) + fdt_size_dt_strings(blob);
    tree.used_bytes = MAX(structure_end, strings_end);
    if (tree.used_bytes > bytes)
        return "shorter than its header says";
    tree.structure = tree.blob + fdt_off_dt_struct(blob);
    tree.strings = tree.blob + fdt_off_dt_strings(blob);
    tree.strings_len = fdt_size_dt_strings(blob);
    while (tree.strings_len && tree.strings[tree.strings_len - 1])
        tree.strings_len--; // any offset below now meets a NUL inside the block
    if (!scan_reservations(MIN(bytes, (size_t)fdt_totalsize(blob))))
        return "unterminated reservation block";
    return NULL;
}

// For offsets that the walk has seen as FDT_PROP.
static const struct fdt_property *property_at(int offset)
{
    return (const struct fdt_property *)(tree.structure + offset);
}

// Big-endian words at any alignment: property values follow a 12-byte header in a block that is
// only 4-byte aligned.
static uint32_t cell(const void *words, unsigned index)
{
    be32_t value;
    memcpy(&value, (const char *)words + index * CELL, sizeof(value));
    return be32_get(value);
}

// Adds the node to the table and to its parent's children. A node that finds the table full is
// still followed, unnamed, so that the rest of the structure is checked all the same.
static bool walk_begin_node(struct walk *walk, int offset, int next)
{
    if (walk->depth + 1 >= DT_MAX_DEPTH) {
        walk->reason = "nested too deep";
        return false;
    }
    // Siblings of the root have no place in the table's order.
    if (walk->depth < 0 && tree.node_count > 0) {
        walk->reason = "more than one root";
        return false;
    }
    int16_t index = -1;
    int16_t parent = walk->depth >= 0 ? walk->open[walk->depth] : -1;
    if (tree.node_count == DT_MAX_NODES) {
        walk->cut = true;
    } else {
        index = (int16_t)tree.node_count++;
        tree.nodes[index] = (struct dt_node){.name = tree.structure + offset + FDT_TAGSIZE,
                                             .offset = offset,
                                             .props = next,
                                             .parent = parent,
                                             .child = -1,
                                             .sibling = -1};
        if (parent >= 0) {
            int16_t before = walk->last_child[walk->depth];
            *(before < 0 ? &tree.nodes[parent].child : &tree.nodes[before].sibling) = index;
            walk->last_child[walk->depth] = index;
        }
    }
    walk->depth++;
    walk->open[walk->depth] = index;
    walk->last_child[walk->depth] = -1;
    return true;
}

static bool walk_end_node(struct walk *walk)
{
    if (walk->depth < 0) {
        walk->reason = "a node ends that has not begun";
        return false;
    }
    walk->depth--;
    return true;
}

// Notes the properties that identify a node. Properties after a child are against the
// specification (5.4.2); they are checked like all others, and ignored.
static bool walk_property(struct walk *walk, int offset)
{
    const struct fdt_property *prop = property_at(offset);
    uint32_t name_offset = fdt32_to_cpu(prop->nameoff);
    if (walk->depth < 0) {
        walk->reason = "a property outside any node";
        return false;
    }
    if (name_offset >= tree.strings_len) {
        walk->reason = "a property name outside the strings block";
        return false;
    }
    int16_t index = walk->open[walk->depth];
    if (index < 0 || walk->last_child[walk->depth] >= 0)
        return true;
    const char *name = tree.strings + name_offset;
    struct dt_node *node = &tree.nodes[index];
    if (name[0] == 'c' && strcmp(name, "compatible") == 0) {
        node->compatible = offset;
    } else if ((name[0] == 'p' && strcmp(name, "phandle") == 0) ||
               (name[0] == 'l' && strcmp(name, "linux,phandle") == 0)) {
        if (fdt32_to_cpu(prop->len) == CELL)
            node->phandle = cell(prop->data, 0);
    }
    return true;
}

// The tag at `offset` and where the next one stands (negative: damaged). libfdt's reader checks
// each byte of a node's name by a call of its own, which is half the cost of the walk: names are
// skipped here, the rest is libfdt's.
static uint32_t next_tag(int offset, int *next)
{
    size_t end = fdt_size_dt_struct(tree.blob), name = (size_t)offset + FDT_TAGSIZE;
    if (name >= end || cell(tree.structure + offset, 0) != FDT_BEGIN_NODE)
        return fdt_next_tag(tree.blob, offset, next);
    size_t len = strnlen(tree.structure + name, end - name);
    *next = name + len < end ? (int)ALIGN_UP(name + len + 1, FDT_TAGSIZE) : -FDT_ERR_TRUNCATED;
    return FDT_BEGIN_NODE;
}

// Returns true when the walk has come to the end tag of a complete tree.
static bool walk_structure(struct walk *walk)
{
    int offset, next = 0;
    for (;;) {
        offset = next;
        uint32_t tag = next_tag(offset, &next);
        bool good = true;
        if (next < 0)
            walk->reason = "damaged structure block";
        else if (tag == FDT_BEGIN_NODE)
            good = walk_begin_node(walk, offset, next);
        else if (tag == FDT_PROP)
            good = walk_property(walk, offset);
        else if (tag == FDT_END_NODE)
            good = walk_end_node(walk);
        else if (tag == FDT_END && walk->depth < 0 && tree.node_count > 0)
            return true;
        else if (tag == FDT_END)
            walk->reason = "the structure ends inside a node";
        if (walk->reason || !good)
            return false;
    }
}

int dt_init(const void *blob, size_t bytes, const char **reason)
{
    const char *fault;
    memset(&tree, 0, offsetof(__typeof__(tree), nodes));
    if (!blob)
        return refuse(reason, "none was given");
    if (bytes < FDT_V17_SIZE)
        return refuse(reason, "shorter than a header");
    if ((fault = header_fault(blob)) != NULL)
        return refuse(reason, fault);
    tree.blob = blob;
    struct walk walk = {.depth = -1};
    if ((fault = blocks_fault(bytes)) != NULL || !walk_structure(&walk)) {
        memset(&tree, 0, offsetof(__typeof__(tree), nodes));
        return refuse(reason, fault ? fault : walk.reason);
    }
    return walk.cut ? -E2BIG : 0;
}

const void *dt_blob(void) { return tree.blob; }
size_t dt_used_bytes(void) { return tree.used_bytes; }

// ---- Moving about ----------------------------------------------------------------------------

static const struct dt_node *node_at(int index) { return index < 0 ? NULL : &tree.nodes[index]; }

const struct dt_node *dt_root(void) { return tree.node_count ? &tree.nodes[0] : NULL; }
const struct dt_node *dt_parent(const struct dt_node *node) { return node_at(node->parent); }
const struct dt_node *dt_first_child(const struct dt_node *node) { return node_at(node->child); }
const struct dt_node *dt_next_sibling(const struct dt_node *node) { return node_at(node->sibling); }

const struct dt_node *dt_next(const struct dt_node *node)
{
    if (!node)
        return dt_root();
    // The table is in document order.
    return ++node < tree.nodes + tree.node_count ? node : NULL;
}

// True if the node is called `part` (len characters), with or without the unit address.
static bool name_matches(const char *name, const char *part, size_t len)
{
    if (strncmp(name, part, len) != 0)
        return false;
    return name[len] == '\0' || (name[len] == '@' && !memchr(part, '@', len));
}

// Length of a path's next component.
static size_t part_len(const char *path)
{
    size_t len = 0;
    while (path[len] && path[len] != '/' && path[len] != ':')
        len++;
    return len;
}

// Follows the components from `node` down; of several children that fit, the first.
static const struct dt_node *walk_path(const struct dt_node *node, const char *path)
{
    while (node) {
        while (*path == '/')
            path++;
        size_t len = part_len(path);
        if (len == 0)
            return node;
        const struct dt_node *child = dt_first_child(node);
        while (child && !name_matches(child->name, path, len))
            child = dt_next_sibling(child);
        node = child;
        path += len;
    }
    return NULL;
}

// An alias is a property of /aliases that holds a full path.
static const struct dt_node *find_alias(const char *name, size_t len)
{
    char copy[32];
    if (len >= sizeof(copy))
        return NULL;
    memcpy(copy, name, len);
    copy[len] = '\0';
    const struct dt_node *aliases = walk_path(dt_root(), "/aliases");
    const char *path = aliases ? dt_string(aliases, copy) : NULL;
    return path && *path == '/' ? walk_path(dt_root(), path) : NULL;
}

const struct dt_node *dt_by_path(const char *path)
{
    if (*path == '/')
        return walk_path(dt_root(), path);
    size_t len = part_len(path);
    const struct dt_node *start = len ? find_alias(path, len) : NULL;
    return start ? walk_path(start, path + len) : NULL;
}

const struct dt_node *dt_by_phandle(uint32_t phandle)
{
    if (phandle == 0 || phandle == PHANDLE_INVALID)
        return NULL;
    for (const struct dt_node *node = dt_root(); node; node = dt_next(node)) {
        if (node->phandle == phandle)
            return node;
    }
    return NULL;
}

// The value is a list of strings, each with its NUL; a last one without is no string.
bool dt_is_compatible(const struct dt_node *node, const char *compatible)
{
    if (!node->compatible)
        return false;
    const struct fdt_property *prop = property_at(node->compatible);
    const char *text = prop->data;
    size_t left = fdt32_to_cpu(prop->len), wanted = strlen(compatible) + 1;
    while (left) {
        size_t len = strnlen(text, left) + 1; // left + 1 for an unterminated last string
        if (len == wanted && len <= left && memcmp(text, compatible, len) == 0)
            return true;
        len = MIN(len, left);
        text += len;
        left -= len;
    }
    return false;
}

const struct dt_node *dt_by_compatible(const struct dt_node *from, const char *compatible)
{
    for (const struct dt_node *node = dt_next(from); node; node = dt_next(node)) {
        if (dt_is_compatible(node, compatible))
            return node;
    }
    return NULL;
}

// Section 2.3.4: any value but okay (or ok, which older trees have) means unusable.
bool dt_is_available(const struct dt_node *node)
{
    if (!dt_has(node, "status"))
        return true;
    const char *status = dt_string(node, "status");
    return status && (strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0);
}

// ---- Properties ------------------------------------------------------------------------------

// Every tag from props up to the first that is no property was checked by the walk.
const void *dt_property(const struct dt_node *node, const char *name, int *len)
{
    int offset = node->props;
    for (;;) {
        uint32_t tag = cell(tree.structure + offset, 0);
        if (tag == FDT_NOP) {
            offset += FDT_TAGSIZE;
            continue;
        }
        if (tag != FDT_PROP)
            return NULL;
        const struct fdt_property *prop = property_at(offset);
        uint32_t value_len = fdt32_to_cpu(prop->len);
        const char *have = tree.strings + fdt32_to_cpu(prop->nameoff);
        // Most names differ in their first letter: this saves the call.
        if (have[0] == name[0] && strcmp(have, name) == 0) {
            if (len)
                *len = (int)value_len;
            return prop->data;
        }
        offset += (int)(sizeof(*prop) + ALIGN_UP(value_len, FDT_TAGSIZE));
    }
}

bool dt_has(const struct dt_node *node, const char *name) { return dt_property(node, name, NULL); }

int dt_u32_at(const struct dt_node *node, const char *name, unsigned index, uint32_t *value)
{
    int len;
    const void *words = dt_property(node, name, &len);
    if (!words)
        return -ENOENT;
    if (index >= (size_t)len / CELL)
        return -EINVAL;
    *value = cell(words, index);
    return 0;
}

int dt_u32(const struct dt_node *node, const char *name, uint32_t *value)
{
    return dt_u32_at(node, name, 0, value);
}

int dt_u64(const struct dt_node *node, const char *name, uint64_t *value)
{
    int len;
    const void *words = dt_property(node, name, &len);
    if (!words)
        return -ENOENT;
    if (len != CELL && len != 2 * CELL)
        return -EINVAL;
    *value = dt_read_cells(words, (unsigned)len / CELL);
    return 0;
}

const char *dt_string(const struct dt_node *node, const char *name)
{
    int len;
    const char *text = dt_property(node, name, &len);
    return text && len > 0 && memchr(text, '\0', (size_t)len) ? text : NULL;
}

uint64_t dt_read_cells(const void *cells_ptr, unsigned cells)
{
    uint64_t value = cell(cells_ptr, 0);
    return cells > 1 ? value << 32 | cell(cells_ptr, 1) : value;
}

// The nearest word counts: a device may stand apart from its coherent bus.
bool dt_dma_coherent(const struct dt_node *node)
{
    for (; node; node = dt_parent(node)) {
        if (dt_has(node, "dma-noncoherent"))
            return false;
        if (dt_has(node, "dma-coherent"))
            return true;
    }
    return false;
}

// ---- Addresses -------------------------------------------------------------------------------

// More than four cells describe no address that exists; the cap keeps the products below small.
static unsigned cell_count(const struct dt_node *node, const char *name, unsigned absent)
{
    uint32_t cells;
    return dt_u32(node, name, &cells) ? absent : MIN(cells, MAX_CELLS);
}

unsigned dt_address_cells(const struct dt_node *node)
{
    return cell_count(node, "#address-cells", 2);
}
unsigned dt_size_cells(const struct dt_node *node) { return cell_count(node, "#size-cells", 1); }

// A number of up to MAX_CELLS words; false if it needs more than 64 bits (a PCI address does: its
// first word says which space it is in, so it is never taken for a memory address).
static bool read_number(const char *words, unsigned cells, uint64_t *value)
{
    unsigned extra = cells > 2 ? cells - 2 : 0;
    for (unsigned i = 0; i < extra; i++) {
        if (cell(words, i) != 0)
            return false;
    }
    *value = cells ? dt_read_cells(words + extra * CELL, cells - extra) : 0;
    return true;
}

// One step up: from an address on the bus of `bus`'s children to one on the bus that it stands on
// (`ranges`, section 2.3.8).
static int translate_up(const struct dt_node *bus, const struct dt_node *above, paddr_t *base,
                        uint64_t len)
{
    int bytes;
    const char *entry = dt_property(bus, "ranges", &bytes);
    if (!entry)
        return -ERANGE;
    if (bytes == 0)
        return 0; // identity
    unsigned child = dt_address_cells(bus), parent = dt_address_cells(above);
    unsigned size = dt_size_cells(bus);
    size_t stride = (child + parent + size) * CELL;
    if (stride == 0 || (size_t)bytes % stride != 0)
        return -EINVAL;
    // A window that cannot be read as memory (PCI I/O, more than 64 bits) is passed over.
    for (const char *end = entry + bytes; entry < end; entry += stride) {
        uint64_t from, to, span;
        if (!read_number(entry, child, &from) || !read_number(entry + child * CELL, parent, &to) ||
            !read_number(entry + (child + parent) * CELL, size, &span))
            continue;
        // The whole range must lie in the window; differences, so that no sum can wrap.
        if (*base < from || *base - from > span || len > span - (*base - from))
            continue;
        return __builtin_add_overflow(to, *base - from, base) ? -EINVAL : 0;
    }
    return -ERANGE;
}

int dt_reg(const struct dt_node *node, unsigned index, paddr_t *base, uint64_t *len)
{
    return dt_range(node, "reg", index, base, len);
}

int dt_range(const struct dt_node *node, const char *name, unsigned index, paddr_t *base,
             uint64_t *len)
{
    const struct dt_node *bus = dt_parent(node);
    int bytes;
    const char *reg = dt_property(node, name, &bytes);
    if (!reg || !bus)
        return -ENOENT;
    unsigned address = dt_address_cells(bus), size = dt_size_cells(bus);
    size_t stride = (address + size) * CELL;
    if (address == 0 || (size_t)bytes % stride != 0)
        return -EINVAL;
    if (index >= (size_t)bytes / stride)
        return -ENOENT;
    reg += index * stride;
    uint64_t end;
    if (!read_number(reg, address, base) || !read_number(reg + address * CELL, size, len))
        return -ERANGE;
    // A range may end at 2^64 but not go round.
    if (__builtin_add_overflow(*base, *len, &end) && end != 0)
        return -EINVAL;
    for (const struct dt_node *above; (above = dt_parent(bus)) != NULL; bus = above) {
        int err = translate_up(bus, above, base, *len);
        if (err)
            return err;
    }
    return 0;
}

int dt_reservation(unsigned index, paddr_t *base, uint64_t *len)
{
    if (index >= tree.reservation_count)
        return -ENOENT;
    *base = fdt64_to_cpu(tree.reservations[2 * index]);
    *len = fdt64_to_cpu(tree.reservations[2 * index + 1]);
    return 0;
}

// ---- Interrupts ------------------------------------------------------------------------------

const struct dt_node *dt_interrupt_parent(const struct dt_node *node)
{
    const struct dt_node *at = node;
    // Every step goes up the tree or along a phandle; a chain longer than the deepest tree twice
    // over goes round in a circle.
    for (int step = 0; at && step < 2 * DT_MAX_DEPTH; step++) {
        uint32_t phandle;
        at = dt_u32(at, "interrupt-parent", &phandle) == 0 ? dt_by_phandle(phandle) : dt_parent(at);
        if (at && dt_has(at, "#interrupt-cells"))
            return at == node ? NULL : at;
    }
    return NULL;
}
