// SPDX-License-Identifier: BSD-2-Clause
//
// Cases that must end in a readable fault report and then in what `panic=` says; tests/guest/run.py
// knows what each must say. One boot a case.

#include <string.h>

#include "core/debug/panic.h"
#include "core/sched/thread.h"
#include "core/time/clock.h"
#include "core/time/timer.h"
#include "tests/guest/guest.h"

extern char __text_start[], __rodata_start[];

// Hidden from the compiler, which would refuse to do the wrong thing.
static volatile uintptr_t null;
static volatile size_t too_much = 64;
static volatile int no_end = 1;

static __noinline void null_read(void) { (void)*(volatile int *)(null + 16); }
static __noinline void null_write(void) { *(volatile int *)null = 1; }
static __noinline void null_call(void) { ((void (*)(void))null)(); }
static __noinline void write_text(void) { *(volatile int *)__text_start = 0; }
static __noinline void write_rodata(void) { *(volatile int *)__rodata_start = 0; }
// No instruction on ARM64 (UDF), LoongArch (no opcode) and MIPS (an unused function of SPECIAL).
static __noinline void undefined(void) { __asm__ volatile(".4byte 0x3d"); }
static __noinline void trap(void) { __builtin_trap(); }

static __noinline void run_data(void)
{
    static int code[4];
    ((void (*)(void))(uintptr_t)code)();
}

static __noinline void run_stack(void)
{
    volatile int code[4] = {0};
    ((void (*)(void))(uintptr_t)code)();
}

static __noinline int recurse(int depth)
{
    volatile char frame[256];
    frame[0] = (char)depth;
    return no_end ? recurse(depth + 1) + frame[0] : 0; // not a tail call
}

static __noinline void stack_overflow(void) { (void)recurse(0); }

static int overflow_in_thread(void *arg)
{
    (void)arg;
    return recurse(0);
}

static __noinline void thread_overflow(void)
{
    struct thread *thread;
    thread_create(&thread, overflow_in_thread, NULL,
                  &(struct thread_options){.name = "deep", .stack_bytes = KIB(16)});
    thread_join(thread, NULL);
}

static __noinline void fault_in_softirq(struct timer *timer)
{
    (void)timer;
    null_write();
    __asm__ volatile(""); // no tail call: the chain shall name this function
}

static __noinline void interrupt_fault(void)
{
    static struct timer timer;
    timer_setup(&timer, fault_in_softirq);
    timer_start_in(&timer, NSEC_PER_MSEC);
    thread_sleep_ns(NSEC_PER_SEC);
}

static __noinline void smash(size_t len)
{
    char frame[16];
    memset(frame, 0x41, len);
    __asm__ volatile("" : : "r"(frame) : "memory");
}

static __noinline void stack_smash(void) { smash(too_much); }
static __noinline void plain_panic(void) { panic("as the test asked"); }

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"null-read", null_read},
    {"null-write", null_write},
    {"null-call", null_call},
    {"write-text", write_text},
    {"write-rodata", write_rodata},
    {"run-data", run_data},
    {"run-stack", run_stack},
    {"undefined", undefined},
    {"trap", trap},
    {"stack-overflow", stack_overflow},
    {"thread-overflow", thread_overflow},
    {"interrupt", interrupt_fault},
    {"stack-smash", stack_smash},
    {"panic", plain_panic},
};

void guest_fault_case(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (strcmp(cases[i].name, name) == 0)
            cases[i].run();
    }
}
