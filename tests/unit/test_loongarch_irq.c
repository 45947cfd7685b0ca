// SPDX-License-Identifier: BSD-2-Clause
//
// Interrupts of LoongArch from the device to its handler: core/irq with the four controllers of the
// machine and its timer, on hardware that is in memory. Tree and linker name the controllers in an
// order that is not the one in which they must start.
//
// unit-sources: core/irq/irq.c core/irq/msi.c core/lib/dt.c tests/unit/fake_loongarch.c
// unit-sources: platform/loongson/loongarch64/pch_msi.c platform/loongson/loongarch64/pch_pic.c
// unit-sources: platform/loongson/loongarch64/eiointc.c platform/loongson/loongarch64/cpuintc.c
// unit-sources: platform/loongson/loongarch64/timer.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_sw.c
// unit-sources: out/deps/libfdt/libfdt/fdt_ro.c
// unit-flags: -iquote tests/unit/fake_loongarch -iquote tests/unit/fake_pci
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "core/irq/irq.h"
#include "core/irq/irqchip.h"
#include "core/irq/softirq.h"
#include "core/time/clockevent.h"
#include "fake_loongarch.h"
#include "host.h"
#include "platform/platform.h"

TABLE_DECLARE(struct irqchip_driver, irqchip);
TABLE_DECLARE(struct timer_driver, timer_driver);

#define CPUIC 1u
#define EIOINTC 2u
#define PLATIC 3u
#define MSI 4u
#define FIRST_VECTOR 32
#define MESSAGES 5

static const struct clockevent *timer;
static unsigned timer_fired;

void softirq_run(void) { this_cpu(cpu_context).softirq_pending = 0; }
void clockevent_register(const struct clockevent *event) { timer = event; }
void clockevent_fired(void)
{
    timer_fired++;
    timer->stop();
}

// ---- The tree --------------------------------------------------------------------------------

static char blob[8192];

