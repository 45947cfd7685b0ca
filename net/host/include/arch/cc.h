// SPDX-License-Identifier: BSD-2-Clause
//
// What lwIP asks of compiler, C library and kernel, beyond C11 (its lwip/arch.h has the defaults).
// Only lwIP's sources and the files of net/host include this. The functions are net/host's own, and
// named here without the kernel's headers, whose names lwIP's would meet (htons, struct netif).

#pragma once

// Before <sys/time.h>, which brings the C library's fd_set: lwip/sockets.h wants room in it for
// every socket, even without its select() (LWIP_SOCKET_SELECT), where the type is not used at all.
#define FD_SETSIZE MEMP_NUM_NETCONN

#include <limits.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

// One struct timeval and one set of error numbers in the image: the C library's, which applications
// see. That rules out LWIP_PROVIDE_ERRNO, whose numbers are others.
#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_ERRNO_STDINCLUDE 1

// ssize_t comes from <sys/types.h>. <unistd.h> stays out: it declares read, write and close, which
// are core/posix's.
#define LWIP_NO_UNISTD_H 1
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif

// Saved state of sys_arch_protect(): 0 for the outermost section.
typedef unsigned int sys_prot_t;

// Random numbers from the kernel's generator: ports, DNS ids, DHCP ids. Any context.
uint32_t host_random(void);
#define LWIP_RAND() host_random()

// The checksum of the fast path: the ones' complement sum of `len` bytes, folded, not inverted, in
// the order in which the bytes stand. Any context.
uint16_t host_checksum(const void *data, int len);
#define LWIP_CHKSUM host_checksum

// One instruction each, where lwIP has a function.
#if BYTE_ORDER == LITTLE_ENDIAN
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)
#endif

// lwIP's own messages go to the log; in parentheses, as printf's arguments. Any context.
void host_diagnostic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define LWIP_PLATFORM_DIAG(arguments) host_diagnostic arguments

// An assertion of lwIP failed: stops the image. Kept in release builds: behind many of them lies a
// write to memory that is not lwIP's, and here nothing else would stop that.
_Noreturn void host_assert_failed(const char *what, const char *file, int line);
#define LWIP_PLATFORM_ASSERT(what) host_assert_failed(what, __FILE__, __LINE__)
