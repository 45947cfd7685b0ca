// SPDX-License-Identifier: BSD-2-Clause
//
// A PCI host in memory for unit tests: functions with configuration space, BARs that take only
// their address bits, bridges that pass on the buses in their registers. Configuration space is
// reached through ioremap() and the accessors of fake_pci/arch/mmio.h.

#pragma once

#include "drivers/pci/host.h"

#define FAKE_ECAM 0x4010000000ULL
#define FAKE_ECAM_BYTES (256ULL << 20)
#define FAKE_FUNCTIONS 40

struct fake_function {
    struct fake_function *parent; // bridge above; NULL: on the root bus
    uint8_t devfn, header;        // header: layout and multi-function bit
    uint8_t config[256], writable[256];
};

// All functions away; accesses are counted from here on.
void fake_pci_reset(void);
struct fake_function *fake_pci_add(struct fake_function *parent, unsigned devfn, unsigned header,
                                   uint32_t id, uint32_t class_code);
// One that was added before.
struct fake_function *fake_pci_function(struct fake_function *parent, unsigned devfn);
// A BAR of `len` bytes; flags are its low bits.
void fake_pci_bar(struct fake_function *f, unsigned bar, uint64_t len, unsigned flags);
// A bridge's optional windows.
void fake_pci_windows(struct fake_function *f, bool io, bool pref64);
// Puts a capability at `at`, in front of the list.
void fake_pci_cap(struct fake_function *f, unsigned at, unsigned id, const void *body, size_t len);
// Register memory behind a BAR: `len` bytes at a physical address. Writes to words whose bit is set
// in `stuck`, from the first one on, are lost.
void fake_pci_memory(paddr_t base, void *mem, size_t len, uint64_t stuck);
uint32_t fake_pci_get(const struct fake_function *f, unsigned off, unsigned bytes);

extern unsigned fake_pci_reads;
extern uint64_t fake_pci_noise; // not 0: every read gives random bits from this seed
