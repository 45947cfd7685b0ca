// SPDX-License-Identifier: BSD-2-Clause
//
// The generic PCI host bridge of the device tree: memory-mapped configuration space (PCI Express
// Base 4.0, 7.2.2) at `reg`, address windows in `ranges` (PCI bus binding to IEEE 1275, 2.2.1 and
// 12), buses in `bus-range`. The bridge's parent is taken to translate addresses one to one.

#include "core/debug/log.h"
#include "drivers/driver.h"
#include "drivers/pci/host.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define PCI_CELLS 3
#define SPACE(hi) (((hi) >> 24) & 3u) // of the first address cell
#define SPACE_IO 1u
#define SPACE_MEM32 2u
#define SPACE_MEM64 3u
#define HI_PREFETCHABLE (1u << 30)

// Mapped when first asked for: a machine has 256 buses of space and one or two in use.
mmio_t ecam_config(struct pci_host *host, unsigned bus, unsigned devfn)
{
    uint64_t offset = (uint64_t)(bus - host->bus_first) << ECAM_BUS_SHIFT;
    unsigned chunk = (unsigned)(offset >> ECAM_CHUNK_SHIFT);
    if (chunk >= ECAM_CHUNKS)
        return (mmio_t){0};
    uint64_t start = (uint64_t)chunk << ECAM_CHUNK_SHIFT;
    if (!mmio_valid(host->chunks[chunk])) {
        uint64_t len = MIN(host->ecam_len - start, 1ULL << ECAM_CHUNK_SHIFT);
        host->chunks[chunk] = ioremap(host->ecam + start, len);
    }
    if (!mmio_valid(host->chunks[chunk]))
        return (mmio_t){0};
    return mmio_offset(host->chunks[chunk], offset - start + ((size_t)devfn << 12));
}

// 64-bit windows serve prefetchable BARs only, even if they are not marked so: behind a bridge
// there is no other kind of window above 4 GiB.
static enum pci_kind window_kind(uint32_t hi)
{
    if (SPACE(hi) == SPACE_IO)
        return PCI_IO;
    if (SPACE(hi) == SPACE_MEM64 || (hi & HI_PREFETCHABLE))
        return PCI_PREF;
    return SPACE(hi) == SPACE_MEM32 ? PCI_MEM : PCI_NO_RESOURCE;
}

// Keeps the largest window of each kind.
static void add_window(struct pci_host *host, enum pci_kind kind, struct pci_window window)
{
    if (kind == PCI_NO_RESOURCE || window.len == 0)
        return;
    if (window.len - 1 > UINT64_MAX - window.pci || window.len - 1 > UINT64_MAX - window.cpu) {
        log_warn("pci: %s: a window of kind %d wraps", host->node->name, kind);
        return;
    }
    if (kind == PCI_MEM && window.pci + window.len - 1 > UINT32_MAX) {
        if (window.pci > UINT32_MAX)
            return;
        window.len = (1ULL << 32) - window.pci;
    }
    if (window.len > host->windows[kind].len)
        host->windows[kind] = window;
}

static int read_windows(struct pci_host *host)
{
    const struct dt_node *parent = dt_parent(host->node);
    unsigned parent_cells = parent ? dt_address_cells(parent) : 0;
    unsigned size_cells = dt_size_cells(host->node);
    int bytes;
    const uint8_t *ranges = dt_property(host->node, "ranges", &bytes);
    if (!ranges || parent_cells < 1 || parent_cells > 2 || size_cells < 1 || size_cells > 2)
        return -EINVAL;
    size_t entry = 4 * (PCI_CELLS + parent_cells + size_cells);
    for (size_t left = (size_t)bytes; left >= entry; left -= entry, ranges += entry) {
        const uint8_t *cpu = ranges + sizeof(uint32_t) * PCI_CELLS;
        struct pci_window window = {
            .pci = dt_read_cells(ranges + 4, 2),
            .cpu = dt_read_cells(cpu, parent_cells),
            .len = dt_read_cells(cpu + 4 * parent_cells, size_cells),
        };
        add_window(host, window_kind((uint32_t)dt_read_cells(ranges, 1)), window);
    }
    // A bridge may describe memory below 4 GiB as 64-bit only: plain BARs need it then.
    struct pci_window *pref = &host->windows[PCI_PREF];
    if (!host->windows[PCI_MEM].len && pref->len && pref->pci + pref->len - 1 <= UINT32_MAX) {
        host->windows[PCI_MEM] = *pref;
        pref->len = 0;
    }
    return host->windows[PCI_MEM].len ? 0 : -ENODEV;
}

// Buses without configuration space behind them are none.
static int read_buses(struct pci_host *host)
{
    uint32_t first = 0, last = 255;
    if (dt_has(host->node, "bus-range") && (dt_u32_at(host->node, "bus-range", 0, &first) ||
                                            dt_u32_at(host->node, "bus-range", 1, &last)))
        return -EINVAL;
    int err = dt_reg(host->node, 0, &host->ecam, &host->ecam_len);
    if (err)
        return err;
    uint64_t buses = host->ecam_len >> ECAM_BUS_SHIFT;
    if (first > last || last > 255 || buses == 0)
        return -EINVAL;
    host->bus_first = first;
    host->bus_last = MIN(last, first + (unsigned)MIN(buses, 256) - 1);
    host->bus_next = first + 1;
    return 0;
}

static int start_host(struct pci_host *host)
{
    struct pci_bus *root = kcalloc(1, sizeof(*root), GFP_KERNEL);
    if (!root)
        return -ENOMEM;
    root->host = host;
    root->number = (uint8_t)host->bus_first;
    for (enum pci_kind kind = PCI_IO; kind <= PCI_PREF; kind++)
        root->has_window[kind] = host->windows[kind].len != 0;
    host->root = root;
    // What was found before memory ran out is worth having.
    int err = pci_scan_bus(root);
    if (err)
        log_err("pci: %s: scan ended early (%d)", host->node->name, err);
    pci_assign(host);
    pci_probe_bus(root);
    return 0;
}

// The host bridge stays for good, so nothing but a failure before the scan frees it.
static int ecam_probe(const struct dt_node *node)
{
    struct pci_host *host = kcalloc(1, sizeof(*host), GFP_KERNEL);
    if (!host)
        return -ENOMEM;
    host->node = node;
    dma_from_tree(&host->dma, node, node);
    int err = -EINVAL;
    if (dt_address_cells(node) == PCI_CELLS)
        err = read_buses(host);
    if (!err)
        err = read_windows(host);
    if (!err)
        err = start_host(host);
    if (err)
        kfree(host);
    return err;
}
DT_DRIVER(ecam_driver, "pci-host-ecam-generic", DRIVER_BUS, ecam_probe);
