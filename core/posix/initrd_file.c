// SPDX-License-Identifier: BSD-2-Clause
//
// Files of the initial archive as descriptors: read-only, in place.

#include <string.h>
#include <unistd.h>

#include "core/posix/file.h"
#include "mm/slab.h"

// What an open file knows: its bytes, which stay where they are in the archive.
struct archive_file {
    const char *data;
    size_t len;
};

static long archive_read(struct file *file, void *buf, size_t len)
{
    const struct archive_file *content = file->data;
    if (file->position >= content->len)
        return 0;
    len = MIN(len, content->len - file->position);
    memcpy(buf, content->data + file->position, len);
    file->position += len;
    return (long)len;
}

static long archive_write(struct file *file, const void *buf, size_t len)
{
    (void)file, (void)buf, (void)len;
    return -EBADF; // opened for reading only
}

static long archive_seek(struct file *file, long offset, int whence)
{
    const struct archive_file *content = file->data;
    long base, target;
    if (whence == SEEK_SET)
        base = 0;
    else if (whence == SEEK_CUR)
        base = (long)file->position;
    else if (whence == SEEK_END)
        base = (long)content->len;
    else
        return -EINVAL;
    // A position behind the end is allowed (POSIX lseek): reads there find the end of the file.
    if (__builtin_add_overflow(base, offset, &target) || target < 0)
        return -EINVAL;
    file->position = (uint64_t)target;
    return target;
}

static long archive_size(struct file *file)
{
    return (long)((const struct archive_file *)file->data)->len;
}

static void archive_close(struct file *file) { kfree(file->data); }

static const struct file_ops archive_ops = {
    .read = archive_read,
    .write = archive_write,
    .seek = archive_seek,
    .size = archive_size,
    .close = archive_close,
};

int initrd_open(const char *path)
{
    const void *data;
    size_t len;
    int err = initrd_find(path, &data, &len);
    if (err)
        return err;
    struct archive_file *content = kmalloc(sizeof(*content), GFP_KERNEL);
    if (!content)
        return -ENOMEM;
    *content = (struct archive_file){data, len};
    int fd = file_install(&archive_ops, content);
    if (fd < 0)
        kfree(content);
    return fd;
}
