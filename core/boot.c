// SPDX-License-Identifier: BSD-2-Clause
//
// The start-up order, as a table of contents: kernel_start() on the boot stack until threads
// exist, then boot_thread() until the application's main(). Each line is one subsystem; what a
// line needs stands above it.

#include <stdlib.h>
#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/debug/stack_protector.h"
#include "core/irq/irq.h"
#include "core/irq/softirq.h"
#include "core/lib/bootparam.h"
#include "core/lib/dt.h"
#include "core/lib/fmt.h"
#include "core/posix/file.h"
#include "core/sched/sched.h"
#include "core/sync/rcu.h"
#include "core/time/clock.h"
#include "drivers/driver.h"
#include "drivers/serial/serial.h"
#include "mm/buddy.h"
#include "mm/linear.h"
#include "mm/memblock.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "net/net.h"
#include "platform/platform.h"

#define MAIN_STACK KIB(64)

int main(int argc, char **argv);

static uint64_t memory_limit; // `mem=`, 0 without

static int set_memory_limit(const char *value) { return parse_bytes(value, &memory_limit); }
BOOT_PARAM(param_mem, "mem", set_memory_limit);

// A step without which nothing works: says what and stops as `panic=` wants.
static void need(int err, const char *what)
{
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

// ---- Memory map -------------------------------------------------------------------------------

static void add_memory_nodes(void)
{
    const struct dt_node *node = NULL;
    paddr_t base;
    uint64_t len;
    while ((node = dt_next(node))) {
        const char *type = dt_string(node, "device_type");
        if (!type || strcmp(type, "memory") != 0 || !dt_is_available(node))
            continue;
        for (unsigned i = 0; dt_reg(node, i, &base, &len) == 0; i++) {
            int err = memblock_add(base, len);
            if (err)
                log_warn("boot: %s: range %u unusable: error %d", node->name, i, err);
        }
    }
}

static void reserve(paddr_t base, uint64_t len, const char *what)
{
    int err = len ? memblock_reserve(base, len) : 0;
    if (err)
        panic("boot: cannot reserve memory of the %s: error %d", what, err);
}

// What the tree asks for is foreign: a range that makes no sense costs a line, not the start.
static void set_aside(const char *name, paddr_t base, uint64_t len, bool no_map)
{
    int err = 0;
    if (len)
        err = no_map ? memblock_remove(base, len) : memblock_reserve(base, len);
    if (err)
        log_warn("boot: reservation %s at 0x%llx ignored: error %d", name, (unsigned long long)base,
                 err);
}

static void reserve_from_tree(void)
{
    paddr_t base;
    uint64_t len;
    for (unsigned i = 0; dt_reservation(i, &base, &len) == 0; i++)
        set_aside("block", base, len, false);
    const struct dt_node *parent = dt_by_path("/reserved-memory");
    const struct dt_node *node = parent ? dt_first_child(parent) : NULL;
    for (; node; node = dt_next_sibling(node)) {
        for (unsigned i = 0; dt_reg(node, i, &base, &len) == 0; i++)
            set_aside(node->name, base, len, dt_has(node, "no-map"));
    }
}

static bool inside_memory(paddr_t base, uint64_t len)
{
    paddr_t start = 0;
    uint64_t bytes;
    for (; memblock_next_memory(&start, &bytes); start += bytes) {
        if (base >= start && base - start < bytes && len <= bytes - (base - start))
            return true;
    }
    return false;
}

// The initial archive, once it is known to lie in memory that is nobody else's.
static paddr_t initrd_base;
static uint64_t initrd_bytes;

static void reserve_initrd(void)
{
    const struct dt_node *chosen = dt_by_path("/chosen");
    uint64_t start, end, image_bytes;
    paddr_t image;
    if (!chosen || dt_u64(chosen, "linux,initrd-start", &start) ||
        dt_u64(chosen, "linux,initrd-end", &end) || end <= start)
        return;
    platform_image_range(&image, &image_bytes);
    bool overlaps = start < image + image_bytes && image < end;
    if (overlaps || !inside_memory(start, end - start) || memblock_reserve(start, end - start)) {
        log_err("boot: initrd 0x%llx-0x%llx ignored: not in free memory", (unsigned long long)start,
                (unsigned long long)end);
        return;
    }
    initrd_base = start;
    initrd_bytes = end - start;
}

static void build_memory_map(paddr_t fdt_pa)
{
    paddr_t base;
    uint64_t len;
    add_memory_nodes();
    if (!memblock_memory_bytes())
        panic("boot: the device tree names no usable memory");
    if (memory_limit)
        memblock_limit(memory_limit);
    platform_image_range(&base, &len);
    if (!inside_memory(base, len))
        panic("boot: too little memory: the image's own is not in what the tree%s leave",
              memory_limit ? " and mem=" : "");
    reserve(base, len, "image");
    if (fdt_pa)
        reserve(fdt_pa, dt_used_bytes(), "device tree");
    reserve_from_tree();
    reserve_initrd();
}

// ---- The two halves ---------------------------------------------------------------------------

static int boot_thread(void *arg)
{
    (void)arg;
    want(posix_init(), "files and C library");
    drivers_probe(DRIVER_EARLY);
    drivers_probe(DRIVER_BUS);
    drivers_probe(DRIVER_DEVICE);
    want(net_init(), "network");
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
    sched_init();
    read_tree(fdt, fdt_bytes);
    stack_protector_seed();
    want(serial_early_init(), "console");

    build_memory_map(fdt_pa);
    need(linear_init(), "map of the memory");
    need(buddy_init(), "page allocator");
    need(slab_init(), "object allocator");
    need(vmalloc_init(), "virtual areas");
    if (initrd_bytes)
        initrd_set(linear_va(initrd_base), initrd_bytes);

    want(platform_init(), "power control");
    need(irq_init(), "interrupt controller");
    need(time_init(), "timer");
    arch_irq_enable();
    need(sched_start(), "scheduler");
    need(softirq_init(), "softirqs");
    need(rcu_init(), "RCU");

    start_main();
    sched_idle_loop();
}
