// SPDX-License-Identifier: BSD-2-Clause
//
// The functions that newlib calls where other systems have system calls (newlib's documentation,
// "Syscalls"). Each turns a kernel result into -1 and the calling thread's errno.

#include <fcntl.h>
#include <reent.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "core/posix/file.h"
#include "core/posix/syscalls.h"
#include "core/time/clock.h"

// Result or -1 with errno set. The library's `errno` is a function call into it; this is not.
static long answer(long result)
{
    if (result >= 0)
        return result;
    _REENT_ERRNO(__getreent()) = (int)-result;
    return -1;
}

// The reference taken by file_get() holds the file open while the operation sleeps.
_ssize_t _read(int fd, void *buf, size_t len)
{
    struct file *file = file_get(fd);
    if (!file)
        return answer(-EBADF);
    long done = file->ops->read(file, buf, MIN(len, (size_t)PTRDIFF_MAX));
    file_put(file);
    return answer(done);
}

_ssize_t _write(int fd, const void *buf, size_t len)
{
    struct file *file = file_get(fd);
    if (!file)
        return answer(-EBADF);
    long done = file->ops->write(file, buf, MIN(len, (size_t)PTRDIFF_MAX));
    file_put(file);
    return answer(done);
}

int _close(int fd) { return (int)answer(file_close(fd)); }

// stdio asks this of every stream; -ESPIPE tells it that a console has no position.
off_t _lseek(int fd, off_t offset, int whence)
{
    struct file *file = file_get(fd);
    if (!file)
        return answer(-EBADF);
    long at = file->ops->seek ? file->ops->seek(file, offset, whence) : -ESPIPE;
    file_put(file);
    return answer(at);
}

// stdio decides by this whether a stream is buffered by line.
int _isatty(int fd)
{
    struct file *file = file_get(fd);
    bool terminal = file && file->ops->is_terminal;
    int err = file ? -ENOTTY : -EBADF;
    if (file)
        file_put(file);
    if (terminal)
        return 1;
    answer(err);
    return 0;
}

// st_blksize is the size of the buffer that stdio allocates: small for consoles.
int _fstat(int fd, struct stat *st)
{
    struct file *file = file_get(fd);
    if (!file)
        return (int)answer(-EBADF);
    *st = (struct stat){.st_mode = S_IFCHR | S_IRUSR | S_IWUSR, .st_blksize = 512};
    if (file->ops->size) {
        st->st_mode = S_IFREG | S_IRUSR;
        st->st_size = file->ops->size(file);
        st->st_blksize = 4096;
    }
    file_put(file);
    return 0;
}

// The initial archive is the only file system, and it is read-only.
int _open(const char *path, int flags, int mode)
{
    (void)mode;
    if ((flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC))
        return (int)answer(-EROFS);
    return (int)answer(initrd_open(path));
}

// Directories exist as entries only: they cannot be opened or listed.
int _stat(const char *path, struct stat *st)
{
    const void *data;
    size_t len;
    int err = initrd_find(path, &data, &len);
    if (err && err != -EISDIR)
        return (int)answer(err);
    *st = (struct stat){.st_mode = err ? S_IFDIR | S_IRUSR | S_IXUSR : S_IFREG | S_IRUSR,
                        .st_size = err ? 0 : (off_t)len};
    return 0;
}

int _link(const char *from, const char *to)
{
    (void)from, (void)to;
    return (int)answer(-EROFS);
}

int _unlink(const char *path)
{
    (void)path;
    return (int)answer(-EROFS);
}

int _gettimeofday(struct timeval *tv, void *zone)
{
    (void)zone; // obsolete (POSIX)
    uint64_t ns = clock_realtime_ns();
    tv->tv_sec = (time_t)(ns / NSEC_PER_SEC);
    tv->tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
    return 0;
}

// One program owns the machine: its processor time is the time since boot.
clock_t _times(struct tms *tms)
{
    clock_t now = (clock_t)(clock_monotonic_ns() / (NSEC_PER_SEC / CLOCKS_PER_SEC));
    *tms = (struct tms){.tms_utime = now};
    return now;
}

// One program, one process.
int _getpid(void) { return 1; }
