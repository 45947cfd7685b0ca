// SPDX-License-Identifier: BSD-2-Clause
//
// What the measuring program tells the plugin: everything that depends on the guest or its
// machine. A text file, one item a line, numbers in C notation:
//
//   shm PATH            counter file to create
//   exact               count each instruction by itself (blocks that end early, by a fault,
//                       are then not counted whole)
//   hold USEC           first value of shm_head.hold_us
//   ret NAME BITS       register that holds a result, and how many low bits of it
//   entry PC, exit PC   the polled function: its entry; its returns and the places returned to
//   idle PC             an instruction that waits for an interrupt
//   mark PC             record when it is executed
//   func START END      a function for the profile, in ascending order
//
// Errors: a message on standard error and a negative errno; nothing is to be freed, since QEMU
// ends when a plugin refuses to load.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum pc_kind {
    PC_ENTRY = 1 << 0,
    PC_EXIT = 1 << 1,
    PC_IDLE = 1 << 2,
};

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
    char ret_name[32];
    unsigned int ret_bits;
    struct pc_list entries;
    struct pc_list exits;
    struct pc_list idles;
    struct pc_list marks;
    struct func_range *funcs;
    size_t func_count;
};

// Reads `path` into `params`. 0, or -EINVAL for a line that it does not know, -ENOMEM, or the
// error of opening the file.
int params_read(struct params *params, const char *path);

// Which of enum pc_kind `pc` is, as a mask.
unsigned int params_kind(const struct params *params, uint64_t pc);

// Index of the mark at `pc`, or -ENOENT.
int params_mark(const struct params *params, uint64_t pc);

// Index of the function that holds `pc`, or -ENOENT.
int params_func(const struct params *params, uint64_t pc);
