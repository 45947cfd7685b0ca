// SPDX-License-Identifier: BSD-2-Clause
//
// core/debug/log: ring and its overwriting, replay to a console, levels, line discipline, and the
// way out when a lock's owner has failed.
// unit-sources: core/debug/log.c core/lib/fmt.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/debug/log.h"
#include "core/lib/bootparam.h"
#include "core/sync/spinlock.h"
#include "core/time/clock.h"

TABLE_DECLARE(struct boot_param, boot_param);

static uint64_t now_ns = 1234567;
uint64_t clock_monotonic_ns(void) { return now_ns; }

static char shown[1 << 20];
static size_t shown_len;
static int irqs_on_in_write;
static const char *nested; // logged by an "interrupt" in the middle of a write

static void capture(struct log_console *console, const char *text, size_t len)
{
    (void)console;
    irqs_on_in_write += arch_irqs_enabled();
    assert_true(shown_len + len < sizeof(shown));
    memcpy(shown + shown_len, text, len);
    shown_len += len;
    shown[shown_len] = '\0';
}
static struct log_console console = {.name = "test", .write = capture};

static void forget(void)
{
    shown_len = 0;
    shown[0] = '\0';
}

static int set_loglevel(const char *value)
{
    TABLE_FOREACH (struct boot_param, param, boot_param) {
        if (strcmp(param->name, "loglevel") == 0)
            return param->set(value);
    }
    return -ENOENT;
}

// First test: nothing has been logged or printed yet.
static void test_replay(void **state)
{
    (void)state;
    log_info("before %s", "the console");
    log_debug("not for the console");
    now_ns = 12 * NSEC_PER_SEC + 345678901;
    log_err("an error\n");
    assert_int_equal(shown_len, 0);
    log_set_console(&console);
    assert_string_equal(shown, "[    0.001234] before the console\r\n[   12.345678] an error\r\n");
    log_warn("now at once");
    assert_non_null(strstr(shown, "[   12.345678] now at once\r\n"));
    assert_int_equal(irqs_on_in_write, 0);
    assert_true(arch_irqs_enabled());
}

static void test_read(void **state)
{
    (void)state;
    struct log_line line;
    uint64_t cursor = 0;
    assert_true(log_read(&cursor, &line));
    assert_string_equal(line.text, "before the console");
    assert_int_equal(line.sequence, 0);
    assert_int_equal(line.time_ns, 1234567);
    assert_int_equal(line.level, LOG_INFO);
    assert_true(log_read(&cursor, &line));
    assert_int_equal(line.level, LOG_DEBUG);
    while (log_read(&cursor, &line)) {
    }
    assert_string_equal(line.text, "now at once");
    log_info("one more");
    assert_true(log_read(&cursor, &line));
    assert_string_equal(line.text, "one more");
    assert_false(log_read(&cursor, &line));
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(set_loglevel("4"), 0);
    assert_int_equal(log_get_level(), LOG_ERR);
    forget();
    log_warn("hidden");
    log_err("seen");
    assert_null(strstr(shown, "hidden"));
    assert_non_null(strstr(shown, "seen"));
    assert_int_equal(set_loglevel("0"), 0);
    assert_int_equal(log_get_level(), LOG_EMERG);
    assert_int_equal(set_loglevel("8"), 0);
    assert_int_equal(log_get_level(), LOG_DEBUG);
    assert_int_equal(set_loglevel("9"), -EINVAL);
    assert_int_equal(set_loglevel(""), -EINVAL);
    assert_int_equal(set_loglevel("7x"), -EINVAL);
    assert_int_equal(log_get_level(), LOG_DEBUG);
}

static void test_foreign_text(void **state)
{
    (void)state;
    struct log_line line;
    uint64_t cursor = 0;
    char longer[500];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    log_info("name '%s'", "a\033[2Jb\rc\nd\x7f");
    log_info("%s", longer);
    log_info("%s", "");
    while (log_read(&cursor, &line)) {
        if (strncmp(line.text, "name", 4) == 0)
            assert_string_equal(line.text, "name 'a?[2Jb?c d?'");
        if (line.text[0] == 'x')
            assert_int_equal(strlen(line.text), 159);
    }
    assert_string_equal(line.text, "");
}

// The ring keeps the newest lines, whole, in order, whatever their length.
static void test_overwriting(void **state)
{
    (void)state;
    char text[160];
    struct log_line line;
    log_set_level(LOG_EMERG);
    for (int i = 0; i < 20000; i++) {
        int len = snprintf(text, sizeof(text), "%d:", i);
        int more = rand() % (150 - len);
        memset(text + len, 'a' + i % 26, (size_t)more);
        text[len + more] = '\0';
        log_info("%s", text);
    }
    uint64_t cursor = 0, last = 0;
    int number = -1, count = 0, next;
    while (log_read(&cursor, &line)) {
        assert_int_equal(sscanf(line.text, "%d:", &next), 1);
        assert_true(number < 0 || next == number + 1);
        assert_true(last == 0 || line.sequence == last + 1);
        for (const char *c = strchr(line.text, ':') + 1; *c; c++)
            assert_int_equal(*c, 'a' + next % 26);
        last = line.sequence;
        number = next;
        count++;
    }
    assert_int_equal(number, 19999);
    assert_true(count > 90);
    // A reader that was overtaken goes on with the oldest line there is.
    cursor = 17;
    assert_true(log_read(&cursor, &line));
    assert_int_equal(sscanf(line.text, "%d:", &next), 1);
    assert_int_equal(next, 20000 - count);
    log_set_level(LOG_INFO);
}

static void test_console_write(void **state)
{
    (void)state;
    log_info("drains what is due");
    forget();
    console_write("a\nb\r\nc", 6);
    assert_string_equal(shown, "a\r\nb\r\nc");
    forget();
    console_write("\n\n", 2);
    assert_string_equal(shown, "\r\n\r\n");
    forget();
    console_write("", 0);
    assert_int_equal(shown_len, 0);
    static char big[5000];
    memset(big, 'z', sizeof(big));
    console_write(big, sizeof(big));
    assert_int_equal(shown_len, sizeof(big));
}

static void interrupting_write(struct log_console *device, const char *text, size_t len)
{
    capture(device, text, len);
    const char *message = nested;
    nested = NULL;
    if (message) {
        log_panic(); // as a fault report does: the console's lock is held right now
        log_write(LOG_EMERG, "%s", message);
    }
}

// A fault while a line is printed, with both locks taken: the report gets out.
static void test_fault_while_printing(void **state)
{
    (void)state;
    static struct log_console faulting = {.name = "faulting", .write = interrupting_write};
    log_set_console(&faulting);
    forget();
    nested = "the report";
    log_info("the line");
    assert_non_null(strstr(shown, "the report\r\n"));
    log_set_level(LOG_EMERG);
    log_panic();
    assert_int_equal(log_get_level(), LOG_ERR);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_foreign_text),
        cmocka_unit_test(test_overwriting),
        cmocka_unit_test(test_console_write),
        cmocka_unit_test(test_fault_while_printing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
