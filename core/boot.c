// SPDX-License-Identifier: BSD-2-Clause
//
// The start-up order, as a table of contents: kernel_start() on the boot stack until threads
// exist, then boot_thread() until the application's main(). Each line is one subsystem; what a
// line needs stands above it.

#include <stdlib.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/debug/stack_protector.h"
#include "core/irq/irq.h"
#include "core/irq/softirq.h"
#include "core/lib/bootparam.h"
#include "core/lib/dt.h"
#include "core/posix/file.h"
#include "core/sched/sched.h"
#include "core/sync/rcu.h"
#include "core/time/clock.h"
#include "drivers/driver.h"
#include "drivers/serial/serial.h"
#include "mm/cma.h"
#include "mm/kasan.h"
#include "mm/linear.h"
#include "mm/memory_map.h"
#include "mm/page_alloc.h"
#include "mm/pagetable.h"
#include "mm/percpu.h"
#include "mm/reclaim.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "net/net.h"
#include "platform/platform.h"

#define MAIN_STACK KIB(64)

int main(int argc, char **argv);

// A step without which nothing works: says what and stops as `panic=` wants.
static void need(int err, const char *what)
{
    if (err == -ENOMEM)
        panic("boot: %s: too little memory", what);
    if (err == -ENOMEM)
        panic("boot: %s: too little memory", what);
    if (err)
        panic("boot: %s: error %d", what, err);
}

// A step whose failure leaves the rest usable.
static void want(int err, const char *what)
{
    if (err)
        log_err("boot: %s: error %d", what, err);
}

static void read_tree(const void *fdt, size_t bytes)
{
    const char *reason = "the loader passed none";
    int err = fdt ? dt_init(fdt, bytes, &reason) : -ENOENT;
    if (err == -E2BIG)
        log_warn("boot: device tree: more than %u nodes, the rest is ignored", DT_MAX_NODES);
    else if (err)
        panic("boot: device tree: %s", reason);
    const struct dt_node *chosen = dt_by_path("/chosen");
    const char *cmdline = chosen ? dt_string(chosen, "bootargs") : NULL;
    bootparam_parse(cmdline ? cmdline : "");
    const char *option;
    for (unsigned i = 0; (option = bootparam_rejected(i)) != NULL; i++)
        log_warn("boot: option '%s' is unknown or malformed, ignored", option);
}

static void take_initrd(void)
{
    paddr_t base;
    uint64_t bytes;
    if (memory_map_initrd(&base, &bytes))
        initrd_set(linear_va(base), bytes);
}

// ---- The two halves ---------------------------------------------------------------------------

static int boot_thread(void *arg)
{
    (void)arg;
    want(posix_init(), "files and C library");
    drivers_probe(DRIVER_EARLY);
    drivers_probe(DRIVER_BUS);
    drivers_probe(DRIVER_DEVICE);
    need(net_init(), "memory of the network");
    exit(main(bootparam_argc(), bootparam_argv()));
}

static void start_main(void)
{
    struct thread *thread;
    need(thread_create(
             &thread, boot_thread, NULL,
             &(struct thread_options){.name = "main", .stack_bytes = MAIN_STACK, .detached = true}),
         "main thread");
}

__attribute__((no_stack_protector)) void kernel_start(const void *fdt, size_t fdt_bytes,
                                                      paddr_t fdt_pa)
{
    percpu_keep_static();
    sched_init();
    read_tree(fdt, fdt_bytes);
    stack_protector_seed();
    want(serial_early_init(), "console");

    memory_map_build(fdt_pa);
    need(linear_init(), "map of the memory");
    kasan_init();
    need(page_alloc_init(), "page allocator");
    need(percpu_init(1), "per-CPU memory");
    need(slab_init(), "object allocator");
    need(vmalloc_init(), "virtual areas");
    pagetable_debug_check();
    want(cma_init(), "contiguous area");
    take_initrd();

    want(platform_init(), "power control");
    need(irq_init(), "interrupt controller");
    need(time_init(), "timer");
    arch_irq_enable();
    need(sched_start(), "scheduler");
    need(softirq_init(), "softirqs");
    need(rcu_init(), "RCU");
    want(reclaim_init(), "reclaim");

    start_main();
    sched_idle_loop();
}
