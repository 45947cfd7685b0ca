// SPDX-License-Identifier: BSD-2-Clause
//
// What the measuring program tells the plugin: everything that depends on the guest or its
// machine. A text file, one item a line, numbers in C notation:
//
//   shm PATH            counter file to create
//   exact               count each instruction by itself (blocks that end early, by a fault,
//                       are then not counted whole)
//   hold USEC           first value of shm_head.hold_us
//   polled START END    the function whose turns are counted
//   result ADDRESS      the 32-bit variable that it stores its result to, once a turn
//   idle PC             an instruction that waits for an interrupt
//   pause PC            a place before one, where the vCPU's thread is held
//   mark PC             record when it is executed
//   func START END      a function for the profile, in ascending order
//
// Errors: a message on standard error and a negative errno; nothing is to be freed, since QEMU
// ends when a plugin refuses to load.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pc_list {
    uint64_t *pc;
    size_t count;
};

struct func_range {
    uint64_t start;
    uint64_t end; // first address behind it
};

struct params {
    char *shm_path;
    int exact;
    uint64_t hold_us;
    struct func_range polled; // all 0: none
    uint64_t result;
    struct pc_list idles;
    struct pc_list pauses;
    struct pc_list marks;
    struct func_range *funcs;
    size_t func_count;
};

// Reads `path` into `params`. 0, or -EINVAL for a line that it does not know, -ENOMEM, or the
// error of opening the file.
int params_read(struct params *params, const char *path);

// Whether an idle instruction, or a place to be held at, is at `pc`.
bool params_is_idle(const struct params *params, uint64_t pc);
bool params_is_pause(const struct params *params, uint64_t pc);

// Index of the mark at `pc`, or -ENOENT.
int params_mark(const struct params *params, uint64_t pc);

// Index of the function that holds `pc`, or -ENOENT.
int params_func(const struct params *params, uint64_t pc);
