// SPDX-License-Identifier: BSD-2-Clause
//
// The objects of lwIP's operating system layer (lwip/sys.h says what each function does): threads
// of core/sched, and locks of core/sync behind opaque pointers, so that lwIP sees no kernel header.
// A pointer that is NULL is what lwIP calls an invalid object.

#pragma once

#include <stddef.h>

struct host_sem;
struct host_mutex;
struct host_mbox;
struct thread;

typedef struct host_sem *sys_sem_t;
// With priority inheritance: an application's thread holds the core lock as well as the core
// thread.
typedef struct host_mutex *sys_mutex_t;
typedef struct host_mbox *sys_mbox_t;
typedef struct thread *sys_thread_t;

#define SYS_SEM_NULL NULL
#define SYS_MBOX_NULL NULL

#define sys_sem_valid(sem) (*(sem) != NULL)
#define sys_sem_set_invalid(sem) ((void)(*(sem) = NULL))
#define sys_mutex_valid(mutex) (*(mutex) != NULL)
#define sys_mutex_set_invalid(mutex) ((void)(*(mutex) = NULL))
#define sys_mbox_valid(mbox) (*(mbox) != NULL)
#define sys_mbox_set_invalid(mbox) ((void)(*(mbox) = NULL))

// The calling thread's semaphore, on which it waits for its socket calls: made at the first call of
// a thread, freed at its end. Never NULL, but invalid when there is no memory. Thread context.
sys_sem_t *host_thread_sem(void);
void host_thread_sem_alloc(void);
void host_thread_sem_free(void);
#define LWIP_NETCONN_THREAD_SEM_GET() host_thread_sem()
#define LWIP_NETCONN_THREAD_SEM_ALLOC() host_thread_sem_alloc()
#define LWIP_NETCONN_THREAD_SEM_FREE() host_thread_sem_free()
