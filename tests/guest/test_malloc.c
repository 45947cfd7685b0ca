// SPDX-License-Identifier: BSD-2-Clause
//
// The application's heap as C programs see it: contents, alignment, errors, the limit of its
// account (run.py sets one: memlimit=app:6M), and that memory goes back.

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched/thread.h"
#include "mm/account.h"
#include "mm/page_alloc.h"
#include "mm/slab.h"
#include "mm/slab_debug.h"
#include "tests/guest/guest.h"

#define LIMIT MIB(6)
// Debug builds add red zones and a record to each object.
#define TAKEN_UP(bytes) (SLAB_DEBUG ? 2 * (bytes) + 192 : (bytes))

// Compilers know malloc and realloc, and would guess; so all sizes come from here, and the object
// whose realloc fails, or stays, is still good.
static void *(*volatile hidden_realloc)(void *object, size_t bytes) = realloc;
static volatile size_t given;
static size_t some(size_t bytes)
{
    given = bytes;
    return given;
}

static const struct mem_account *app_account(void)
{
    const struct mem_account *account;
    for (unsigned i = 0; (account = account_at(i)); i++)
        if (strcmp(account->name, "app") == 0)
            return account;
    return NULL;
}

// ---- random use against a model --------------------------------------------------------------

#define SLOTS 64
#define STEPS 8000
#define HELD_MAX KIB(1200) // of one thread

struct model {
    uint64_t seed;
    size_t held;
    struct {
        uint8_t *object;
        size_t bytes;
        uint8_t mark;
    } slots[SLOTS];
    const char *wrong;
};

static uint32_t next(struct model *m)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->seed >> 33);
}

// Mostly small, sometimes pages, seldom more than any slab has.
static size_t random_size(struct model *m)
{
    static const size_t most[8] = {16, 64, 64, 300, 300, 4096, 40000, 200000};
    return next(m) % most[next(m) % ARRAY_SIZE(most)];
}

static uint8_t mark_at(uint8_t mark, size_t i) { return (uint8_t)(mark + i * 7 + (i >> 8)); }

// The ends, and a sample between: enough to see a neighbour's write or a lost page.
static size_t step_of(size_t bytes) { return bytes > 600 ? 97 : 1; }

static void paint(struct model *m, unsigned slot)
{
    const size_t bytes = m->slots[slot].bytes;
    uint8_t *object = m->slots[slot].object;
    for (size_t i = 0; i < bytes; i += step_of(bytes))
        object[i] = mark_at(m->slots[slot].mark, i);
    if (bytes)
        object[bytes - 1] = mark_at(m->slots[slot].mark, bytes - 1);
}

static bool painted(const struct model *m, unsigned slot, size_t bytes)
{
    const uint8_t *object = m->slots[slot].object;
    const size_t whole = m->slots[slot].bytes;
    for (size_t i = 0; i < bytes; i += step_of(whole))
        if (object[i] != mark_at(m->slots[slot].mark, i))
            return false;
    return !bytes || bytes < whole || object[bytes - 1] == mark_at(m->slots[slot].mark, bytes - 1);
}

static void complain(struct model *m, bool right, const char *what)
{
    if (!right && !m->wrong)
        m->wrong = what;
}

static bool all_zero(const uint8_t *object, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (object[i])
            return false;
    return true;
}

static uint8_t *random_new(struct model *m, size_t bytes)
{
    void *object = NULL;
    const size_t align = (size_t)1 << next(m) % 14;
    switch (next(m) % 4) {
    case 0:
        object = calloc(1, bytes);
        complain(m, !object || all_zero(object, bytes), "calloc: not zero");
        break;
    case 1:
        if (posix_memalign(&object, MAX(align, sizeof(void *)), bytes))
            object = NULL;
        complain(m, (uintptr_t)object % align == 0, "posix_memalign: not aligned");
        break;
    default:
        object = malloc(bytes);
        break;
    }
    complain(m, (uintptr_t)object % 16 == 0, "not aligned to 16");
    complain(m, !object || malloc_usable_size(object) >= bytes, "smaller than asked for");
    return object;
}

static void drop(struct model *m, unsigned slot)
{
    complain(m, painted(m, slot, m->slots[slot].bytes), "contents changed");
    free(m->slots[slot].object);
    m->held -= m->slots[slot].bytes;
    m->slots[slot].object = NULL;
    m->slots[slot].bytes = 0;
}

static void make(struct model *m, unsigned slot, size_t bytes)
{
    uint8_t *object = random_new(m, bytes);
    if (!object) {
        complain(m, false, "no memory");
        return;
    }
    m->slots[slot].object = object;
    m->slots[slot].bytes = bytes;
    m->slots[slot].mark = (uint8_t)next(m);
    m->held += bytes;
    paint(m, slot);
}

