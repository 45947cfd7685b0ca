// SPDX-License-Identifier: BSD-2-Clause
//
// The sanitizer's shadow: where it is, its start, and how allocators and compilers mark it
// (contract in kasan.h; the encoding is that of the compilers' address sanitizer). Shadow pages of
// areas are never given back: the window is filled from its start, so the next area needs them
// again.

#include "core/debug/panic.h"
#include "core/debug/symbols.h"
#include "mm/kasan_shadow.h"
#include "mm/memblock.h"
#include "mm/page.h"
#include "mm/pagetable.h"
#include "mm/percpu.h"

#include <string.h>

#define CHUNK MIB(2) // of shadow that is mapped at once: a block where the machine has such

// Windows with areas that come and go: a bit for each page of shadow, set once it is mapped. Of
// vmalloc's, the part that is ever in use.
#define VMALLOC_COVERED (16UL << 30)
#define PERCPU_BYTES (MAX_CPUS * PERCPU_STRIDE)
#define WORDS(bytes) ((bytes) / SHADOW_SPAN / 64)

static _Atomic uint64_t vmalloc_pages[WORDS(VMALLOC_COVERED)];
static _Atomic uint64_t percpu_pages[WORDS(PERCPU_BYTES)];
static _Atomic uint64_t static_percpu_pages[WORDS(PERCPU_BYTES)];

static const struct window {
    uintptr_t base;
    uint64_t bytes;
    _Atomic uint64_t *mapped;
} windows[] = {
    {ARCH_VMALLOC_BASE, VMALLOC_COVERED, vmalloc_pages},
    {ARCH_VMALLOC_BASE + ARCH_VMALLOC_BYTES - PERCPU_BYTES, PERCPU_BYTES, percpu_pages},
    {ARCH_IMAGE_BASE, PERCPU_BYTES, static_percpu_pages}, // copies of .percpu behind the image
};

// RAM, rounded outwards to whole pages of shadow; written once.
static struct memblock_range ram[MEMBLOCK_MAX_RANGES];
static unsigned ram_count;

bool kasan_active;
char kasan_image_shadow[KASAN_IMAGE_BYTES / 8] __attribute__((aligned(PAGE_SIZE)));

// ---- Where shadow is -------------------------------------------------------------------------

static bool in_ram(paddr_t pa)
{
    for (unsigned i = 0; i < ram_count; i++) {
        if (pa - ram[i].base < ram[i].len)
            return true;
    }
    return false;
}

static const struct window *window_of(uintptr_t addr)
{
    for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
        if (addr - windows[i].base < windows[i].bytes)
            return &windows[i];
    }
    return NULL;
}

bool shadow_is_mapped(uintptr_t addr)
{
    if (addr - ARCH_LINEAR_BASE < ARCH_LINEAR_BYTES)
        return in_ram(addr - ARCH_LINEAR_BASE);
    const struct window *window = window_of(addr);
    if (!window)
        return false;
    uint64_t page = (addr - window->base) / SHADOW_SPAN;
    return window->mapped[page / 64] >> page % 64 & 1;
}

// The first byte of [at, end) that must not be touched, in the span of one page of shadow; or 0.
static uintptr_t bad_in_span(uintptr_t at, uintptr_t end)
{
    const int8_t *shadow = shadow_of(at);
    while (at < end) {
        if (IS_ALIGNED((uintptr_t)shadow, 8) && end - at >= 64 && *(const uint64_t *)shadow == 0) {
            at = ALIGN_DOWN(at, GRANULE) + 64;
            shadow += 8;
            continue;
        }
        uintptr_t granule = ALIGN_DOWN(at, GRANULE), next = granule + GRANULE;
        uintptr_t good = *shadow == 0 ? next : *shadow < 0 ? granule : granule + (uint8_t)*shadow;
        if (good < MIN(next, end))
            return MAX(at, good);
        at = next;
        shadow++;
    }
    return 0;
}

