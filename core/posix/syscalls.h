// SPDX-License-Identifier: BSD-2-Clause
//
// Prototypes of the functions that newlib expects by name and declares nowhere outside itself.

#pragma once

#include <sys/types.h>

struct _reent;
struct stat;
struct timeval;
struct tms;

struct _reent *__getreent(void);
_ssize_t _read(int fd, void *buf, size_t len);
_ssize_t _write(int fd, const void *buf, size_t len);
int _close(int fd);
off_t _lseek(int fd, off_t offset, int whence);
int _isatty(int fd);
int _fstat(int fd, struct stat *st);
int _stat(const char *path, struct stat *st);
int _open(const char *path, int flags, int mode);
int _link(const char *from, const char *to);
int _unlink(const char *path);
int _gettimeofday(struct timeval *tv, void *zone);
clock_t _times(struct tms *tms);
int _getpid(void);
int _kill(int pid, int signal);
_Noreturn void _exit(int code);
