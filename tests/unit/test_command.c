// SPDX-License-Identifier: BSD-2-Clause
//
// Commands: matching by unambiguous prefixes, arguments, help and completion on a table of this
// test's own; then `configure` with its candidate, commit and abort on a fake network.
//
// unit-sources: apps/common/command.c apps/common/verb.c apps/common/address.c
// unit-sources: apps/common/errors.c apps/common/config.c apps/common/config_parse.c
// unit-sources: apps/common/config_rules.c apps/common/config_check.c apps/common/config_cpus.c
// unit-sources: apps/common/config_print.c apps/common/config_apply.c apps/common/config_mode.c
// unit-sources: core/lib/fmt.c tests/unit/fake_net.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common/command.h"
#include "apps/common/config.h"
#include "fake_net.h"
#include "host.h"

static char output[65536];
static char called[512]; // "PATH(ARG ARG)" of each command run

static void write_output(struct command_out *out, const char *text, size_t len)
{
    (void)out;
    size_t at = strlen(output);
    assert_true(at + len < sizeof(output));
    memcpy(output + at, text, len);
    output[at + len] = '\0';
}

static struct command_out out = {.write = write_output};

static int record(const char *path, int argc, char **argv)
{
    size_t at = strlen(called);
    at += (size_t)snprintf(called + at, sizeof(called) - at, "%s(", path);
    for (int i = 0; i < argc; i++)
        at += (size_t)snprintf(called + at, sizeof(called) - at, i ? " %s" : "%s", argv[i]);
    snprintf(called + at, sizeof(called) - at, ")");
    assert_null(argv[argc]);
    return 0;
}

