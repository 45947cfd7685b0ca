// SPDX-License-Identifier: BSD-2-Clause
//
// QEMU TCG plugin: counts guest instructions from outside, without adding one.
//
// Per vCPU: all instructions, and those of the turns of one polled function, split by whether
// the turn took packets. The function says that by a store to a variable, whose value is caught as
// it is stored: not every machine of QEMU shows its registers to plugins. A turn lasts from one
// entry of the function to the next. Optionally a profile by function, split the same way, and
// the counter's value when given addresses are reached. What the guest's machine is, the
// parameter file says (params.h); counters go to a shared file (shm.h).
//
// Relies on: QEMU adds a block's count when the block starts, after it has looked for pending
// interrupts; so a count is off only when an instruction in the middle of a block faults, and
// `exact` avoids that too. An instruction that faults and is executed again (a TLB refill) counts
// each time. Documentation: QEMU manual, "TCG Plugins".

#include "params.h"
#include "qemu_api.h"
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define COPIER_PERIOD_US 100

// One vCPU's turn in progress; touched by that vCPU's thread alone.
struct turn {
    int open;        // the function was entered at least once
    int known;       // it has stored its result
    uint64_t start;  // instruction count at its entry
    uint64_t result; // what it stored
    uint64_t *funcs; // profile at its entry
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_INTERFACE;
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv);

static struct params params;
static struct shm_head *head;
static struct turn turns[SHM_MAX_CPUS];
// Per vCPU: [0] all instructions, [1 + i] those of function i.
static struct qemu_plugin_scoreboard *board;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_us(uint64_t us)
{
    struct timespec length = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

    if (us)
        nanosleep(&length, NULL);
}

static struct shm_cpu *cpu_block(unsigned int vcpu)
{
    return (struct shm_cpu *)((char *)head + SHM_HEAD_BYTES + vcpu * head->cpu_bytes);
}

static uint64_t *profile(unsigned int vcpu, unsigned int part)
{
    return (uint64_t *)(cpu_block(vcpu) + 1) + part * head->funcs;
}

static const uint64_t *counters(unsigned int vcpu)
{
    return qemu_plugin_scoreboard_find(board, vcpu);
}

// Charges what the functions executed since the turn's entry to the busy or the empty part.
static void close_profile(unsigned int vcpu, struct turn *turn, unsigned int part)
{
    const uint64_t *now = counters(vcpu) + 1;
    uint64_t *sum = profile(vcpu, part);

    for (size_t i = 0; i < params.func_count; i++) {
        if (turn->open)
            sum[i] += now[i] - turn->funcs[i];
        turn->funcs[i] = now[i];
    }
}

static void close_turn(unsigned int vcpu, struct turn *turn, uint64_t now)
{
    struct shm_cpu *cpu = cpu_block(vcpu);
    uint64_t insns = now - turn->start;
    int busy = turn->result > 0;
    uint64_t slot = turn->result;

    if (slot >= SHM_BURSTS)
        slot = SHM_BURSTS - 1;
    if (turn->open) {
        *(busy ? &cpu->busy_turns : &cpu->empty_turns) += 1;
        *(busy ? &cpu->busy_insns : &cpu->empty_insns) += insns;
        cpu->burst_turns[slot] += 1;
        cpu->burst_insns[slot] += insns;
        cpu->blind_turns += !turn->known;
    }
    if (params.func_count)
        close_profile(vcpu, turn, busy ? 1 : 2);
}

static void on_entry(unsigned int vcpu, void *data)
{
    struct turn *turn = &turns[vcpu];
    uint64_t now = counters(vcpu)[0];

    (void)data;
    close_turn(vcpu, turn, now);
    cpu_block(vcpu)->turns++;
    turn->open = 1;
    turn->known = 0;
    turn->start = now;
    turn->result = 0;
}

// A store of the polled function. The vCPU's thread is held here, just before the function
// returns, when the turn was empty.
static void on_store(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    struct turn *turn = &turns[vcpu];
    qemu_plugin_mem_value value;

    (void)data;
    if (vaddr != params.result)
        return;
    value = qemu_plugin_mem_get_value(info);
    if (value.type != QEMU_PLUGIN_MEM_VALUE_U32)
        return;
    turn->known = 1;
    turn->result = value.data.u32;
    cpu_block(vcpu)->packets += turn->result;
    if (!turn->result)
        sleep_us(head->hold_us);
}

static void on_pause(unsigned int vcpu, void *data)
{
    (void)vcpu;
    (void)data;
    sleep_us(head->hold_us);
}

static void on_idle(unsigned int vcpu, void *data)
{
    struct shm_cpu *cpu = cpu_block(vcpu);

    (void)data;
    cpu->idles++;
    cpu->idle_insns = counters(vcpu)[0];
}

static void on_mark(unsigned int vcpu, void *data)
{
    struct shm_mark *mark = data;
    uint64_t insns = counters(vcpu)[0];
    uint64_t now = now_ns();

    if (!mark->hits) {
        mark->first_insns = insns;
        mark->first_ns = now;
    }
    mark->last_insns = insns;
    mark->last_ns = now;
    mark->hits++;
}

static void watch_insn(struct qemu_plugin_insn *insn, uint64_t pc)
{
    int mark = params_mark(&params, pc);

    if (pc == params.polled.start)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_entry, QEMU_PLUGIN_CB_NO_REGS, NULL);
    if (pc >= params.polled.start && pc < params.polled.end)
        qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_W,
                                         NULL);
    if (params_is_pause(&params, pc))
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_pause, QEMU_PLUGIN_CB_NO_REGS, NULL);
    if (params_is_idle(&params, pc))
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_idle, QEMU_PLUGIN_CB_NO_REGS, NULL);
    if (mark >= 0)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
                                               &head->mark[mark]);
}