static void words(const char *name, const uint32_t *values, size_t count)
{
    uint32_t be[16];
    for (size_t i = 0; i < count; i++)
        be[i] = cpu_to_fdt32(values[i]);
    assert_int_equal(fdt_property(blob, name, be, (int)(count * 4)), 0);
}
#define WORDS(name, ...) \
    words(name, (uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4)

static void begin(const char *name, const char *compatible, uint32_t phandle, uint32_t parent)
{
    fdt_begin_node(blob, name);
    fdt_property_string(blob, "compatible", compatible);
    WORDS("phandle", phandle);
    if (parent)
        WORDS("interrupt-parent", parent);
    fdt_property(blob, "interrupt-controller", "", 0);
}

struct tree {
    uint32_t msi_first, msi_count, pic_first, eiointc_line, eiointc_parent;
};
static const struct tree good = {FIRST_VECTOR, MESSAGES, 0, 3, CPUIC};

static void write_tree(const struct tree *tree)
{
    fdt_create(blob, sizeof(blob));
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    WORDS("#address-cells", 2);
    WORDS("#size-cells", 2);
    fdt_begin_node(blob, "device");
    WORDS("interrupt-parent", PLATIC);
    WORDS("interrupts", 17, 4, 18, 1, 32, 4, 3, 5);
    fdt_end_node(blob);
    begin("msi@2ff00000", "loongson,pch-msi-1.0", MSI, EIOINTC);
    WORDS("reg", 0, FAKE_MSI, 0, 8);
    WORDS("loongson,msi-base-vec", tree->msi_first);
    WORDS("loongson,msi-num-vecs", tree->msi_count);
    fdt_end_node(blob);
    begin("platic@10000000", "loongson,pch-pic-1.0", PLATIC, EIOINTC);
    WORDS("#interrupt-cells", 2);
    WORDS("reg", 0, FAKE_PIC, 0, 0x400);
    WORDS("loongson,pic-base-vec", tree->pic_first);
    fdt_end_node(blob);
    begin("eiointc@1400", "loongson,ls2k2000-eiointc", EIOINTC, tree->eiointc_parent);
    WORDS("#interrupt-cells", 1);
    WORDS("interrupts", tree->eiointc_line);
    fdt_end_node(blob);
    begin("cpuic", "loongson,cpu-interrupt-controller", CPUIC, 0);
    WORDS("#interrupt-cells", 1);
    fdt_end_node(blob);
    fdt_end_node(blob);
    assert_int_equal(fdt_finish(blob), 0);
}

static const struct dt_node *node(const char *path)
{
    const struct dt_node *found = dt_by_path(path);
    assert_non_null(found);
    return found;
}

static void read_tree(const struct tree *tree)
{
    const char *reason;
    write_tree(tree);
    assert_int_equal(dt_init(blob, sizeof(blob), &reason), 0);
}

// ---- Devices ---------------------------------------------------------------------------------

struct device {
    unsigned line;
    unsigned wants, handled, calls; // interrupts to come, and what the handler has seen
    bool message, never_quiet;
};

// Says "not mine" where there is nothing to do, as a driver on a shared line does.
static enum irq_result device_interrupt(void *arg)
{
    struct device *dev = arg;
    dev->calls++;
    if (!dev->wants)
        return IRQ_NONE;
    dev->wants--;
    dev->handled++;
    if (!dev->message && !dev->wants && !dev->never_quiet)
        fake_pic_line(dev->line, false);
    return IRQ_HANDLED;
}

static void raise(struct device *dev)
{
    dev->wants++;
    fake_pic_line(dev->line, true);
}

// Takes interrupts as the CPU would, until none is pending.
static unsigned take(void)
{
    unsigned taken = 0;
    for (; fake_cpu_interrupted(); taken++) {
        assert_true(taken < 5000);
        irq_dispatch(NULL);
    }
    return taken;
}

static int irq_at(unsigned index) { return irq_from_dt(node("/device"), index); }

static int level_irq, edge_irq;

// Once a process, for core/irq keeps what it knows.
static void set_up_machine(void)
{
    static bool done;
    if (!done) {
        fake_loongarch_reset();
        read_tree(&good);
        assert_int_equal(irq_init(), 0);
        level_irq = irq_at(0);
        edge_irq = irq_at(1);
    }
    done = true;
}

// ---- Tests -----------------------------------------------------------------------------------

static void test_specifiers(void **state)
{
    (void)state;
    set_up_machine();
    assert_true(level_irq > 0 && edge_irq > 0 && level_irq != edge_irq);
    assert_int_equal(irq_at(0), level_irq);
    assert_int_equal(irq_at(2), -EINVAL); // no such line
    assert_int_equal(irq_at(3), -EINVAL); // both kinds at once
    assert_int_equal(irq_at(4), -ENOENT);
    assert_int_equal(irq_from_specifier(node("/cpuic"), (uint32_t[]){13}, 1), -EINVAL);
    assert_int_equal(irq_from_specifier(node("/eiointc"), (uint32_t[]){256}, 1), -EINVAL);
    assert_int_equal(irq_from_specifier(node("/msi"), (uint32_t[]){32}, 1), -ENODEV);
    assert_true(fake_pic_is_masked(17) && fake_vector_is_enabled(17));
    assert_false(fake_vector_is_enabled(16)); // a line that nobody uses
}

static void test_level(void **state)
{
    (void)state;
    set_up_machine();
    struct device a = {.line = 17}, b = {.line = 17};
    assert_int_equal(irq_request(level_irq, device_interrupt, &a, "a"), 0);
    raise(&a);
    assert_int_equal(take(), 1);
    assert_int_equal(a.handled, 1);
    assert_false(fake_pic_is_masked(17));
    a.wants = 2; // a handler that does one of several things leaves the line up
    raise(&a);
    take();
    assert_int_equal(a.handled, 4);
    assert_int_equal(irq_request(level_irq, device_interrupt, &b, "b"), 0);
    raise(&b); // the other on the line
    take();
    assert_true(b.handled == 1 && a.handled == 4);
    irq_disable(level_irq);
    raise(&a);
    assert_int_equal(take(), 0);
    irq_enable(level_irq); // still up: not lost
    take();
    assert_int_equal(a.handled, 5);
    irq_free(level_irq, &a);
    raise(&b);
    take();
    assert_int_equal(b.handled, 2);
    irq_free(level_irq, &b);
    assert_true(fake_pic_is_masked(17));
    host_rcu_run();
}

static enum irq_result disable_itself(void *arg)
{
    unsigned *calls = arg;
    irq_disable(level_irq);
    if (++*calls > 2)
        fake_pic_line(17, false); // the test has failed, and shall end
    return IRQ_HANDLED;
}

// The end of the interrupt does not unmask what its handler has masked.
static void test_disable_in_handler(void **state)
{
    (void)state;
    set_up_machine();
    unsigned calls = 0;
    assert_int_equal(irq_request(level_irq, disable_itself, &calls, "once"), 0);
    fake_pic_line(17, true);
    assert_int_equal(take(), 1);
    assert_int_equal(calls, 1);
    assert_true(fake_pic_is_masked(17));
    irq_enable(level_irq);
    take();
    assert_int_equal(calls, 2);
    fake_pic_line(17, false);
    irq_free(level_irq, &calls);
    irq_enable(level_irq);
    host_rcu_run();
}

// A line that nothing quietens is masked and the machine goes on.
static void test_storm(void **state)
{
    (void)state;
    set_up_machine();
    struct device dev = {.line = 17};
    assert_int_equal(irq_request(level_irq, device_interrupt, &dev, "broken"), 0);
    fake_pic_line(17, true);
    take();
    assert_in_range(dev.calls, 1000, 3000);
    assert_true(fake_pic_is_masked(17));
    fake_pic_line(17, false);
    irq_free(level_irq, &dev);
    host_rcu_run();
}

static void test_edge(void **state)
{
    (void)state;
    set_up_machine();
    struct device dev = {.line = 18, .message = true};
    assert_int_equal(irq_request(edge_irq, device_interrupt, &dev, "edge"), 0);
    for (unsigned i = 1; i < 5; i++) {
        raise(&dev);
        fake_pic_line(18, false); // a pulse
        take();
        assert_int_equal(dev.handled, i);
    }
    raise(&dev);
    take();
    assert_int_equal(take(), 0); // it stays up, but that is no edge
    assert_int_equal(dev.handled, 5);
    fake_pic_line(18, false);
    irq_free(edge_irq, &dev);
    host_rcu_run();
}

static void test_messages(void **state)
{
    (void)state;
    set_up_machine();
    struct msi_vector vectors[MESSAGES + 1];
    struct device devs[MESSAGES] = {0};
    const struct dt_node *msi = node("/msi");
    assert_int_equal(msi_allocate(node("/platic"), 0, vectors, 1), -ENODEV);
    assert_int_equal(msi_allocate(msi, 7, vectors, MESSAGES + 1), -ENOSPC);
    assert_int_equal(msi_allocate(msi, 7, vectors, MESSAGES), 0); // the failure kept none
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_int_equal(vectors[i].data, FIRST_VECTOR + i);
        assert_int_equal(vectors[i].address, FAKE_MSI);
        devs[i].message = true;
        assert_int_equal(irq_request(vectors[i].irq, device_interrupt, &devs[i], "message"), 0);
    }
    assert_int_equal(msi_allocate(msi, 8, &vectors[MESSAGES], 1), -ENOSPC);
    for (unsigned round = 1; round < 4; round++) {
        for (unsigned i = 0; i < MESSAGES; i++) {
            devs[i].wants++;
            fake_message(vectors[i].data);
        }
        assert_int_equal(take(), 1);
        for (unsigned i = 0; i < MESSAGES; i++)
            assert_true(devs[i].handled == round && devs[i].calls == round);
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        irq_free(vectors[i].irq, &devs[i]);
    fake_message(FIRST_VECTOR); // one that was under way
    assert_int_equal(take(), 0);
    msi_release(msi, 7, &vectors[1], 2);
    assert_int_equal(msi_allocate(msi, 8, &vectors[1], 2), 0);
    assert_int_equal(vectors[1].data, FIRST_VECTOR + 1);
    // The old message comes out when the vector is used again: once, and harmless.
    devs[0] = (struct device){.message = true};
    assert_int_equal(irq_request(vectors[0].irq, device_interrupt, &devs[0], "again"), 0);
    assert_int_equal(take(), 1);
    assert_true(devs[0].calls == 1 && devs[0].handled == 0);
    irq_free(vectors[0].irq, &devs[0]);
    msi_release(msi, 7, vectors, MESSAGES);
    host_rcu_run();
}

// Messages that come while others are handled are not lost.
static enum irq_result sends_another(void *arg)
{
    unsigned *left = arg;
    if (*left) {
        --*left;
        fake_message(FIRST_VECTOR);
    }
    return IRQ_HANDLED;
}

static void test_message_in_handler(void **state)
{
    (void)state;
    set_up_machine();
    struct msi_vector vector;
    unsigned left = 20;
    assert_int_equal(msi_allocate(node("/msi"), 7, &vector, 1), 0);
    assert_int_equal(irq_request(vector.irq, sends_another, &left, "chain"), 0);
    fake_message(vector.data);
    take();
    assert_int_equal(left, 0);
    irq_free(vector.irq, &left);
    msi_release(node("/msi"), 7, &vector, 1);
    host_rcu_run();
}

// Vectors of which nobody knows are cleared and forgotten, wherever they are looked for.
static void test_spurious(void **state)
{
    (void)state;
    set_up_machine();
    for (unsigned vector = 0; vector < 64; vector++) {
        fake_spurious(vector);
        assert_int_equal(take(), 1);
    }
    assert_true(fake_pic_is_masked(5) && fake_pic_is_masked(17));
}

static void test_timer(void **state)
{
    (void)state;
    set_up_machine();
    TABLE_FOREACH (struct timer_driver, driver, timer_driver)
        assert_int_equal(driver->init(dt_by_compatible(NULL, driver->compatible)), 0);
    assert_non_null(timer);
    assert_int_equal(timer->max_counts, BIT64(48) - 4);
    fake_now = 1000;
    for (uint64_t when = 0; when < 1100; when++) {
        timer->set(when);
        uint64_t counts = fake_tcfg & ~3ULL;
        assert_int_equal(fake_tcfg & 3, 1); // on, and not periodic
        assert_true(counts && fake_now + counts >= when);
        assert_true(when <= fake_now || fake_now + counts - when < 4);
    }
    timer->set(fake_now + timer->max_counts);
    assert_int_equal(fake_tcfg, timer->max_counts | 1);
    fake_timer_expire();
    assert_int_equal(take(), 1);
    assert_true(timer_fired == 1 && fake_tcfg == 0);
    fake_timer_expire(); // an expiry from before is not one of the new setting
    timer->set(5000);
    assert_int_equal(take(), 0);
    timer->stop();
    assert_int_equal(fake_tcfg, 0);
}

static int init_of(const char *path)
{
    TABLE_FOREACH (struct irqchip_driver, driver, irqchip) {
        if (dt_is_compatible(node(path), driver->compatible))
            return driver->init(node(path));
    }
    return -ENOENT;
}

// Trees that lie; those of a sound machine are known to be started by now.
static void test_bad_trees(void **state)
{
    (void)state;
    static const struct {
        struct tree tree;
        const char *path;
        int err;
    } cases[] = {
        {{32, 225, 0, 3, CPUIC}, "/msi", -EINVAL},
        {{256, 1, 0, 3, CPUIC}, "/msi", -EINVAL},
        {{UINT32_MAX, 2, 0, 3, CPUIC}, "/msi", -EINVAL},
        {{32, 0, 0, 3, CPUIC}, "/msi", -EINVAL},
        {{32, 5, 225, 3, CPUIC}, "/platic", -EINVAL},
        {{32, 5, UINT32_MAX, 3, CPUIC}, "/platic", -EINVAL},
        {{32, 5, 0, 11, CPUIC}, "/eiointc", -EINVAL}, // no line of the controller's
        {{32, 5, 0, 13, CPUIC}, "/eiointc", -EINVAL}, // no line of the CPU's
        {{32, 5, 0, 3, EIOINTC}, "/eiointc", -ENODEV},
        {{32, 5, 0, 3, MSI}, "/eiointc", -ENODEV}, // takes no specifiers
    };
    set_up_machine();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t before = host_allocations();
        read_tree(&cases[i].tree);
        int err = init_of(cases[i].path);
        assert_true(err < 0);
        if (err != cases[i].err)
            fail_msg("case %u: %d", i, err);
        assert_int_equal(host_allocations(), before);
    }
    const struct tree circle = {32, 5, 0, 3, PLATIC};
    read_tree(&circle);
    assert_int_equal(irq_init(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_trees), cmocka_unit_test(test_specifiers),
        cmocka_unit_test(test_level),     cmocka_unit_test(test_disable_in_handler),
        cmocka_unit_test(test_storm),     cmocka_unit_test(test_edge),
        cmocka_unit_test(test_messages),  cmocka_unit_test(test_message_in_handler),
        cmocka_unit_test(test_spurious),  cmocka_unit_test(test_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