uintptr_t shadow_first_bad(uintptr_t addr, size_t bytes)
{
    if (bytes > UINTPTR_MAX - addr)
        return addr; // wraps: a negative size
    uintptr_t end = addr + bytes;
    for (uintptr_t at = addr, next; at < end; at = next) {
        next = MIN(ALIGN_DOWN(at, SHADOW_SPAN) + SHADOW_SPAN, end);
        uintptr_t bad = shadow_exists(at) ? bad_in_span(at, next) : 0;
        if (bad)
            return bad;
    }
    return 0;
}

bool kasan_accessible(const void *va, size_t bytes)
{
    return !kasan_active || !shadow_first_bad((uintptr_t)va, bytes);
}

// ---- Marks -----------------------------------------------------------------------------------

// Whole granules, whose shadow is mapped from the first to the last.
static void fill(uintptr_t addr, size_t bytes, uint8_t value)
{
    memset(shadow_of(addr), value, DIV_ROUND_UP(bytes, GRANULE));
}

static bool is_marked_here(uintptr_t addr, size_t bytes)
{
    return bytes && shadow_exists(addr) && shadow_exists(addr + bytes - 1);
}

void kasan_poison(const void *va, size_t bytes, enum kasan_code code)
{
    if (is_marked_here((uintptr_t)va, bytes))
        fill((uintptr_t)va, bytes, (uint8_t)code);
}

void kasan_unpoison(const void *va, size_t bytes)
{
    uintptr_t addr = (uintptr_t)va;
    if (!is_marked_here(addr, bytes))
        return;
    fill(addr, ALIGN_DOWN(bytes, GRANULE), 0);
    if (bytes % GRANULE)
        *shadow_of(addr + bytes) = (int8_t)(bytes % GRANULE);
}

// ---- Areas -----------------------------------------------------------------------------------

static int map_shadow_page(const struct window *window, uint64_t number)
{
    void *page = page_alloc(0, GFP_KERNEL);
    if (!page)
        return -ENOMEM;
    memset(page, KASAN_VMALLOC_FREE, PAGE_SIZE);
    uintptr_t shadow = (uintptr_t)shadow_of(window->base + number * SHADOW_SPAN);
    int err = pagetable_map(shadow, linear_pa(page), PAGE_SIZE, PROT_RW);
    if (err)
        page_free(page, 0);
    else
        window->mapped[number / 64] |= 1ULL << number % 64;
    return err == -EEXIST ? 0 : err; // another CPU was faster
}

int kasan_map_area(const void *va, size_t bytes)
{
    uintptr_t addr = (uintptr_t)va;
    const struct window *window = window_of(addr);
    if (!window || !bytes || bytes > window->bytes - (addr - window->base))
        return -ENOMEM;
    uint64_t last = (addr + bytes - 1 - window->base) / SHADOW_SPAN;
    for (uint64_t i = (addr - window->base) / SHADOW_SPAN; i <= last; i++) {
        bool mapped = window->mapped[i / 64] >> i % 64 & 1;
        int err = mapped ? 0 : map_shadow_page(window, i);
        if (err)
            return err;
    }
    size_t whole = ALIGN_UP(bytes, PAGE_SIZE), granules = ALIGN_UP(bytes, GRANULE);
    kasan_unpoison(va, bytes);
    kasan_poison((const char *)va + granules, whole - granules, KASAN_PAGE_REDZONE);
    return 0;
}

void kasan_unmap_area(const void *va, size_t bytes)
{
    kasan_poison(va, ALIGN_UP(bytes, PAGE_SIZE), KASAN_VMALLOC_FREE);
}

// ---- Global objects --------------------------------------------------------------------------

// Called by a constructor of each file, which kasan_init runs, and once more for each search.
static uintptr_t wanted;
static const struct kasan_global *nearest;