#define TEST_COMMAND(id, path, args, help)                             \
    static int id##_run(struct command_out *to, int argc, char **argv) \
    {                                                                  \
        (void)to;                                                      \
        return record(path, argc, argv);                               \
    }                                                                  \
    CONSOLE_COMMAND(id, path, args, help, id##_run)

TEST_COMMAND(t_interfaces, "show interfaces", "[PORT]", "ports");
TEST_COMMAND(t_brief, "show interfaces brief", "", "short");
TEST_COMMAND(t_interrupts, "show interrupts", "", "lines");
TEST_COMMAND(t_route, "show ip route", "[A.B.C.D]", "routes");
TEST_COMMAND(t_ping, "ping", "A.B.C.D [count N] [size N]", "echo");
TEST_COMMAND(t_log, "log", "", "whole word");
TEST_COMMAND(t_logger, "logger", "", "longer word");
TEST_COMMAND(t_mode, "mode", "red|blue|[green]", "literals");

static int usage(struct command_out *to, int argc, char **argv)
{
    (void)to, (void)argc, (void)argv;
    return COMMAND_USAGE;
}
CONSOLE_COMMAND(t_usage, "usage", "WHAT", "always wrong", usage);

static int fails(struct command_out *to, int argc, char **argv)
{
    (void)argc, (void)argv;
    command_print(to, "no\n");
    return -EIO;
}
CONSOLE_COMMAND(t_fail, "fail", "", "fails", fails);

static int setup(void **state)
{
    (void)state;
    struct config_report report = {NULL, {0}};
    host_fail_after(HOST_NEVER);
    if (out.mode)
        command_line(&out, "abort");
    struct config *empty = config_new(); // forget what an earlier test left running
    assert_int_equal(config_apply(empty, &report), 0);
    fake_net_reset(2, 1);
    output[0] = called[0] = '\0';
    return 0;
}

static void test_execute(void **state)
{
    static const struct {
        const char *line;
        int result;
        const char *called, *output;
    } cases[] = {
        {"show interfaces", 0, "show interfaces()", ""},
        {"  sh  interf\t", 0, "show interfaces()", ""},
        {"show interf eth0", 0, "show interfaces(eth0)", ""},
        {"show interf b", 0, "show interfaces brief()", ""},
        {"s ip r 1.2.3.4", 0, "show ip route(1.2.3.4)", ""},
        {"p 1.2.3.4 count 3", 0, "ping(1.2.3.4 count 3)", ""},
        {"log", 0, "log()", ""}, // the whole word wins over "logger"
        {"logg", 0, "logger()", ""},
        {"", 0, "", ""},
        {"   ", 0, "", ""},
        {"! comment", 0, "", ""},
        {"# comment", 0, "", ""},
        {"lo", -EINVAL, "", "'lo' is ambiguous\n"},
        {"sh int", -EINVAL, "", "'int' is ambiguous\n"},
        {"sh ip", -EINVAL, "", "incomplete command ('?' shows what may follow)\n"},
        {"show", -EINVAL, "", "incomplete command ('?' shows what may follow)\n"},
        {"foo", -EINVAL, "", "unknown word 'foo'\n"},
        {"show foo", -EINVAL, "", "unknown word 'foo'\n"},
        {"showx", -EINVAL, "", "unknown word 'showx'\n"},
        {"SHOW interfaces", -EINVAL, "", "unknown word 'SHOW'\n"},
        {"show interrupts now", -EINVAL, "", "unexpected 'now' after 'show interrupts'\n"},
        {"usage", -EINVAL, "", "usage: usage WHAT\n"},
        {"fail", -EIO, "", "no\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setup(state);
        assert_int_equal(command_execute(&out, cases[i].line), cases[i].result);
        assert_string_equal(called, cases[i].called);
        assert_string_equal(output, cases[i].output);
    }
}

static void test_long_lines(void **state)
{
    (void)state;
    char line[1000];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    assert_int_equal(command_execute(&out, line), -E2BIG);
    for (size_t i = 1; i < LINE_TEXT_MAX - 1; i += 2) // as many words as fit
        line[i] = ' ';
    line[LINE_TEXT_MAX - 1] = '\0';
    assert_int_equal(command_execute(&out, line), -EINVAL);
    // One piece of output is cut, not overrun.
    memset(line, 'y', sizeof(line) - 1);
    output[0] = '\0';
    command_print(&out, "%s", line);
    assert_int_equal(strlen(output), 511);
}

static void test_help(void **state)
{
    static const struct {
        const char *text, *output;
    } cases[] = {
        {"show ", "\n"
                  "  interfaces [PORT]                  ports\n"
                  "  interfaces brief                   short\n"
                  "  interrupts                         lines\n"
                  "  ip route [A.B.C.D]                 routes\n"
                  "  running-config                     configuration in force\n"},
        {"sh inte", "\n"
                    "  interfaces [PORT]                  ports\n"
                    "  interfaces brief                   short\n"
                    "  interrupts                         lines\n"},
        {"sh interf ", "\n"
                       "  [PORT]                             ports\n"
                       "  brief                              short\n"},
        {"sh int ", "\n"}, // ambiguous: nothing is known to follow
        {"sh interr ", "\n  <Enter>                            lines\n"},
        {"ping 1.2.3.4 ", "\n  A.B.C.D [count N] [size N]         echo\n"},
        {"lo", "\n"
               "  log                                whole word\n"
               "  logger                             longer word\n"},
        {"foo ", "\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setup(state);
        command_help(&out, cases[i].text, strlen(cases[i].text));
        assert_string_equal(output, cases[i].output);
    }
    setup(state);
    command_help(&out, "", 0);
    assert_non_null(strstr(output, "\n  configure  "));
    assert_non_null(strstr(output, "\n  usage WHAT  "));
}

static void test_complete(void **state)
{
    static const struct {
        const char *text, *added;
        bool listed;
    } cases[] = {
        {"sh", "ow ", false},
        {"show", " ", false},
        {"show int", "er", false}, // interfaces, interrupts
        {"show inter", "", true},
        {"show interf", "aces ", false},
        {"show interfaces b", "rief ", false},
        {"show interfaces e", "th", false}, // eth0, eth1
        {"show interfaces eth", "", true},
        {"show interfaces eth1", " ", false},
        {"show interfaces x", "", false},
        {"lo", "g", false},
        {"log", "", true},
        {"foo", "", false},
        {"", "", true},
        {"ping ", "", false},
        {"ping 1.2.3.4 ", "count ", false},
        {"ping 1.2.3.4 count 4 s", "ize ", false},
        {"mode ", "", true},
        {"mode b", "lue ", false},
        {"mode g", "reen ", false},
        {"mode blue ", "", false},
        {"config t", "erminal ", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char added[LINE_TEXT_MAX] = "";
        setup(state);
        size_t len =
            command_complete(&out, cases[i].text, strlen(cases[i].text), added, sizeof(added));
        assert_int_equal(len, strlen(cases[i].added));
        assert_string_equal(added, cases[i].added);
        assert_true((output[0] != '\0') == cases[i].listed);
    }
}

// Any bytes before the cursor, at any length, ask for help and completion without harm.
static void test_random_text(void **state)
{
    (void)state;
    static const char alphabet[] = "showinterfacesping route0124.eth ! \t";
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        char text[300], added[LINE_TEXT_MAX];
        size_t len = (random >> 40) % (i % 10 ? 20 : sizeof(text));
        for (size_t j = 0; j < len; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[j] = alphabet[(random >> 33) % (sizeof(alphabet) - 1)];
        }
        random = random * 6364136223846793005u + 1442695040888963407u;
        output[0] = called[0] = '\0';
        command_help(&out, text, len);
        command_complete(&out, text, len, added, sizeof(added));
    }
}

// ---- configure -------------------------------------------------------------------------------

static const char *type(const char *line)
{
    output[0] = '\0';
    command_line(&out, line);
    return output;
}

static const char *prompt(void) { return out.mode ? out.mode->prompt() : ""; }

static char state_text[4096];
#define STATE() fake_net_state(state_text, sizeof(state_text))
#define IDLE "eth0 0 1500 0:\neth1 0 1500 0:\n"

static void test_configure(void **state)
{
    (void)state;
    assert_string_equal(type("conf t"), "");
    assert_string_equal(prompt(), "(config)");
    assert_string_equal(type("interface eth0"), "");
    assert_string_equal(prompt(), "(config-if)");
    assert_string_equal(type(" ip address 10.0.0.1/24"), "");
    assert_string_equal(type("exit"), "");
    assert_string_equal(prompt(), "(config)");
    assert_string_equal(type("hostname lab"), "");
    assert_string_equal(STATE(), IDLE); // nothing is in force before commit
    assert_string_equal(type("show"), "hostname lab\ninterface eth0\n ip address 10.0.0.1/24\n!\n");
    assert_string_equal(type("do show running-config"), "hostname sluice\n");
    assert_string_equal(type("exit"), "there are uncommitted changes: 'commit' or 'abort' first\n");
    assert_string_equal(type("end"), "there are uncommitted changes: 'commit' or 'abort' first\n");
    assert_string_equal(type("commit"), "applied\n");
    assert_string_equal(STATE(), "eth0 1 1500 0: 0a000001/24\neth1 0 1500 0:\n");
    assert_string_equal(type("end"), "");
    assert_string_equal(prompt(), "");
    assert_string_equal(type("show run"),
                        "hostname lab\ninterface eth0\n ip address 10.0.0.1/24\n!\n");
}

static void test_abort(void **state)
{
    (void)state;
    type("configure");
    type("hostname lost");
    assert_string_equal(type("abort"), "");
    assert_string_equal(prompt(), "");
    assert_string_equal(type("show run"), "hostname sluice\n");
    type("configure");
    assert_string_equal(type("show"), "hostname sluice\n");
    assert_string_equal(type("exit"), ""); // nothing changed: nothing to lose
    assert_string_equal(prompt(), "");
}

// A pasted text with a wrong line is not applied in part by its own commit.
static void test_refused_lines(void **state)
{
    (void)state;
    type("configure");
    type("interface eth0");
    assert_string_equal(type(" ip address 10.0.0.300/24"),
                        "error: '10.0.0.300/24' is not an address with prefix length "
                        "(A.B.C.D/L)\n");
    assert_string_equal(prompt(), "(config-if)");
    assert_string_equal(type(" ip addres 10.0.0.1/24 x"),
                        "error: expected 'ip address A.B.C.D/L'\n");
    assert_string_equal(type("sh"), "error: 'sh' is ambiguous\n"); // show, shutdown
    assert_string_equal(type("commit"), "not applied: 3 lines were refused; 'commit' again applies "
                                        "the rest, 'show' prints it\n");
    assert_string_equal(STATE(), IDLE);
    assert_string_equal(type("commit"), "applied\n");
    assert_string_equal(STATE(), "eth0 1 1500 0:\neth1 0 1500 0:\n");
    assert_string_equal(type("foo"), "error: unknown word 'foo'\n");
    assert_string_equal(type("end"), ""); // nothing changed since
}

static void test_commit_failures(void **state)
{
    (void)state;
    type("configure");
    type("interface eth0");
    type(" ip address 10.0.0.1/24");
    type("ip route 11.0.0.0/8 10.0.0.1");
    assert_string_equal(type("commit"), "error: gateway 10.0.0.1 is an address of this machine\n"
                                        "not applied: the running configuration is as it was\n");
    type("ip route 11.0.0.0/8 10.0.0.2");
    fake_net_fail_after(1, 1);
    assert_string_equal(type("commit"),
                        "error: cannot add address 10.0.0.1/24 of eth0: out of memory\n"
                        "not applied: the running configuration is as it was\n");
    assert_string_equal(STATE(), IDLE);
    host_fail_after(0);
    assert_string_equal(type("commit"), "error: out of memory\n"
                                        "not applied: the running configuration is as it was\n");
    assert_string_equal(type("do configure"), "somebody is configuring already\n");
    host_fail_after(HOST_NEVER);
    assert_string_equal(type("commit"), "applied\n"); // the candidate was kept
    host_fail_after(0);
    type("end");
    assert_string_equal(type("configure"), "out of memory\n");
    assert_string_equal(prompt(), "");
}

static void test_no_forms(void **state)
{
    (void)state;
    type("configure");
    assert_string_equal(type("ip route 11.0.0.0/8 reject"), "");
    assert_string_equal(type("no ip route 11.0.0.0/8"), "");
    assert_string_equal(type("no commit"), "error: unknown word 'commit'\n");
    assert_string_equal(type("no exit"), "error: 'exit' has no 'no' form\n");
    assert_string_equal(type("no"), "error: incomplete command ('?' shows what may follow)\n");
    assert_string_equal(type("! comment"), "");
    type("interface eth0");
    assert_string_equal(type("no sh"), ""); // only `shutdown` has a `no` form
    assert_string_equal(type("show int eth1"), "'int' is ambiguous\n");
    assert_string_equal(type("show interf eth1"), "");
    assert_string_equal(called, "show interfaces(eth1)");
    assert_string_equal(type("show foo"), "unknown word 'foo'\n");
    assert_string_equal(prompt(), "(config-if)");
}

static void test_mode_help(void **state)
{
    (void)state;
    char added[LINE_TEXT_MAX];
    type("configure");
    output[0] = '\0';
    command_help(&out, "no ip ", 6);
    assert_string_equal(output, "\n  address A.B.C.D/L                  IPv4 address of the port\n"
                                "  route A.B.C.D/L GATEWAY|blackhole|reject static route\n");
    assert_int_equal(command_complete(&out, "do sh", 5, added, sizeof(added)), 3);
    assert_string_equal(added, "ow ");
    assert_int_equal(command_complete(&out, "show ip r", 9, added, sizeof(added)), 5);
    assert_int_equal(command_complete(&out, "no sh", 5, added, sizeof(added)), 7);
    assert_int_equal(command_complete(&out, "com", 3, added, sizeof(added)), 4);
    assert_int_equal(command_complete(&out, "interface e", 11, added, sizeof(added)), 2);
    assert_int_equal(command_complete(&out, "ip route 1.0.0.0/8 b", 20, added, sizeof(added)), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_execute, setup),
        cmocka_unit_test_setup(test_long_lines, setup),
        cmocka_unit_test_setup(test_help, setup),
        cmocka_unit_test_setup(test_complete, setup),
        cmocka_unit_test_setup(test_random_text, setup),
        cmocka_unit_test_setup(test_configure, setup),
        cmocka_unit_test_setup(test_abort, setup),
        cmocka_unit_test_setup(test_refused_lines, setup),
        cmocka_unit_test_setup(test_commit_failures, setup),
        cmocka_unit_test_setup(test_no_forms, setup),
        cmocka_unit_test_setup(test_mode_help, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
