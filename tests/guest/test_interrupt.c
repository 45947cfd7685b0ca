// SPDX-License-Identifier: BSD-2-Clause
//
// What an interrupt must leave alone: the registers of the code that it came upon, wherever the
// stack pointer was and whatever the TLB held. On a machine whose vectors store the frame through a
// TLB that software fills, a page border within the frame is where this can go wrong.

#include "core/sched/thread.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "mm/vmalloc.h"
#include "tests/guest/guest.h"

#define STACK_BYTES KIB(128) // any machine's pair of pages has a border in it
#define BORDER_BYTES KIB(32)
#define FRAME_MAX 512u // no machine's frame is longer
#define TICKS 8
#define STRIDE (2 * PAGE_SIZE) // an entry of some TLBs is a pair of pages
#define AREA_BYTES (300 * STRIDE)
#define TICK_NS (100 * NSEC_PER_USEC)

static const char *area;
static volatile unsigned ticks;
static volatile bool ticking;

static void tick(struct timer *timer)
{
    ticks++;
    if (ticking)
        timer_start_in(timer, TICK_NS);
}

#define STEP(x)                                            \
    do {                                                   \
        (x) = (x) * 6364136223846793005u + (x) / 2685821u; \
        __asm__ volatile("" : "+r"(x));                    \
    } while (0)

// The same sum in many registers, which the compiler must take for different ones. Reads of more
// pages than a TLB holds drive the stack's out of it; a call would bring them back.
static __noinline bool registers_survive(void)
{
    uint64_t a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1;
    unsigned start = ticks;
    for (size_t at = 0; ticks - start < TICKS; at = (at + STRIDE) % AREA_BYTES) {
        (void)*(const volatile char *)(area + at);
        STEP(a);
        STEP(b);
        STEP(c);
        STEP(d);
        STEP(e);
        STEP(f);
        STEP(g);
        STEP(h);
    }
    return a == b && b == c && c == d && d == e && e == f && f == g && g == h;
}

// With the stack pointer about `above` bytes over a border.
static __noinline bool survive_at(size_t above)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t border = ALIGN_DOWN(here - 2 * FRAME_MAX, BORDER_BYTES);
    volatile char *room = __builtin_alloca(here - border - above);
    room[0] = 0; // the pages are there
    return registers_survive();
}

static int try_all(void *arg)
{
    int *failed_at = arg;
    for (size_t above = 0; above < 2 * FRAME_MAX; above += 16) {
        if (!survive_at(above))
            *failed_at = (int)above;
    }
    return 0;
}

static bool frame_across_a_border(void)
{
    static struct timer timer;
    struct thread *thread;
    int failed_at = -1;
    area = vmalloc(AREA_BYTES, GFP_KERNEL);
    CHECK(area);
    timer_setup(&timer, tick);
    ticking = true;
    timer_start_in(&timer, TICK_NS);
    int err = thread_create(&thread, try_all, &failed_at,
                            &(struct thread_options){.name = "border", .stack_bytes = STACK_BYTES});
    if (!err)
        thread_join(thread, NULL);
    ticking = false;
    thread_sleep_ns(10 * NSEC_PER_MSEC);
    timer_cancel(&timer);
    vfree(area);
    CHECK(err == 0);
    CHECK(failed_at == -1);
    return true;
}

const struct guest_test interrupt_tests[] = {
    {"registers across interrupts", frame_across_a_border},
    {NULL, NULL},
};