static void resize(struct model *m, unsigned slot, size_t bytes)
{
    const size_t old = m->slots[slot].bytes;
    complain(m, painted(m, slot, old), "contents changed");
    uint8_t *object = realloc(m->slots[slot].object, bytes);
    if (!object) {
        complain(m, false, "no memory");
        return;
    }
    m->slots[slot].object = object;
    complain(m, painted(m, slot, MIN(old, bytes)), "realloc: contents changed");
    m->slots[slot].bytes = bytes;
    m->held += bytes - old;
    paint(m, slot);
}

static int run_model(void *arg)
{
    struct model *m = arg;
    for (unsigned step = 0; step < STEPS && !m->wrong; step++) {
        const unsigned slot = next(m) % SLOTS;
        const size_t bytes = random_size(m);
        if (m->held + bytes > HELD_MAX)
            for (unsigned i = 0; i < SLOTS; i++)
                drop(m, i);
        if (!m->slots[slot].object)
            make(m, slot, bytes);
        else if (next(m) % 3)
            drop(m, slot);
        else
            resize(m, slot, bytes);
    }
    for (unsigned slot = 0; slot < SLOTS; slot++)
        drop(m, slot);
    return 0;
}

static bool random_use(void)
{
    static struct model models[2] = {{.seed = 1}, {.seed = 2}};
    struct thread *thread;
    int code;
    CHECK(thread_create(&thread, run_model, &models[1], &(struct thread_options){.name = "heap"}) ==
          0);
    run_model(&models[0]);
    CHECK(thread_join(thread, &code) == 0);
    for (unsigned i = 0; i < 2; i++)
        if (models[i].wrong)
            return guest_failed(__FILE__, __LINE__, models[i].wrong);
    return true;
}

// ---- alignment -------------------------------------------------------------------------------

static bool aligned_object(size_t align, size_t bytes)
{
    void *object = NULL, *second;
    errno = 77;
    CHECK(posix_memalign(&object, align, bytes) == 0);
    CHECK(errno == 77);
    CHECK((uintptr_t)object % align == 0 && malloc_usable_size(object) >= bytes);
    memset(object, 0x11, bytes);
    second = memalign(align, bytes);
    CHECK(second && (uintptr_t)second % align == 0 && second != object);
    memset(second, 0x22, bytes);
    CHECK(!bytes || ((uint8_t *)object)[bytes - 1] == 0x11);
    free(object);
    free(second);
    return true;
}

static bool alignments(void)
{
    for (size_t align = 8; align <= MIB(1); align *= 2) {
        const size_t sizes[] = {0, 1, align - 1, align, align + 1, 100, 5000, 40000};
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
            if (!aligned_object(align, sizes[i]))
                return false;
    }
    return true;
}

// More than any block has, at the alignment of one and of more than one.
static bool large_alignments(void)
{
    for (size_t align = KIB(64); align <= MIB(64); align *= 4) {
        uint8_t *object = memalign(align, some(MIB(9) / 2));
        CHECK(object && (uintptr_t)object % align == 0);
        CHECK(malloc_usable_size(object) >= MIB(9) / 2);
        for (size_t i = 0; i < MIB(9) / 2; i += KIB(4))
            object[i] = (uint8_t)(i >> 12);
        CHECK(object[MIB(4) - KIB(4)] == 0xff && object[KIB(8)] == 2);
        free(object);
    }
    for (size_t align = MIB(2); align <= (size_t)1 << 30; align *= 8) {
        uint8_t *object = memalign(align, some(0));
        CHECK(object && (uintptr_t)object % align == 0);
        free(object);
    }
    return true;
}

