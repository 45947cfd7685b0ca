// SPDX-License-Identifier: BSD-2-Clause
//
// Open files behind newlib's read(), write() and friends: a small table of descriptors, each with
// an operations table. Consoles, the initial archive and (later) sockets register here.

#pragma once

#include "core/lib/types.h"

struct file;

struct file_ops {
    // Thread context; may sleep. Bytes done (0 at the end) or a negative errno.
    long (*read)(struct file *file, void *buf, size_t len);
    long (*write)(struct file *file, const void *buf, size_t len);
    long (*seek)(struct file *file, long offset, int whence); // NULL: -ESPIPE
    long (*size)(struct file *file);                          // NULL: no size (not a regular file)
    void (*close)(struct file *file);                         // NULL: nothing to do
    bool is_terminal;
};

// read and write of one file are serialised by its users (stdio's lock per stream does that).
struct file {
    const struct file_ops *ops;
    void *data;
    uint64_t position;
    unsigned refs; // file.c's lock; the descriptor holds one
};

#define FILES_MAX 64

// The lowest free descriptor for a new file; 0, 1 and 2 are the console from the start. -EMFILE.
int file_install(const struct file_ops *ops, void *data);
// The descriptor is free at once; ops->close is called when the last user is done. -EBADF.
int file_close(int fd);
struct file *file_get(int fd); // NULL if not open; takes a reference
void file_put(struct file *file);

// The initial archive (newc cpio, uncompressed). The archive is foreign: headers, lengths and names
// are checked. Links are not followed. The memory must stay.
void initrd_set(const void *archive, size_t len); // from boot.c
// A regular file: its bytes, in place. Leading '/' and "./" do not matter. The first of that name.
// -ENOENT no such file or no archive, -EISDIR, -EINVAL the archive is bad before the file is found.
int initrd_find(const char *path, const void **data, size_t *len);
int initrd_open(const char *path); // read-only descriptor; what initrd_find says, -EMFILE, -ENOMEM

int posix_init(void); // from boot.c, before main
