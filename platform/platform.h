// SPDX-License-Identifier: BSD-2-Clause
//
// The platform contract: all that common code may ask of a machine. One folder under platform/
// implements it. Primitives that must be inline stand in arch/*.h of that folder under the names
// listed at the end. Everything a machine discovers comes from the device tree that the platform
// hands to kernel_start(); a machine that boots with something else turns it into one first.

#pragma once

#include "arch/cpu.h"
#include "arch/thread.h"
#include "core/lib/mmio.h"
#include "core/lib/types.h"

struct trap_frame; // arch/thread.h
struct thread;

// ---- Entry points that the platform calls (implemented by common code) ----------------------

// First C code of the image at its link address: MMU on with the final protection of the image,
// interrupts off, boot CPU, on the boot thread's stack. `fdt` is readable and at least
// `fdt_bytes` long but otherwise unchecked; NULL when the loader gave none. `fdt_pa` is its
// physical address, if it lies in RAM that must be reserved; 0 for a built-in one.
_Noreturn void kernel_start(const void *fdt, size_t fdt_bytes, paddr_t fdt_pa);

// From the interrupt vector: interrupts off, on the interrupt stack. Runs handlers and, on the
// outermost level, softirqs. Returns true when the interrupted thread must be preempted: the
// platform then calls preempt_interrupted() on the thread's own stack before it restores it.
bool irq_dispatch(struct trap_frame *frame);
void preempt_interrupted(void);

enum fault_kind {
    FAULT_DATA,  // access to `address` refused
    FAULT_FETCH, // instruction fetch refused
    FAULT_STACK, // bad stack pointer (an overflow is found out by fault_dispatch)
    FAULT_ALIGNMENT,
    FAULT_ILLEGAL, // undefined or trapped instruction
    FAULT_BREAKPOINT,
    FAULT_MACHINE, // error reported by the memory system, or an unknown cause
};

struct fault {
    enum fault_kind kind;
    const char *cause; // one readable phrase, e.g. "write to read-only page (level 3)"
    uintptr_t pc;
    uintptr_t address; // valid when has_address
    bool has_address;
    uint64_t syndrome; // the machine's own code, for the report
};

// From the exception vector: interrupts off, on the exception stack. Does not return, except for
// faults that a registered handler has cured (none in this part).
void fault_dispatch(struct trap_frame *frame, const struct fault *fault);

// ---- Boot ------------------------------------------------------------------------------------

// What the start-up code has mapped of the linear map: [low, high), the image in it, its text and
// rodata read-only. Within the naturally aligned span around it, leaves of leaf_bytes can be added
// without memory for tables. A machine whose linear map is no matter of tables says low 0, high
// ARCH_LINEAR_BYTES, span_bytes 0.
struct linear_start {
    paddr_t low, high;
    uint64_t span_bytes, leaf_bytes;
};
void platform_linear_start(struct linear_start *start);
// Physical range of the loaded image, bss and boot tables included.
void platform_image_range(paddr_t *base, uint64_t *len);
// Fills what the platform knows of the CPU for `show version` (e.g. "Cortex-A72 r0p3, EL1").
void platform_cpu_name(char *buf, size_t len);

// Maps the registers around `base` for the early console, before any allocator runs; stays mapped.
// One device. Invalid when the machine cannot.
mmio_t platform_early_device(paddr_t base);

// Starts what the boot CPU needs from the device tree that is not a driver of the tables (PSCI
// conduit and the like). After dt_init; returns 0 or the error to report (boot goes on).
int platform_init(void);

// ---- Page tables (mm/pagetable.c drives these; arch/pagetable.h describes the format) ---------

// After entries of [va, va+len) that were invalid became valid: makes them visible to the walker
// (and drops what a TLB may hold of their invalid state, where one does). With len 0: orders the
// contents of a table that is not linked yet before the link.
void platform_pagetable_publish(uintptr_t va, uint64_t len);
// After valid entries changed: invalidates [va, va+len) on all CPUs, what the walker has cached of
// the tables above included, and waits for it. Above so many pages, the machine's choice, all of
// the TLB goes.
//
// Until it returns neither these addresses nor the memory behind them may be used again. That
// matters most where TLBs are filled by software (both Loongson): no instruction reaches another
// CPU's, and an entry, which holds two pages, valid or not, stays until that CPU drops it. There
// all CPUs are interrupted, once more than one runs, and waited for. Hence: interrupts on, and no
// spinlock held that anybody waits for with interrupts off; but a block that is split, on machines
// that have blocks.
void platform_tlb_invalidate(uintptr_t va, uint64_t len);
uint64_t *platform_pagetable_root(void);

