// SPDX-License-Identifier: BSD-2-Clause
//
// The device tree (Devicetree Specification v0.4, chapter 5), walked once by libfdt into an array
// of nodes that point into the blob. The blob is foreign: every reader checks lengths; a missing,
// short or cyclic thing is an error code, never a fault.

#pragma once

#include "core/lib/types.h"

#define DT_MAX_NODES 1024
#define DT_MAX_DEPTH 32

struct dt_node {
    const char *name; // with unit address
    int offset;       // libfdt's structure offset
    int props;        // of the first tag inside the node: its properties stand from there on
    int compatible;   // of the property "compatible", 0 for none
    uint32_t phandle; // 0 for none
    int16_t parent, child, sibling; // indices, -1 for none
};

// Checks header and structure and builds the index. The blob must stay mapped and unchanged: later
// readers rely on what was checked here. `bytes` is how much of it can be read. -EINVAL with
// `*reason` set to one phrase, and then the tree is empty (every reader answers "absent"); a tree
// with more nodes than DT_MAX_NODES is cut (-E2BIG: usable).
int dt_init(const void *blob, size_t bytes, const char **reason);
const void *dt_blob(void);
// Bytes of the blob that are really used (header, reservations, structure, strings).
size_t dt_used_bytes(void);

const struct dt_node *dt_root(void); // NULL when the tree is empty
const struct dt_node *dt_parent(const struct dt_node *node);
const struct dt_node *dt_first_child(const struct dt_node *node);
const struct dt_node *dt_next_sibling(const struct dt_node *node);
const struct dt_node *dt_next(const struct dt_node *node); // document order; NULL starts and ends
// "/chosen", "/soc/serial" (unit address left out: the first that fits), "serial0/child" (from an
// alias). A ':' ends the path, as options in stdout-path need it.
const struct dt_node *dt_by_path(const char *path);
const struct dt_node *dt_by_phandle(uint32_t phandle);
// First node after `from` (NULL: from the root) whose compatible list has `compatible`.
const struct dt_node *dt_by_compatible(const struct dt_node *from, const char *compatible);
bool dt_is_compatible(const struct dt_node *node, const char *compatible);
bool dt_is_available(const struct dt_node *node); // status absent, "okay" or "ok"; its own only

// Raw property; NULL when absent. *len may be 0.
const void *dt_property(const struct dt_node *node, const char *name, int *len);
bool dt_has(const struct dt_node *node, const char *name);
int dt_u32(const struct dt_node *node, const char *name, uint32_t *value); // -ENOENT, -EINVAL
int dt_u32_at(const struct dt_node *node, const char *name, unsigned index, uint32_t *value);
int dt_u64(const struct dt_node *node, const char *name, uint64_t *value); // one or two cells
const char *dt_string(const struct dt_node *node, const char *name);       // NULL if unterminated
// index-th (address, size) of `reg`, cells taken from the parent, translated through `ranges` of
// all buses above. -ENOENT past the end, -EINVAL malformed, -ERANGE not translatable.
int dt_reg(const struct dt_node *node, unsigned index, paddr_t *base, uint64_t *len);
// The same of another property that is made like `reg` (`alloc-ranges`).
int dt_range(const struct dt_node *node, const char *name, unsigned index, paddr_t *base,
             uint64_t *len);
// #address-cells / #size-cells of a node for its children (2/1 by default), clamped to <= 4.
unsigned dt_address_cells(const struct dt_node *node);
unsigned dt_size_cells(const struct dt_node *node);
// Reads `cells` (1 or 2) big-endian words.
uint64_t dt_read_cells(const void *cells_ptr, unsigned cells);
// The interrupt parent in effect for a node (section 2.4): the node, found through
// interrupt-parent or else upwards, that has #interrupt-cells. NULL if there is none, the chain is
// cyclic, or the node names itself (the root of the interrupt tree).
const struct dt_node *dt_interrupt_parent(const struct dt_node *node);
// Memory reservation block, entry by index. -ENOENT past the end.
int dt_reservation(unsigned index, paddr_t *base, uint64_t *len);
// dma-coherent on it or a parent, unless dma-noncoherent is nearer.
bool dt_dma_coherent(const struct dt_node *node);
