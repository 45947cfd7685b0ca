// SPDX-License-Identifier: BSD-2-Clause
//
// Layout of the counter file that the plugin shares with the measuring program.
//
// The file is: one struct shm_head, padded to SHM_HEAD_BYTES, then one block of `cpu_bytes` for
// each vCPU: struct shm_cpu, then three arrays of `funcs` 64-bit counters (instructions of each
// function: all, in busy turns, in empty turns). All fields are 64-bit, in host byte order, so
// lib/counters.py reads them by index; SHM_VERSION changes with the layout.
//
// Who writes: turn counters by the vCPU's thread, as they happen; `insns` and the arrays by the
// plugin's copier thread, at each request. `request`, `hold_us` by the reader.

#pragma once

#include <stdint.h>

#define SHM_MAGIC 0x736c75696365636full
#define SHM_VERSION 3
#define SHM_HEAD_BYTES 4096
#define SHM_MAX_CPUS 16 // QEMU moves its per-vCPU storage beyond this, under the copier's feet
#define SHM_MAX_MARKS 32
#define SHM_BURSTS 514 // results of a turn 0..512; the last slot takes all above

// A program counter of interest: when it was first and last executed.
struct shm_mark {
    uint64_t pc;
    uint64_t hits;
    uint64_t first_insns; // instructions of that vCPU before it
    uint64_t first_ns;    // host monotonic clock
    uint64_t last_insns;
    uint64_t last_ns;
};

struct shm_head {
    uint64_t magic; // written last: the file is complete
    uint64_t version;
    uint64_t cpus; // vCPUs seen so far
    uint64_t funcs;
    uint64_t cpu_bytes;
    uint64_t request; // reader adds 1, and waits until `ack` equals it
    uint64_t ack;
    uint64_t hold_us; // sleep of the vCPU's host thread after an empty turn and before idling
    uint64_t start_ns;
    uint64_t marks;
    struct shm_mark mark[SHM_MAX_MARKS];
};

struct shm_cpu {
    uint64_t insns;      // executed since reset
    uint64_t idles;      // times that the idle instruction was reached
    uint64_t idle_insns; // `insns` when it was last reached
    uint64_t turns;      // entries to the polled function
    uint64_t busy_turns; // finished turns that took packets, and those that took none
    uint64_t empty_turns;
    uint64_t packets;    // sum of the results, as they were stored
    uint64_t busy_insns; // from entry to next entry
    uint64_t empty_insns;
    uint64_t blind_turns; // finished without a result; counted as empty too
    uint64_t burst_turns[SHM_BURSTS];
    uint64_t burst_insns[SHM_BURSTS];
};
