// SPDX-License-Identifier: BSD-2-Clause
//
// core/posix/initrd: archives made here, and the same archives damaged in every byte, cut at every
// length. ASan holds that nothing outside is read: each archive has a heap block of its own.
// unit-sources: core/posix/initrd.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/posix/file.h"

#define REGULAR 0100644
#define DIRECTORY 0040755
#define SYMLINK 0120777

static char archive[8192];
static size_t archive_len;

static void pad(void)
{
    while (archive_len % 4)
        archive[archive_len++] = '\0';
}

static void add(const char *name, unsigned mode, const char *data, size_t len)
{
    archive_len += (size_t)sprintf(archive + archive_len,
                                   "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zX%08x",
                                   1, mode, 0, 0, 1, 0, len, 0, 0, 0, 0, strlen(name) + 1, 0);
    strcpy(archive + archive_len, name);
    archive_len += strlen(name) + 1;
    pad();
    memcpy(archive + archive_len, data, len);
    archive_len += len;
    pad();
}

static int make(void **state)
{
    (void)state;
    archive_len = 0;
    add(".", DIRECTORY, "", 0);
    add("etc", DIRECTORY, "", 0);
    add("etc/sluice.conf", REGULAR, "hostname edge1\n", 15);
    add("./empty", REGULAR, "", 0);
    add("/abs", REGULAR, "12345678", 8);
    add("link", SYMLINK, "abs", 3);
    add("abs", REGULAR, "second", 6);
    add("TRAILER!!!", 0, "", 0);
    return 0;
}

// The archive in a block that ends where it ends.
static char *use(size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, archive, len);
    initrd_set(copy, len);
    return copy;
}

static void test_find(void **state)
{
    (void)state;
    const void *data;
    size_t len;
    char *copy = use(archive_len);
    static const char *const spellings[] = {"/etc/sluice.conf", "etc/sluice.conf",
                                            "./etc/sluice.conf", "//etc/sluice.conf"};
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        assert_int_equal(initrd_find(spellings[i], &data, &len), 0);
        assert_int_equal(len, 15);
        assert_memory_equal(data, "hostname edge1\n", 15);
    }
    assert_int_equal(initrd_find("/empty", &data, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(initrd_find("/abs", &data, &len), 0);
    assert_memory_equal(data, "12345678", 8);
    assert_int_equal(initrd_find("/etc", &data, &len), -EISDIR);
    assert_int_equal(initrd_find("/link", &data, &len), -ENOENT);
    assert_int_equal(initrd_find("/none", &data, &len), -ENOENT);
    assert_int_equal(initrd_find("/etc/sluice.con", &data, &len), -ENOENT);
    assert_int_equal(initrd_find("/", &data, &len), -ENOENT);
    assert_int_equal(initrd_find("", &data, &len), -ENOENT);
    free(copy);
    initrd_set(NULL, 100);
    assert_int_equal(initrd_find("/abs", &data, &len), -ENOENT);
}

static volatile unsigned char sink;

// Whatever comes back must be readable.
static int probe(const char *name)
{
    const void *data;
    size_t len;
    int err = initrd_find(name, &data, &len);
    if (err == 0) {
        for (size_t i = 0; i < len; i++)
            sink = ((const unsigned char *)data)[i];
    }
    assert_true(err == 0 || err == -ENOENT || err == -EINVAL || err == -EISDIR);
    return err;
}

static void test_cut(void **state)
{
    (void)state;
    for (size_t len = 0; len < archive_len; len++) {
        char *copy = use(len);
        assert_int_not_equal(probe("none"), 0);
        probe("abs");
        probe("etc/sluice.conf");
        free(copy);
    }
    // The trailer's padding may be missing, the trailer may not.
    char *copy = use(archive_len - 1);
    assert_int_equal(probe("none"), -ENOENT);
    free(copy);
    copy = use(archive_len - 20);
    assert_int_equal(probe("none"), -EINVAL);
    free(copy);
}

static void test_damaged(void **state)
{
    static const unsigned char values[] = {0x00, '0', 'f', 'F', 'g', 0xff};
    for (size_t at = 0; at < archive_len; at++) {
        for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
            make(state);
            archive[at] = (char)values[v];
            char *copy = use(archive_len);
            probe("none");
            probe("abs");
            probe("etc/sluice.conf");
            free(copy);
        }
    }
    make(state);
}

static void test_lying_lengths(void **state)
{
    static const char *const lengths[] = {"ffffffff", "7fffffff", "fffffffc", "80000000"};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        make(state);
        memcpy(archive + 6 + 6 * 8, lengths[i], 8); // size of the first entry's data
        char *copy = use(archive_len);
        assert_int_equal(probe("abs"), -EINVAL);
        free(copy);
        make(state);
        memcpy(archive + 6 + 11 * 8, lengths[i], 8); // and of its name
        copy = use(archive_len);
        assert_int_equal(probe("abs"), -EINVAL);
        free(copy);
    }
    make(state);
}

// The archive ends with the name that lacks its NUL.
static void test_unterminated_name(void **state)
{
    archive_len = 0;
    add("abs", REGULAR, "", 0);
    assert_int_equal(archive_len, 116); // 110, the name, padding
    memcpy(archive + 110, "abcdef", 6);
    memcpy(archive + 6 + 11 * 8, "00000006", 8);
    char *copy = use(archive_len);
    assert_int_equal(probe("abcdef"), -EINVAL);
    free(copy);
    make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_lying_lengths),
        cmocka_unit_test(test_unterminated_name),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