#define ALL (-1) // in place of a function

static qemu_plugin_u64 counter_of(int func)
{
    return (qemu_plugin_u64){board, sizeof(uint64_t) * (size_t)(func + 1)};
}

// Adds 1 to a counter each time that `insn` is executed.
static void count_insn(struct qemu_plugin_insn *insn, int func)
{
    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                        counter_of(func), 1);
}

// Adds a run of instructions of one function (-ENOENT: of none that we know) to its counter.
static void count_run(struct qemu_plugin_tb *tb, int func, uint64_t run)
{
    if (run && func >= 0)
        qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64,
                                                          counter_of(func), run);
}

static void count_exact(struct qemu_plugin_tb *tb, size_t insns)
{
    for (size_t i = 0; i < insns; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        int func = params_func(&params, qemu_plugin_insn_vaddr(insn));

        count_insn(insn, ALL);
        if (func >= 0)
            count_insn(insn, func);
    }
}

static void count_block(struct qemu_plugin_tb *tb, size_t insns)
{
    int func = -ENOENT;
    uint64_t run = 0;

    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64,
                                                      counter_of(ALL), insns);
    for (size_t i = 0; i < insns; i++) {
        int here = params_func(&params, qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, i)));

        if (here != func) {
            count_run(tb, func, run);
            func = here;
            run = 0;
        }
        run++;
    }
    count_run(tb, func, run);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t insns = qemu_plugin_tb_n_insns(tb);

    (void)id;
    // The calls come first: a mark then holds what was executed before it.
    for (size_t i = 0; i < insns; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        watch_insn(insn, qemu_plugin_insn_vaddr(insn));
    }
    if (params.exact)
        count_exact(tb, insns);
    else
        count_block(tb, insns);
}

static void on_vcpu_init(qemu_plugin_id_t id, unsigned int vcpu)
{
    struct turn *turn;

    (void)id;
    if (vcpu >= SHM_MAX_CPUS) {
        fprintf(stderr, "bench plugin: more than %d vCPUs\n", SHM_MAX_CPUS);
        exit(1);
    }
    turn = &turns[vcpu];
    turn->funcs = calloc(params.func_count + 1, sizeof(*turn->funcs));
    if (!turn->funcs) {
        fprintf(stderr, "bench plugin: no memory\n");
        exit(1);
    }
    if (head->cpus <= vcpu)
        head->cpus = vcpu + 1;
}

static void copy_counters(void)
{
    for (unsigned int vcpu = 0; vcpu < head->cpus; vcpu++) {
        const uint64_t *from = counters(vcpu);

        cpu_block(vcpu)->insns = from[0];
        memcpy(profile(vcpu, 0), from + 1, params.func_count * sizeof(*from));
    }
}

// QEMU keeps the counters that translated code adds to in memory of its own; this thread brings
// them to the reader when asked. A vCPU that runs meanwhile is read at some instant in between.
static void *copier(void *data)
{
    _Atomic uint64_t *request = (_Atomic uint64_t *)&head->request;
    _Atomic uint64_t *ack = (_Atomic uint64_t *)&head->ack;

    for (;;) {
        uint64_t asked = atomic_load(request);

        if (asked != atomic_load(ack)) {
            copy_counters();
            atomic_store(ack, asked);
        }
        sleep_us(COPIER_PERIOD_US);
    }
    return data;
}

static int open_shm(void)
{
    uint64_t cpu_bytes = sizeof(struct shm_cpu) + 3 * params.func_count * sizeof(uint64_t);
    size_t bytes = SHM_HEAD_BYTES + SHM_MAX_CPUS * cpu_bytes;
    int fd = open(params.shm_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)bytes))
        return -errno;
    head = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (head == MAP_FAILED)
        return -errno;
    head->version = SHM_VERSION;
    head->funcs = params.func_count;
    head->cpu_bytes = cpu_bytes;
    head->hold_us = params.hold_us;
    head->marks = params.marks.count;
    head->start_ns = now_ns();
    for (size_t i = 0; i < params.marks.count; i++)
        head->mark[i].pc = params.marks.pc[i];
    atomic_store((_Atomic uint64_t *)&head->magic, SHM_MAGIC);
    return 0;
}

static int check_guest(const qemu_info_t *info)
{
    if (!info->system_emulation || info->system.max_vcpus > SHM_MAX_CPUS) {
        fprintf(stderr, "bench plugin: for system emulation of up to %d vCPUs\n", SHM_MAX_CPUS);
        return -EINVAL;
    }
    if (params.marks.count > SHM_MAX_MARKS || (params.polled.end && !params.result)) {
        fprintf(stderr, "bench plugin: too many marks, or a polled function without a result\n");
        return -EINVAL;
    }
    return 0;
}

// The last values, for a reader that comes after QEMU's end.
static void on_end(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    copy_counters();
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    pthread_t thread;
    int ret;

    if (argc != 1 || strncmp(argv[0], "params=", 7)) {
        fprintf(stderr, "bench plugin: usage: -plugin FILE,params=FILE\n");
        return -EINVAL;
    }
    ret = params_read(&params, argv[0] + 7);
    if (!ret)
        ret = check_guest(info);
    if (!ret)
        ret = open_shm();
    if (ret)
        return ret;
    board = qemu_plugin_scoreboard_new((params.func_count + 1) * sizeof(uint64_t));
    qemu_plugin_register_vcpu_init_cb(id, on_vcpu_init);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return -pthread_create(&thread, NULL, copier, NULL);
}