// ---- Idle, power -----------------------------------------------------------------------------

// Waits for an interrupt. Called and returns with interrupts off; a pending one ends the wait, so
// the check "anything to do?" before it cannot race.
void platform_cpu_idle(void);
// Power off and reset through what the device tree names. Return -ENODEV when the machine has no
// such method, -EIO when it had no effect (the caller halts).
int platform_power_off(void);
int platform_reset(void);
_Noreturn void platform_halt(void); // interrupts off, waits for ever

// ---- Threads ---------------------------------------------------------------------------------

// Prepares a context that will call entry(arg) with interrupts off on the stack that ends at
// `stack_top`. entry never returns.
void platform_thread_init(struct thread_context *ctx, void *stack_top, void (*entry)(void *),
                          void *arg);
// Saves prev, loads next; returns in next's context. Interrupts off. FP/vector state: a thread
// starts without it and gets it at its first use (trap); only threads that have it pay for it.
void platform_thread_switch(struct thread_context *prev, struct thread_context *next);
// The boot code's context becomes the first thread's, on the stack that platform_boot_stack names.
void platform_thread_adopt(struct thread_context *ctx);
void platform_boot_stack(void **lowest, size_t *bytes);

// ---- Stack unwinding -------------------------------------------------------------------------

struct unwind_cursor {
    uintptr_t pc;
    uintptr_t sp, fp;   // of that frame; sp decides which stack it is on
    uintptr_t ra;       // return address in a register, for a function without a frame; 0: none
    uintptr_t function; // where the function that pc lies in starts; 0: unknown
};
void platform_unwind_here(struct unwind_cursor *cursor);
void platform_unwind_frame(struct unwind_cursor *cursor, const struct trap_frame *frame);
void platform_unwind_context(struct unwind_cursor *cursor, const struct thread_context *ctx);
// One step towards the caller, inside [stack_low, stack_high) only; false at the end. The caller
// sets `function` before each step, for machines whose frames are described by nothing but code.
bool platform_unwind_step(struct unwind_cursor *cursor, uintptr_t stack_low, uintptr_t stack_high);
// Writes line `line` (from 0) of a readable dump of the frame's registers; false past the last.
bool platform_format_frame(const struct trap_frame *frame, unsigned line, char *buf, size_t size);

// ---- Time ------------------------------------------------------------------------------------

// Rate of arch_counter() in Hz, from CPU registers or the device tree; 0 before platform_init.
uint64_t platform_counter_hz(void);

// Cache maintenance for DMA to devices that do not snoop (mm/dma.c only).
void platform_cache_clean(const void *mem, size_t bytes);
void platform_cache_invalidate(const void *mem, size_t bytes);

// ---- Inline primitives in arch/ ---------------------------------------------------------------
// arch/cpu.h:     irq_flags_t, arch_irq_save(), arch_irq_restore() (interrupts still off then),
//                 arch_irq_enable(), arch_irq_disable(), arch_irqs_enabled(),
//                 arch_percpu_base(), arch_cpu_relax(), arch_counter() (monotonic 64-bit)
// arch/barrier.h: dma_wmb(), dma_rmb(), dma_mb(), compiler_barrier()
// arch/mmio.h:    arch_mmio_read8..64, arch_mmio_write8..64
// arch/layout.h:  ARCH_PAGE_SHIFT, ARCH_LINEAR_BASE/_BYTES, ARCH_VMALLOC_BASE/_BYTES,
//                 ARCH_VMEMMAP_BASE (its root entries are its own), ARCH_IMAGE_BASE,
//                 ARCH_DEVICE_WINDOW/_BYTES (uncached view of physical address 0 and up; 0: none)
// arch/thread.h:  struct thread_context, struct trap_frame
// arch/pagetable.h: the table format