static uintptr_t distance(const struct kasan_global *global, uintptr_t addr)
{
    uintptr_t start = (uintptr_t)global->start;
    if (addr < start)
        return start - addr;
    return addr - start < global->bytes ? 0 : addr - start - global->bytes + 1;
}

static void mark_global(const struct kasan_global *global)
{
    size_t granules = ALIGN_UP(global->bytes, GRANULE);
    kasan_poison((const char *)global->start + granules, global->bytes_with_redzone - granules,
                 KASAN_GLOBAL_REDZONE);
    kasan_unpoison(global->start, global->bytes);
}

void __asan_register_globals(const struct kasan_global *globals, size_t count);
void __asan_register_globals(const struct kasan_global *globals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!wanted)
            mark_global(&globals[i]);
        else if (!nearest || distance(&globals[i], wanted) < distance(nearest, wanted))
            nearest = &globals[i];
    }
}

// Of destructors, which never run here.
void __asan_unregister_globals(const struct kasan_global *globals, size_t count);
void __asan_unregister_globals(const struct kasan_global *globals, size_t count)
{
    (void)globals, (void)count;
}

// GCC's or clang's own, by their names (asan.module_ctor, cut at the dot): others are the
// application's. posix_init runs all once more, which changes nothing.
static bool is_compilers(void (*constructor)(void))
{
    const char *name = symbol_lookup((uintptr_t)constructor, NULL);
    return name && (strncmp(name, "_sub_I_", 7) == 0 || strcmp(name, "asan") == 0);
}

static void run_constructors(void)
{
    extern void (*const __init_array_start[])(void), (*const __init_array_end[])(void);
    for (void (*const *run)(void) = __init_array_start; run < __init_array_end; run++) {
        if (is_compilers(*run))
            (*run)();
    }
}

const struct kasan_global *kasan_global_near(uintptr_t addr)
{
    wanted = addr;
    nearest = NULL;
    run_constructors();
    wanted = 0;
    return nearest;
}

// ---- Start -----------------------------------------------------------------------------------

// Ranges in ascending order that share no page of shadow; returns how many.
static unsigned find_ram(void)
{
    unsigned count = 0;
    paddr_t base = 0;
    uint64_t len;
    for (; memblock_next_memory(&base, &len); base += len) {
        paddr_t low = ALIGN_DOWN(base, SHADOW_SPAN), high = ALIGN_UP(base + len, SHADOW_SPAN);
        struct memblock_range *last = count ? &ram[count - 1] : NULL;
        if (last && low <= last->base + last->len)
            last->len = high - last->base;
        else
            ram[count++] = (struct memblock_range){low, high - low};
    }
    return count;
}

static void map_ram_shadow(const struct memblock_range *range)
{
    uintptr_t at = (uintptr_t)shadow_of(ARCH_LINEAR_BASE + range->base);
    uintptr_t end = at + range->len / GRANULE;
    while (at < end) {
        size_t bytes = MIN(ALIGN_DOWN(at, CHUNK) + CHUNK, end) - at;
        paddr_t pa = memblock_alloc(bytes, bytes == CHUNK ? CHUNK : PAGE_SIZE);
        int err = pa ? pagetable_map(at, pa, bytes, PROT_RW) : -ENOMEM;
        if (err)
            panic("kasan: too little memory for the shadow: error %d", err);
        memset((void *)at, 0, bytes);
        at += bytes;
    }
}

void kasan_init(void)
{
    unsigned count = find_ram();
    uint64_t bytes = 0, len;
    for (unsigned i = 0; i < count; i++) {
        map_ram_shadow(&ram[i]);
        bytes += ram[i].len;
    }
    ram_count = count;
    kasan_quarantine_init(bytes);
    for (paddr_t base = 0; memblock_next_free(&base, &len); base += len)
        kasan_poison(linear_va(base), len, KASAN_NEVER_USED);
    run_constructors();
    kasan_active = true;
}

void kasan_stop(void) { kasan_active = false; }
