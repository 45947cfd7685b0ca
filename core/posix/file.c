// SPDX-License-Identifier: BSD-2-Clause
//
// The table of open files. A descriptor is its slot's number; a slot is reused once the
// descriptor is closed and the last user has put the file.

#include "core/posix/file.h"

#include "core/posix/console_file.h"
#include "core/sync/spinlock.h"

static struct spinlock lock = SPINLOCK_INIT; // protects open[] and the references
// A slot is in use while it has references; open[] says whether its descriptor is valid.
static struct file files[FILES_MAX];
static bool open[FILES_MAX];

int file_install(const struct file_ops *ops, void *data)
{
    int fd = -EMFILE;
    spin_lock(&lock);
    for (int i = 0; i < FILES_MAX && fd < 0; i++) {
        if (files[i].refs == 0)
            fd = i;
    }
    if (fd >= 0) {
        files[fd] = (struct file){.ops = ops, .data = data, .refs = 1};
        open[fd] = true;
    }
    spin_unlock(&lock);
    return fd;
}

// The reference keeps the file through a call that sleeps while another thread closes it.
struct file *file_get(int fd)
{
    struct file *file = NULL;
    spin_lock(&lock);
    if (fd >= 0 && fd < FILES_MAX && open[fd]) {
        file = &files[fd];
        file->refs++;
    }
    spin_unlock(&lock);
    return file;
}

void file_put(struct file *file)
{
    spin_lock(&lock);
    bool last = file->refs == 1;
    if (!last)
        file->refs--;
    spin_unlock(&lock);
    if (!last)
        return;
    // Nobody can find the file any more, but the slot stays taken until close is done with it.
    if (file->ops->close)
        file->ops->close(file);
    spin_lock(&lock);
    file->refs = 0;
    spin_unlock(&lock);
}

int file_close(int fd)
{
    struct file *file = NULL;
    spin_lock(&lock);
    if (fd >= 0 && fd < FILES_MAX && open[fd]) {
        file = &files[fd];
        open[fd] = false;
    }
    spin_unlock(&lock);
    if (!file)
        return -EBADF;
    file_put(file);
    return 0;
}

int posix_init(void) { return console_files_init(); }
