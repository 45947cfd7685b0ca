// SPDX-License-Identifier: BSD-2-Clause
//
// The image that bench_memory.py measures: operations of mm/ and of malloc, each in a function of
// its own that repeats it. It measures nothing itself. A plugin counts from outside what is
// executed from one call of bench_turn to the next, and reads the table bench_ops, which names the
// operations by their functions, from the ELF file. bench_empty has the loop and nothing in it.
//
// Each operation runs BENCH_BLOCKS blocks, of which the first warms up. The value of a turn is
// that of the operation (its place in the table) times BENCH_BLOCKS, plus the block's, plus 1.

#include <stdio.h>
#include <stdlib.h>

#include "core/lib/types.h"
#include "core/sched/thread.h"
#include "mm/dma.h"
#include "mm/page_alloc.h"
#include "mm/percpu.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define BENCH_BLOCKS 8
#define BENCH_ROUNDS 1200 // a block; a multiple of what the operations in bursts hold at once

const char app_name[] = "membench";

typedef void operation(unsigned rounds);

// What the plugin looks for: the function, and the variable that it stores the turn's value to.
volatile uint32_t bench_value;
void bench_turn(uint32_t value);
__noinline void bench_turn(uint32_t value) { bench_value = value; }

static struct slab_cache *cache;
static const struct dma_device device = {.mask = UINT64_MAX, .coherent = true};

// A failed operation would look cheap.
static _Noreturn __noinline void give_up(const char *name)
{
    printf("membench: %s failed\nmembench: end\n", name);
    fflush(stdout);
    thread_exit(1);
}

// The compiler may neither leave the pair out nor look through it.
static inline void *keep(void *object, const char *name)
{
    __asm__ volatile("" : "+r"(object) : : "memory");
    if (unlikely(!object))
        give_up(name);
    return object;
}

#define OPERATION(name)                 \
    void bench_##name(unsigned rounds); \
    __noinline void bench_##name(unsigned rounds)

// A pair of `get` and `put`, which finds the object as `it`; one at a time.
#define PAIR(name, get, put)                    \
    OPERATION(name)                             \
    {                                           \
        for (unsigned i = 0; i < rounds; i++) { \
            void *it = keep(get, #name);        \
            put;                                \
        }                                       \
    }

// The same with `count` objects at once: arrays and lists of a CPU run empty and over.
#define BURST(name, count, get, put)                     \
    OPERATION(name)                                      \
    {                                                    \
        void *held[count];                               \
        for (unsigned i = 0; i < rounds; i += (count)) { \
            for (unsigned k = 0; k < (count); k++)       \
                held[k] = keep(get, #name);              \
            for (unsigned k = 0; k < (count); k++) {     \
                void *it = held[k];                      \
                put;                                     \
            }                                            \
        }                                                \
    }

PAIR(empty, &cache, (void)it)
PAIR(kmalloc_128, kmalloc(128, GFP_KERNEL), kfree(it))
PAIR(kmalloc_128_atomic, kmalloc(128, GFP_ATOMIC), kfree(it))
BURST(kmalloc_128_by_400, 400, kmalloc(128, GFP_KERNEL), kfree(it))
PAIR(page, page_alloc(0, GFP_KERNEL), page_free(it, 0))
BURST(page_by_200, 200, page_alloc(0, GFP_KERNEL), page_free(it, 0))
PAIR(page_order_3, page_alloc(3, GFP_KERNEL), page_free(it, 3))
PAIR(page_order_9, page_alloc(9, GFP_KERNEL), page_free(it, 9))
PAIR(malloc_256, malloc(256), free(it))
BURST(malloc_256_by_400, 400, malloc(256), free(it))
PAIR(slab, slab_alloc(cache, GFP_KERNEL), slab_free(cache, it))
PAIR(kmalloc_8, kmalloc(8, GFP_KERNEL), kfree(it))
PAIR(kmalloc_1024, kmalloc(1024, GFP_KERNEL), kfree(it))
PAIR(kmalloc_4096, kmalloc(4096, GFP_KERNEL), kfree(it))
PAIR(kmalloc_64k, kmalloc(KIB(64), GFP_KERNEL), kfree(it))
PAIR(kcalloc_8_16, kcalloc(8, 16, GFP_KERNEL), kfree(it))
PAIR(malloc_64k, malloc(KIB(64)), free(it))
PAIR(vmalloc_16k, vmalloc(KIB(16), GFP_KERNEL), vfree(it))
PAIR(percpu_64, percpu_alloc(64, 0, GFP_KERNEL), percpu_free(it))

// 16 bytes to 1 KiB in six steps, and the free.
OPERATION(krealloc_16_to_1024)
{
    for (unsigned i = 0; i < rounds; i++) {
        void *object = NULL;
        for (size_t bytes = 16; bytes <= 1024; bytes *= 2)
            object = keep(krealloc(object, bytes, GFP_KERNEL), "krealloc");
        kfree(object);
    }
}

OPERATION(dma_map_2048)
{
    void *object = kmalloc(2048, GFP_KERNEL);
    for (unsigned i = 0; i < rounds; i++) {
        paddr_t bus = dma_map(&device, keep(object, "kmalloc"), 2048, DMA_TO_DEVICE);
        if (unlikely(!bus))
            give_up("dma_map");
        dma_unmap(&device, bus, 2048, DMA_TO_DEVICE);
    }
    kfree(object);
}

// Read from outside; `bench_empty` comes first.
#define OPERATIONS ARRAY_SIZE(((struct bench_table *)0)->ops)
extern const struct bench_table {
    uint32_t blocks, rounds;
    operation *ops[21];
} bench_ops;
const struct bench_table bench_ops = {
    BENCH_BLOCKS,
    BENCH_ROUNDS,
    {bench_empty,        bench_kmalloc_128,         bench_page,
     bench_page_order_9, bench_malloc_256,          bench_slab,
     bench_kmalloc_8,    bench_kmalloc_1024,        bench_kmalloc_4096,
     bench_kmalloc_64k,  bench_kmalloc_128_atomic,  bench_kmalloc_128_by_400,
     bench_kcalloc_8_16, bench_krealloc_16_to_1024, bench_malloc_256_by_400,
     bench_malloc_64k,   bench_page_order_3,        bench_page_by_200,
     bench_vmalloc_16k,  bench_percpu_64,           bench_dma_map_2048},
};

static void measure(unsigned op)
{
    for (unsigned block = 0; block < BENCH_BLOCKS; block++) {
        bench_turn(op * BENCH_BLOCKS + block + 1);
        bench_ops.ops[op](BENCH_ROUNDS);
    }
}

// With an argument, the number of an operation, that one alone: for profiles.
int main(int argc, char **argv)
{
    cache = slab_cache_create("membench", 200, 0, GFP_KERNEL, NULL);
    if (!cache)
        give_up("slab_cache_create");
    unsigned first = 0, end = OPERATIONS;
    if (argc > 1) {
        first = (unsigned)atoi(argv[1]) % OPERATIONS;
        end = first + 1;
    }
    for (unsigned op = first; op < end; op++)
        measure(op);
    bench_turn(0); // ends the last one
    puts("membench: end");
    fflush(stdout);
    return 0;
}