static bool alignment_errors(void)
{
    void *object = &object;
    CHECK(posix_memalign(&object, some(4), 16) == EINVAL); // less than a pointer
    CHECK(posix_memalign(&object, some(24), 16) == EINVAL);
    CHECK(posix_memalign(&object, some(0), 16) == EINVAL);
    errno = 0;
    CHECK(posix_memalign(&object, (size_t)1 << some(62), 16) == ENOMEM && errno == 0);
    CHECK(object == &object);
    CHECK(aligned_alloc(some(48), 16) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(memalign((size_t)1 << some(63), 16) == NULL && errno == ENOMEM);
    return true;
}

// ---- the functions one by one ----------------------------------------------------------------

// clang takes an allocation away of which it sees that it is only compared with NULL.
static bool fails(void *object)
{
    void *volatile seen = object;
    object = seen;
    bool right = !object && errno == ENOMEM;
    errno = 0;
    return right;
}

static bool impossible_sizes(void)
{
    errno = 0;
    CHECK(fails(malloc(some(SIZE_MAX))));
    CHECK(fails(malloc(some((size_t)PTRDIFF_MAX + 1))));
    CHECK(fails(malloc(some((size_t)PTRDIFF_MAX))));
    CHECK(fails(calloc(some(SIZE_MAX / 2), some(3))));
    CHECK(fails(calloc(some((size_t)1 << 32), some((size_t)1 << 32))));
    CHECK(fails(valloc(some(SIZE_MAX))));
    CHECK(fails(pvalloc(some(SIZE_MAX))));
    char *object = malloc(some(10));
    strcpy(object, "the same");
    CHECK(fails(hidden_realloc(object, some(SIZE_MAX))));
    CHECK(strcmp(object, "the same") == 0);
    free(object);
    return true;
}

static bool reallocs(void)
{
    char *object = realloc(NULL, some(100));
    CHECK(object);
    strcpy(object, "contents");
    CHECK(hidden_realloc(object, some(malloc_usable_size(object))) == object); // there is room
    object = realloc(object, some(100000));
    CHECK(object && strcmp(object, "contents") == 0);
    const size_t large = malloc_usable_size(object);
    object = realloc(object, some(50));
    CHECK(object && strcmp(object, "contents") == 0);
    CHECK(malloc_usable_size(object) < large / 4); // the rest went back
    object = reallocf(object, some(0));
    CHECK(object);
    free(object);
    return true;
}

static bool zero_sizes(void)
{
    void *a = malloc(some(0)), *b = calloc(some(0), 8);
    CHECK(a && b && a != b);
    free(a);
    free(b);
    free(NULL);
    return true;
}

static bool lesser_names(void)
{
    void *page = valloc(some(10)), *pages = pvalloc(some(PAGE_SIZE + 1));
    CHECK(page && (uintptr_t)page % PAGE_SIZE == 0);
    CHECK(pages && (uintptr_t)pages % PAGE_SIZE == 0);
    CHECK(malloc_usable_size(pages) >= 2 * PAGE_SIZE);
    CHECK(mallinfo().uordblks >= 3 * PAGE_SIZE);
    CHECK(mallopt(1, 1) == 0);
    free(page);
    free(pages);
    return true;
}

// ---- limit, and giving back ------------------------------------------------------------------

// As many objects of a size as there are; the first word links them.
static unsigned take_all(void **chain, size_t bytes)
{
    unsigned count = 0;
    for (void **object; (object = malloc(some(bytes))); count++) {
        *object = *chain;
        *chain = object;
    }
    return count;
}

static void free_all(void **chain)
{
    for (void *object = *chain, *after; object; object = after) {
        after = *(void **)object;
        free(object);
    }
    *chain = NULL;
}

// whole: what the object takes up.
static bool limit_of_size(const struct mem_account *app, size_t bytes, size_t whole)
{
    void *chain = NULL;
    const uint64_t denied = app->denied;
    unsigned count = take_all(&chain, bytes);
    CHECK(fails(malloc(some(bytes))));
    CHECK(count > (LIMIT - KIB(1500)) / TAKEN_UP(whole)); // before that nothing was refused
    CHECK(app->used <= LIMIT && app->peak <= LIMIT && app->denied > denied);
    void *mine = kmalloc(KIB(64), GFP_KERNEL); // nobody else notices
    CHECK(mine);
    kfree(mine);
    void *one = chain;
    chain = *(void **)one;
    free(one);
    CHECK(!fails(one = malloc(some(bytes))));
    free(one);
    free_all(&chain);
    return true;
}

static bool limit_holds(void)
{
    const struct mem_account *app = app_account();
    CHECK(app && app->limit == LIMIT);
    // What the caches keep of one size is no hindrance to the next.
    CHECK(limit_of_size(app, 40, 64));
    CHECK(limit_of_size(app, 3000, 4096));
    CHECK(limit_of_size(app, KIB(60), KIB(64)));
    CHECK(limit_of_size(app, KIB(200), KIB(208)));
    return true;
}

static bool gives_back(void)
{
    const struct mem_account *app = app_account();
    struct page_stats before, after;
    void *chain = NULL;
    malloc_trim(0);
    const uint64_t used = app->used;
    page_get_stats(&before);
    for (size_t bytes = 16; bytes <= KIB(400); bytes *= 5) {
        take_all(&chain, bytes);
        CHECK(app->used > LIMIT / 2);
        free_all(&chain);
    }
    malloc_trim(0);
    page_get_stats(&after);
    CHECK(app->used <= used + KIB(64));
    CHECK(after.free_bytes + KIB(256) >= before.free_bytes); // tables, descriptors of carved chunks
    return true;
}

const struct guest_test malloc_tests[] = {
    {"malloc: random use by two threads", random_use},
    {"malloc: alignments", alignments},
    {"malloc: large alignments", large_alignments},
    {"malloc: wrong alignments", alignment_errors},
    {"malloc: impossible sizes", impossible_sizes},
    {"malloc: realloc", reallocs},
    {"malloc: zero sizes", zero_sizes},
    {"malloc: lesser names", lesser_names},
    {"malloc: limit of the account", limit_holds},
    {"malloc: memory goes back", gives_back},
    {NULL, NULL},
};
