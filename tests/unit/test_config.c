// SPDX-License-Identifier: BSD-2-Clause
//
// Configuration: every kind of line and every error with its line number, canonical text that
// parses back, garbage, applying as a difference with a failure at every step, and the three
// sources at boot.
//
// unit-sources: apps/common/address.c apps/common/verb.c apps/common/errors.c
// unit-sources: apps/common/config.c apps/common/config_parse.c apps/common/config_rules.c
// unit-sources: apps/common/config_check.c apps/common/config_cpus.c apps/common/config_print.c
// unit-sources: apps/common/config_apply.c apps/common/config_boot.c
// unit-sources: core/lib/fmt.c tests/unit/fake_net.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common/config.h"
#include "core/debug/log.h"
#include "core/posix/file.h"
#include "drivers/firmware/fw_cfg.h"
#include "fake_net.h"
#include "host.h"
#include "mm/slab.h"

#define TEXT_MAX 65536

// ---- What the configuration sees of the rest -------------------------------------------------

static char log_text[TEXT_MAX];
static enum log_level level = LOG_INFO;

void log_write(enum log_level severity, const char *fmt, ...)
{
    size_t at = strlen(log_text);
    va_list args;
    va_start(args, fmt);
    at += (size_t)snprintf(log_text + at, sizeof(log_text) - at, "<%d> ", (int)severity);
    at += (size_t)vsnprintf(log_text + at, sizeof(log_text) - at, fmt, args);
    snprintf(log_text + at, sizeof(log_text) - at, "\n");
    va_end(args);
}
void log_set_level(enum log_level to) { level = to; }
enum log_level log_get_level(void) { return level; }
void console_write(const char *text, size_t len) { (void)text, (void)len; }

static const char *fw_cfg_text, *initrd_text; // NULL: there is none
static int fw_cfg_error;

int fw_cfg_read_file(const char *name, void **data, size_t *len)
{
    assert_string_equal(name, "opt/org.sluice/config");
    if (fw_cfg_error || !fw_cfg_text)
        return fw_cfg_error ? fw_cfg_error : -ENOENT;
    *len = strlen(fw_cfg_text);
    *data = kmalloc(*len + 1, GFP_KERNEL);
    memcpy(*data, fw_cfg_text, *len);
    return 0;
}

int initrd_find(const char *path, const void **data, size_t *len)
{
    assert_string_equal(path, "/etc/sluice.conf");
    if (!initrd_text)
        return -ENOENT;
    *data = initrd_text;
    *len = strlen(initrd_text);
    return 0;
}

// ---- Reports as text: "12E reason" or "3W reason", one a line ---------------------------------

static char reports[TEXT_MAX];

static void emit(struct config_report *report, enum config_severity severity, unsigned line,
                 const char *text)
{
    (void)report;
    size_t at = strlen(reports);
    snprintf(reports + at, sizeof(reports) - at, "%u%c %s\n", line,
             severity == CONFIG_ERROR ? 'E' : 'W', text);
}

static struct config *parse_len(const char *text, size_t len, int *err)
{
    struct config_report report = {.emit = emit};
    reports[0] = '\0';
    return config_parse(text, len, &report, err);
}

static struct config *parse(const char *text)
{
    int err;
    struct config *config = parse_len(text, strlen(text), &err);
    assert_true((config != NULL) == (err == 0));
    return config;
}

static void collect(void *arg, const char *line)
{
    char *text = arg;
    size_t at = strlen(text);
    assert_true(at + strlen(line) + 2 < TEXT_MAX);
    sprintf(text + at, "%s\n", line);
}

static char *print(const struct config *config, char *text)
{
    text[0] = '\0';
    config_print(config, collect, text);
    return text;
}

static int setup(void **state)
{
    (void)state;
    struct config_report report = {.emit = emit};
    host_fail_after(HOST_NEVER);
    fake_net_fail_after(-1, 0);
    struct config *empty = config_new(); // forget what an earlier test left running
    assert_int_equal(config_apply(empty, &report), 0);
    fake_net_reset(2, 1);
    reports[0] = log_text[0] = '\0';
    fw_cfg_text = initrd_text = NULL;
    fw_cfg_error = 0;
    level = LOG_INFO;
    return 0;
}

// ---- Good texts ------------------------------------------------------------------------------

static const char example[] = "hostname edge1\n"
                              "interface eth0\n"
                              " ip address 192.0.2.1/24\n"
                              " ipv6 address 2001:db8::1/64\n"
                              "!\n"
                              "interface eth1\n"
                              " ip address 198.51.100.1/24\n"
                              "!\n"
                              "arp 198.51.100.2 02:00:00:00:01:02\n"
                              "ip route 198.18.0.0/15 198.51.100.2\n"
                              "forwarding cpus 1-3\n";

static void test_example(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    struct config *config = parse(example);
    assert_non_null(config);
    assert_string_equal(reports, "4W 'ipv6 address 2001:db8::1/64' is kept but has no effect in "
                                 "this version\n"
                                 "11W forwarding CPUs left out: 1-3 not in this machine; the "
                                 "shared CPUs forward\n");
    assert_string_equal(print(config, text), example);
    config_free(config);
}

static const char everything[] = "hostname core-1.example.net\n"
                                 "log level 4\n"
                                 "interface eth0\n"
                                 " description uplink to the lab, rack 3\n"
                                 " ip address 10.0.0.1/8\n"
                                 " ip address 192.0.2.0/31\n"
                                 " ip address 192.0.2.9/32\n"
                                 " ipv6 address fe80::1/10\n"
                                 " ipv6 address ::ffff:0:0/96\n"
                                 " ipv6 address 1:0:0:2::3/128\n"
                                 " mtu 68\n"
                                 " host-only\n"
                                 " shutdown\n"
                                 "!\n"
                                 "interface eth1\n"
                                 "!\n"
                                 "arp 10.0.0.2 02:00:00:00:00:02\n"
                                 "arp 10.0.0.3 02:00:00:00:00:03\n"
                                 "ip route 0.0.0.0/0 10.0.0.2\n"
                                 "ip route 127.0.0.0/8 blackhole\n"
                                 "ip route 198.18.0.0/15 reject\n"
                                 "ip route 198.18.0.0/16 10.0.0.3\n"
                                 "forwarding cpus 1-3,5,1023\n";

static void test_round_trip(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    struct config *config = parse(everything);
    assert_non_null(config);
    assert_string_equal(print(config, text), everything);
    struct config *again = parse(text);
    assert_non_null(again);
    assert_true(config_equal(config, again));
    struct config *copy = config_copy(config);
    assert_true(config_equal(config, copy));
    copy->routes[1].gateway++;
    assert_false(config_equal(config, copy));
    config_free(copy);
    config_free(again);
    config_free(config);
}

// Every way of writing the same: order, case, blanks, line ends, short words, ends of blocks.
static void test_liberal_input(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    struct config *config = parse("  \t\r\n"
                                  "# a comment of any length and bytes: \x01\xff\r\n"
                                  "! another\n"
                                  "ip route 10.9.0.0/16 Null0\r\n"
                                  "int eth1\n"
                                  "\tip  addr\t10.1.0.1/16   \n"
                                  " no shutdown\n"
                                  " no host-only\n"
                                  "hostn r1\n" // ends the block, as in vtysh
                                  "interface eth0\n"
                                  "ip address 10.0.0.1/16\n"
                                  "exit\n"
                                  "forwarding cpus 1,2,3,2-4\n"
                                  "arp 10.0.0.9 AA-bb-CC-dd-EE-ff\n"
                                  "interface eth1\n"
                                  " mtu 1400\n"
                                  " mtu 1300\n"
                                  "end");
    assert_non_null(config);
    assert_string_equal(print(config, text), "hostname r1\n"
                                             "interface eth0\n"
                                             " ip address 10.0.0.1/16\n"
                                             "!\n"
                                             "interface eth1\n"
                                             " ip address 10.1.0.1/16\n"
                                             " mtu 1300\n"
                                             "!\n"
                                             "arp 10.0.0.9 aa:bb:cc:dd:ee:ff\n"
                                             "ip route 10.9.0.0/16 blackhole\n"
                                             "forwarding cpus 1-4\n");
    config_free(config);
    config = parse("");
    assert_non_null(config);
    assert_string_equal(print(config, text), "hostname sluice\n");
    config_free(config);
}

// ---- Wrong lines -----------------------------------------------------------------------------

#define BLOCK0 "interface eth0\n"

static const struct {
    const char *text, *reports;
} wrong[] = {
    {"foo\n", "1E unknown command 'foo'\n"},
    {"\n\nip rout 1.2.3.0/24\n", "3E expected 'ip route A.B.C.D/L GATEWAY|blackhole|reject'\n"},
    {"ip foo", "1E unknown word 'foo' after 'ip'\n"},
    {"ip", "1E incomplete command\n"},
    {"no", "1E incomplete command\n"},
    {"h", "1E 'h' is ambiguous\n"},
    {"exit 1", "1E unexpected '1' after 'exit'\n"},
    {"no exit", "1E 'exit' has no 'no' form\n"},
    {"no ip route 10.0.0.0/8", "1E 'no ip route' is for configure mode; leave the line out here\n"},
    {"hostname a\x07", "1E byte 0x07 is not printable ASCII\n"},
    {"hostname \xc3\xbc", "1E byte 0xc3 is not printable ASCII\n"},
    {"hostname", "1E expected 'hostname NAME'\n"},
    {"hostname a b", "1E expected 'hostname NAME'\n"},
    {"hostname -a", "1E '-a' is not a host name (letters, digits, '-' and '.')\n"},
    {"hostname a.", "1E 'a.' is not a host name (letters, digits, '-' and '.')\n"},
    {"hostname a..b", "1E 'a..b' is not a host name (letters, digits, '-' and '.')\n"},
    {"hostname a-.b", "1E 'a-.b' is not a host name (letters, digits, '-' and '.')\n"},
    {"hostname a_b", "1E 'a_b' is not a host name (letters, digits, '-' and '.')\n"},
    {"hostname x23456789012345678901234567890123456789012345678901234567890123x",
     "1E host name longer than 63 characters\n"},
    {"log level 8", "1E log level '8' is not 0 to 7\n"},
    {"log level x", "1E log level 'x' is not 0 to 7\n"},
    {"interface eth2\n ip address 10.0.0.1/8\n mtu 1\n host-only\n ip address 10.0.0.1/8\n",
     "1E no interface 'eth2' (this machine has eth0, eth1)\n3E MTU '1' is not 68 to 65535\n"},
    {"ip address 10.0.0.1/8", "1E 'ip address' belongs into an 'interface' block\n"},
    {BLOCK0 "!\nmtu 1500", "3E 'mtu' belongs into an 'interface' block\n"},
    {BLOCK0 " mtu 67", "2E MTU '67' is not 68 to 1500\n"},
    {BLOCK0 " mtu 1501", "2E MTU '1501' is not 68 to 1500\n"},
    {BLOCK0 " mtu 99999999999999999999", "2E MTU '99999999999999999999' is not 68 to 1500\n"},
    {BLOCK0 " shutdown now", "2E unexpected 'now' after 'shutdown'\n"},
    {BLOCK0 " ip address 10.0.0.1",
     "2E '10.0.0.1' is not an address with prefix length (A.B.C.D/L)\n"},
    {BLOCK0 " ip address 10.0.0.256/8",
     "2E '10.0.0.256/8' is not an address with prefix length (A.B.C.D/L)\n"},
    {BLOCK0 " ip address 10.0.0.01/8",
     "2E '10.0.0.01/8' is not an address with prefix length (A.B.C.D/L)\n"},
    {BLOCK0 " ip address 10.0.0.1/33",
     "2E '10.0.0.1/33' is not an address with prefix length (A.B.C.D/L)\n"},
    {BLOCK0 " ip address 10.0.0.1/0", "2E the prefix length of an interface is 1 to 32\n"},
    {BLOCK0 " ip address 10.0.0.0/8", "2E 10.0.0.0/8 is the network address of 10.0.0.0/8\n"},
    {BLOCK0 " ip address 10.0.0.3/30", "2E 10.0.0.3/30 is the broadcast address of 10.0.0.0/30\n"},
    {BLOCK0 " ip address 224.0.0.1/8", "2E 224.0.0.1/8 is not an address that a host may have\n"},
    {BLOCK0 " ip address 127.0.0.1/8", "2E 127.0.0.1/8 is not an address that a host may have\n"},
    {BLOCK0 " ip address 0.0.0.1/8", "2E 0.0.0.1/8 is not an address that a host may have\n"},
    {BLOCK0 " ip address 10.0.0.1/8\n ip address 10.0.0.1/8",
     "3E 10.0.0.1/8 is an address of eth0 already (line 2)\n"},
    {BLOCK0 " ip address 10.0.0.1/8\ninterface eth1\n ip address 10.0.0.1/24",
     "4E 10.0.0.1/8 is an address of eth0 already (line 2)\n"},
    {BLOCK0 " ip address 10.0.0.1/8\ninterface eth1\n ip address 10.1.0.1/16",
     "4E 10.1.0.1/16 overlaps with 10.0.0.1/8 of eth0 (line 2)\n"},
    {BLOCK0 " ipv6 address 2001:db8::1",
     "2E '2001:db8::1' is not an IPv6 address with prefix length (X:X::X/L)\n"},
    {BLOCK0 " ipv6 address ff02::1/64",
     "2E 'ff02::1/64' is not an IPv6 address with prefix length (X:X::X/L)\n"},
    {BLOCK0 " ipv6 address ::/64",
     "2E '::/64' is not an IPv6 address with prefix length (X:X::X/L)\n"},
    {BLOCK0 " ipv6 address 2001::1/64\n ipv6 address 2001:0::1/64",
     "2W 'ipv6 address 2001::1/64' is kept but has no effect in this version\n"
     "3E 2001:0::1/64 was given already\n"},
    {"arp 10.0.0.1", "1E expected 'arp A.B.C.D MAC'\n"},
    {"arp 10.0.0 02:00:00:00:00:01", "1E '10.0.0' is not a host's IPv4 address\n"},
    {"arp 224.0.0.1 02:00:00:00:00:01", "1E '224.0.0.1' is not a host's IPv4 address\n"},
    {"arp 10.0.0.1 02:00:00:00:00", "1E '02:00:00:00:00' is not a MAC address "
                                    "(XX:XX:XX:XX:XX:XX)\n"},
    {"arp 10.0.0.1 02:00-00:00:00:01", "1E '02:00-00:00:00:01' is not a MAC address "
                                       "(XX:XX:XX:XX:XX:XX)\n"},
    {"arp 10.0.0.1 03:00:00:00:00:01", "1E 03:00:00:00:00:01 is not the MAC address of one "
                                       "station\n"},
    {"arp 10.0.0.1 00:00:00:00:00:00", "1E 00:00:00:00:00:00 is not the MAC address of one "
                                       "station\n"},
    {"arp 10.0.0.1 02:00:00:00:00:01\narp 10.0.0.2 02:00:00:00:00:02\n"
     "arp 10.0.0.1 02:00:00:00:00:02",
     "1W 10.0.0.1 is in no subnet of an interface: the entry is inactive\n"
     "3E 10.0.0.1 has an 'arp' line already (line 1)\n"},
    {"arp 10.0.0.1 02:00:00:00:00:01\n" BLOCK0 " ip address 10.0.0.1/8",
     "1E 10.0.0.1 is an address of this machine\n"},
    {"ip route 10.0.0.0 10.1.1.1", "1E '10.0.0.0' is not a prefix (A.B.C.D/L)\n"},
    {"ip route 10.0.1.0/8 10.1.1.1", "1E 10.0.1.0/8 has host bits set; the prefix is 10.0.0.0/8\n"},
    {"ip route 10.0.0.0/8 nowhere",
     "1E 'nowhere' is not a gateway (A.B.C.D, blackhole or reject)\n"},
    {"ip route 10.0.0.0/8 224.0.0.1",
     "1E '224.0.0.1' is not a gateway (A.B.C.D, blackhole or reject)\n"},
    {"ip route 224.0.0.0/4 10.0.0.1", "1E 224.0.0.0/4 is not a unicast destination\n"},
    {"ip route 127.1.0.0/16 10.0.0.1", "1E 127.1.0.0/16 is not a unicast destination\n"},
    {"ip route 10.0.0.0/8 reject\nip route 10.0.0.0/8 blackhole",
     "2E 10.0.0.0/8 has a route already (line 1)\n"},
    {BLOCK0 " ip address 10.0.0.1/8\nip route 11.0.0.0/8 10.0.0.1",
     "3E gateway 10.0.0.1 is an address of this machine\n"},
    {"forwarding cpus x", "1E 'x' is not a list of CPUs such as 1-3,5\n"},
    {"forwarding cpus 3-1", "1E '3-1' is not a list of CPUs such as 1-3,5\n"},
    {"forwarding cpus 1,", "1E '1,' is not a list of CPUs such as 1-3,5\n"},
    {"forwarding cpus 1024", "1E CPU numbers go up to 1023\n"},
    {"forwarding cpus 99999999999999999999", "1E CPU numbers go up to 1023\n"},
    // Every wrong line is named, not just the first.
    {"foo\nhostname r1\nbar\n" BLOCK0 " mtu 1\n mtu 2\n",
     "1E unknown command 'foo'\n3E unknown command 'bar'\n5E MTU '1' is not 68 to 1500\n"
     "6E MTU '2' is not 68 to 1500\n"},
};

static void test_wrong_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_null(parse(wrong[i].text));
        assert_string_equal(reports, wrong[i].reports);
    }
}

static void test_warnings(void **state)
{
    (void)state;
    static const struct {
        unsigned cpus;
        const char *text, *reports;
    } cases[] = {
        {1, "forwarding cpus 0",
         "1W forwarding CPUs left out: 0 runs everything else; the shared "
         "CPUs forward\n"},
        {4, "forwarding cpus 0-5,9",
         "1W forwarding CPUs left out: 0 runs everything else, 4-5,9 not in this machine, 1-3 not "
         "isolated; the shared CPUs forward\n"},
        {1, "ip route 10.0.0.0/8 192.0.2.1",
         "1W gateway 192.0.2.1 is in no subnet of an interface: the route is inactive\n"},
        {1, BLOCK0 " ip address 192.0.2.2/24\nip route 10.0.0.0/8 192.0.2.1", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fake_net_reset(2, cases[i].cpus);
        struct config *config = parse(cases[i].text);
        assert_non_null(config);
        assert_string_equal(reports, cases[i].reports);
        config_free(config);
    }
}

static void test_no_ports(void **state)
{
    (void)state;
    fake_net_reset(0, 1);
    assert_null(parse(BLOCK0));
    assert_string_equal(reports, "1E no interface 'eth0' (this machine has no network ports)\n");
}

static void test_limits(void **state)
{
    (void)state;
    char text[512];
    int err;
    // A description of 127 characters is the longest, a line of 255 too.
    snprintf(text, sizeof(text), BLOCK0 " description %0127d", 7);
    config_free(parse(text));
    assert_string_equal(reports, "");
    snprintf(text, sizeof(text), BLOCK0 " description %0128d", 7);
    assert_null(parse(text));
    assert_string_equal(reports, "2E description longer than 127 characters\n");
    snprintf(text, sizeof(text), "%0256d", 7);
    assert_null(parse(text));
    assert_string_equal(reports, "1E line longer than 255 characters\n");
    snprintf(text, sizeof(text), "forwarding cpus %0201d", 1);
    assert_null(parse(text));
    assert_string_equal(reports, "1E list longer than 200 characters\n");
    // 20 errors are told, the rest is counted.
    char *many = malloc(CONFIG_TEXT_MAX + 2);
    memset(many, '\n', CONFIG_TEXT_MAX + 2);
    for (int i = 0; i < 25; i++)
        memcpy(many + 4 * i, "foo\n", 4);
    assert_null(parse_len(many, 100, &err));
    assert_non_null(strstr(reports, "20E unknown command 'foo'\n0E 5 further errors not shown\n"));
    assert_null(strstr(reports, "21E"));
    memset(many, '\n', 100);
    struct config *config = parse_len(many, CONFIG_TEXT_MAX, &err);
    assert_non_null(config);
    config_free(config);
    assert_null(parse_len(many, CONFIG_TEXT_MAX + 1, &err));
    assert_int_equal(err, -E2BIG);
    assert_string_equal(reports, "0E text of 1048577 bytes is longer than 1048576\n");
    free(many);
}

static void test_too_many_addresses(void **state)
{
    (void)state;
    char text[TEXT_MAX] = BLOCK0;
    for (int i = 0; i < IP4_ADDRESSES_MAX + 1; i++)
        sprintf(text + strlen(text), " ip address 10.0.%d.1/24\n", i);
    assert_null(parse(text));
    assert_string_equal(reports, "18E more than 16 addresses\n");
}

// Tens of thousands of routes: grown, sorted, applied, and one more than allowed refused.
static void test_many_routes(void **state)
{
    (void)state;
    char *text = malloc(4 << 20);
    size_t at = (size_t)sprintf(text, BLOCK0 " ip address 10.0.0.1/24\n");
    unsigned i = 0;
    // 37 is odd, so i*37 visits every 16-bit value: an order that is not sorted.
    for (; at + 40 < CONFIG_TEXT_MAX && i < 30000; i++) {
        unsigned n = (i * 37) & 0xffff;
        at += (size_t)sprintf(text + at, "ip route 20.%u.%u.0/24 10.0.0.2\n", n >> 8, n & 255);
    }
    int err;
    struct config *config = parse_len(text, at, &err);
    assert_non_null(config);
    assert_int_equal(config->route_count, i);
    for (size_t j = 1; j < config->route_count; j++)
        assert_true(config->routes[j - 1].prefix < config->routes[j].prefix);
    config_free(config);
    free(text);
    config = config_new();
    struct config_route route = {.prefix = 0, .len = 32, .kind = ROUTE_REJECT};
    for (i = 0; i < CONFIG_ROUTES_MAX; i++)
        assert_int_equal(config_add_route(config, &route), 0);
    assert_int_equal(config_add_route(config, &route), -ENOSPC);
    config_free(config);
}

// ---- Bytes from anywhere ---------------------------------------------------------------------

static uint64_t random_state = 1;
static uint32_t random32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

// Exact-size heap copy, so that ASan sees a read past the end.
static void try_bytes(const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    int err;
    size_t before = host_allocations();
    struct config *config = parse_len(copy, len, &err);
    free(copy);
    if (config) { // what was accepted must survive the round trip
        char *text = malloc(TEXT_MAX);
        struct config *again = parse(print(config, text));
        assert_non_null(again);
        assert_true(config_equal(config, again));
        config_free(again);
        config_free(config);
        free(text);
    }
    assert_int_equal(host_allocations(), before);
}

static void test_garbage(void **state)
{
    (void)state;
    char bytes[300];
    for (int round = 0; round < 3000; round++) {
        size_t len = random32() % sizeof(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)random32();
        try_bytes(bytes, len);
    }
}

static void test_mutated(void **state)
{
    (void)state;
    static const char alphabet[] = " \n/.:-,!#0129aefhx";
    char bytes[sizeof(everything)];
    for (int round = 0; round < 10000; round++) {
        memcpy(bytes, everything, sizeof(bytes));
        size_t len = sizeof(bytes) - 1;
        for (unsigned i = random32() % 4 + 1; i; i--) {
            size_t at = random32() % len;
            if (random32() % 3 == 0)
                memmove(bytes + at, bytes + at + 1, --len - at);
            else
                bytes[at] = alphabet[random32() % (sizeof(alphabet) - 1)];
        }
        try_bytes(bytes, random32() % 8 ? len : random32() % len);
    }
}

// Words of the grammar in any order reach deep into the handlers.
static void test_shuffled_words(void **state)
{
    (void)state;
    static const char *const words[] = {"hostname",
                                        "interface",
                                        "eth0",
                                        "eth1",
                                        "ip",
                                        "ipv6",
                                        "address",
                                        "route",
                                        "arp",
                                        "mtu",
                                        "no",
                                        "shutdown",
                                        "host-only",
                                        "description",
                                        "forwarding",
                                        "cpus",
                                        "log",
                                        "level",
                                        "exit",
                                        "10.0.0.1/8",
                                        "10.0.0.0/8",
                                        "10.1.0.1/16",
                                        "10.0.0.2",
                                        "1-3",
                                        "7",
                                        "1400",
                                        "blackhole",
                                        "02:00:00:00:00:01",
                                        "2001:db8::1/64",
                                        "::1.2.3.4/96",
                                        "!",
                                        "#",
                                        "\n",
                                        "\n",
                                        "\n"};
    char text[2048];
    for (int round = 0; round < 10000; round++) {
        size_t at = 0;
        for (unsigned i = random32() % 60; i; i--)
            at += (size_t)sprintf(text + at, "%s ", words[random32() % ARRAY_SIZE(words)]);
        try_bytes(text, at);
    }
}

static void test_parse_out_of_memory(void **state)
{
    (void)state;
    for (long i = 0;; i++) {
        int err;
        host_fail_after(i);
        struct config *config = parse_len(everything, strlen(everything), &err);
        host_fail_after(HOST_NEVER);
        if (config) {
            config_free(config);
            assert_true(i > 1);
            return;
        }
        assert_int_equal(err, -ENOMEM);
        assert_non_null(strstr(reports, "0E out of memory\n"));
    }
}

// ---- Addresses -------------------------------------------------------------------------------

static void test_ipv6(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; // out NULL: wrong
    } cases[] = {
        {"::/0", "::"},
        {"::1/128", "::1"},
        {"1::/16", "1::"},
        {"2001:DB8:0:0:1:0:0:1/64", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1/64", "2001:db8:0:1:1:1:1:1"},
        {"1:2:3:4:5:6:7:8/64", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7::/64", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8/64", "0:2:3:4:5:6:7:8"},
        {"::ffff:1.2.3.4/96", "::ffff:102:304"},
        {"1:2:3:4:5:6:1.2.3.4/9", "1:2:3:4:5:6:102:304"},
        {"0:0:0:0:0:0:0:1/1", "::1"},
        {"1:2:3:4:5:6:7:8::/64", NULL},
        {"1::2::3/64", NULL},
        {":1::/64", NULL},
        {"1:/64", NULL},
        {"1:2/64", NULL},
        {":::/64", NULL},
        {"1:::2/64", NULL},
        {"12345::/64", NULL},
        {"::g/64", NULL},
        {"::/129", NULL},
        {"::/", NULL},
        {"::", NULL},
        {"", NULL},
        {"/64", NULL},
        {"::/64 ", NULL},
        {"::1.2.3.4:5/96", NULL},
        {"::1.2.3/96", NULL},
        {"::1.2.3.256/96", NULL},
        {"1:2:3:4:5:6:7:1.2.3.4/96", NULL},
        {"1.2.3.4/24", NULL},
        {"1:2:3:4:5:6:7:8:9/64", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ip6_prefix prefix;
        char text[IP6_TEXT_MAX];
        assert_int_equal(ip6_parse_prefix(cases[i].in, &prefix), cases[i].out ? 0 : -EINVAL);
        if (cases[i].out)
            assert_string_equal(ip6_format(prefix.addr, text), cases[i].out);
    }
}

// ---- Applying --------------------------------------------------------------------------------

static char state_text[2][TEXT_MAX];
#define STATE(i) fake_net_state(state_text[i], TEXT_MAX)

static int apply(const char *text)
{
    struct config_report report = {.emit = emit};
    struct config *config = parse(text);
    assert_non_null(config);
    reports[0] = '\0';
    int err = config_apply(config, &report);
    if (err)
        config_free(config);
    return err;
}

static const char text_a[] = "hostname a\n"
                             "log level 3\n"
                             "interface eth0\n"
                             " ip address 10.0.0.1/24\n"
                             " ip address 10.0.1.1/24\n"
                             " ip address 10.0.2.1/24\n"
                             "interface eth1\n"
                             " ip address 10.1.0.1/24\n"
                             "arp 10.0.0.2 02:00:00:00:00:02\n"
                             "arp 10.0.0.3 02:00:00:00:00:03\n"
                             "ip route 20.0.0.0/8 10.0.0.2\n"
                             "ip route 21.0.0.0/8 10.0.0.2\n"
                             "ip route 22.0.0.0/8 reject\n";

// Addresses change order and port, a port gets other settings, routes and neighbours come, change
// and go.
static const char text_b[] = "hostname b\n"
                             "interface eth0\n"
                             " ip address 10.0.0.1/24\n"
                             " ip address 10.0.2.1/24\n"
                             " ip address 10.1.0.1/24\n"
                             " host-only\n"
                             "interface eth1\n"
                             " ip address 10.0.1.1/25\n"
                             " mtu 1400\n"
                             "arp 10.0.0.3 02:00:00:00:00:04\n"
                             "arp 10.0.0.4 02:00:00:00:00:05\n"
                             "ip route 21.0.0.0/8 10.0.0.3\n"
                             "ip route 22.0.0.0/8 blackhole\n"
                             "ip route 22.0.0.0/9 reject\n"
                             "ip route 23.0.0.0/8 10.0.0.2\n";

static const char *const state_b = "eth0 1 1500 2: 0a000001/24 0a000201/24 0a010001/24\n"
                                   "eth1 1 1400 0: 0a000101/25\n"
                                   "route 15000000/8 2 0a000003\n"
                                   "route 16000000/8 3 00000000\n"
                                   "route 16000000/9 4 00000000\n"
                                   "route 17000000/8 2 0a000002\n"
                                   "arp 0a000003 02..04\n"
                                   "arp 0a000004 02..05\n";

static void test_apply(void **state)
{
    (void)state;
    char host[CONFIG_HOSTNAME_MAX];
    assert_int_equal(apply(text_a), 0);
    assert_int_equal(level, 3);
    config_running_hostname(host);
    assert_string_equal(host, "a");
    assert_int_equal(apply(text_b), 0);
    assert_string_equal(STATE(0), state_b);
    assert_int_equal(level, LOG_INFO); // as at boot
    config_running_hostname(host);
    assert_string_equal(host, "b");
    // The same again changes nothing at all.
    fake_net_fail_after(-1, 0);
    assert_int_equal(apply(text_b), 0);
    assert_int_equal(fake_net_changes(), 0);
    // Shut down: no address in force. Not mentioned: not used.
    assert_int_equal(apply(BLOCK0 " ip address 10.0.0.1/24\n shutdown\n"), 0);
    assert_string_equal(STATE(0), "eth0 0 1500 0:\neth1 0 1500 0:\n");
    assert_int_equal(apply(BLOCK0 " ip address 10.0.0.1/24\n"), 0);
    assert_string_equal(STATE(0), "eth0 1 1500 0: 0a000001/24\neth1 0 1500 0:\n");
}

// A change fails at every step in turn: everything is as before, and the same goes through later.
static void fail_everywhere(const char *before, const char *after)
{
    assert_int_equal(apply(before), 0);
    STATE(0);
    for (long i = 0;; i++) {
        char host[2][CONFIG_HOSTNAME_MAX];
        config_running_hostname(host[0]);
        fake_net_fail_after(i, 1);
        int err = apply(after);
        if (!err) {
            assert_true(i > 8);
            break;
        }
        assert_non_null(strstr(reports, "0E cannot "));
        assert_string_equal(STATE(1), state_text[0]);
        config_running_hostname(host[1]);
        assert_string_equal(host[0], host[1]);
        struct config *running = config_copy_running();
        struct config *wanted = parse(before);
        assert_true(config_equal(running, wanted));
        config_free(running);
        config_free(wanted);
    }
    fake_net_fail_after(-1, 0);
}

static void test_rollback(void **state)
{
    (void)state;
    fail_everywhere(text_a, text_b);
    fail_everywhere(text_b, text_a);
    fail_everywhere("", text_a);
    fail_everywhere(text_a, "");
    assert_string_equal(log_text, ""); // no undoing failed
}

// A network that refuses everything from some step on cannot be restored either; the next
// configuration still goes through.
static void test_rollback_refused(void **state)
{
    (void)state;
    for (long i = 0; i < 25; i++) {
        setup(NULL);
        assert_int_equal(apply(text_a), 0);
        fake_net_fail_after(i, 0);
        (void)apply(text_b);
        fake_net_fail_after(-1, 0);
        assert_int_equal(apply(""), 0);
    }
}

static void test_apply_out_of_memory(void **state)
{
    (void)state;
    struct config_report report = {.emit = emit};
    assert_int_equal(apply(text_a), 0);
    STATE(0);
    struct config *config = parse(text_b);
    host_fail_after(0);
    assert_int_equal(config_apply(config, &report), -ENOMEM);
    assert_null(config_copy_running());
    host_fail_after(HOST_NEVER);
    assert_string_equal(STATE(1), state_text[0]);
    config_free(config);
}

static void test_start_failure_names_port(void **state)
{
    (void)state;
    fake_net_fail_after(0, 1); // the first change is the start of eth0
    assert_int_equal(apply(BLOCK0), -EIO);
    assert_string_equal(reports, "0E cannot change eth0: device error\n");
}

// ---- Configure mode's parser -----------------------------------------------------------------

static int type(struct config_parser *parser, const char *line)
{
    reports[0] = '\0';
    return config_parse_line(parser, line, strlen(line));
}

static void test_interactive(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int result;
        const char *report;
    } lines[] = {
        {"interface eth0", 0, ""},
        {" ip address 10.0.0.1/24", 0, ""},
        {" ip address 10.0.0.1/24", 0, ""}, // pasted again
        {" ip address 10.0.0.1/25", -EINVAL, "0E 10.0.0.1/24 is an address of eth0 already\n"},
        {" hostname _", -EINVAL, "0E '_' is not a host name (letters, digits, '-' and '.')\n"},
        {" ip address 10.0.1.1/24", 0, ""}, // still in the block
        {" ip address 10.0.2.1/24", 0, ""},
        {" no ip address 10.0.1.1/24", 0, ""},
        {" no ip address 10.0.1.1/24", -EINVAL, "0E 10.0.1.1/24 is not configured here\n"},
        {" no ip address 10.0.2.1/25", -EINVAL, "0E 10.0.2.1/25 is not configured here\n"},
        {" ipv6 address 2001::1/64", 0, NULL},
        {" ipv6 address 2001::1/64", 0, NULL},
        {" ipv6 address 2001::2/64", 0, NULL},
        {" no ipv6 address 2001::1/64", 0, ""},
        {" no ipv6 address 2001::1/64", -EINVAL, "0E 2001::1/64 is not configured here\n"},
        {" description one  two", 0, ""},
        {" mtu 1000", 0, ""},
        {" no mtu", 0, ""},
        {" shutdown", 0, ""},
        {" no shutdown", 0, ""},
        {" host-only", 0, ""},
        {" no host-only", 0, ""},
        {"ip route 20.0.0.0/8 10.0.0.2", 0, ""},
        {"ip route 20.0.0.0/8 10.0.0.3", 0, ""}, // replaces
        {"ip route 21.0.0.0/8 reject", 0, ""},
        {"no ip route 20.0.0.0/8 10.0.0.2", -EINVAL, "0E no such route\n"},
        {"no ip route 21.0.0.0/8", 0, ""},
        {"no ip route 21.0.0.0/8", -EINVAL, "0E no such route\n"},
        {"arp 10.0.0.9 02:00:00:00:00:01", 0, ""},
        {"arp 10.0.0.9 02:00:00:00:00:02", 0, ""},
        {"arp 10.0.0.8 02:00:00:00:00:02", 0, ""},
        {"no arp 10.0.0.8", 0, ""},
        {"no arp 10.0.0.8", -EINVAL, "0E no 'arp' line for 10.0.0.8\n"},
        {"interface eth1", 0, ""},
        {"no interface eth1", 0, ""},
        {"no interface eth7", -EINVAL, NULL},
        {"hostname x", 0, ""},
        {"no hostname", 0, ""},
        {"log level 3", 0, ""},
        {"no log level", 0, ""},
        {"forwarding cpus 1", 0, NULL},
        {"no forwarding cpus", 0, ""},
    };
    char text[TEXT_MAX];
    struct config_report report = {.emit = emit};
    struct config_parser parser = {
        .config = config_new(), .report = &report, .block = CONFIG_NO_BLOCK, .interactive = true};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        assert_int_equal(type(&parser, lines[i].line), lines[i].result);
        if (lines[i].report)
            assert_string_equal(reports, lines[i].report);
    }
    assert_int_equal(config_finish(parser.config, &report), 0);
    assert_string_equal(print(parser.config, text), "hostname sluice\n"
                                                    "interface eth0\n"
                                                    " description one  two\n"
                                                    " ip address 10.0.0.1/24\n"
                                                    " ip address 10.0.2.1/24\n"
                                                    " ipv6 address 2001::2/64\n"
                                                    "!\n"
                                                    "arp 10.0.0.9 02:00:00:00:00:02\n"
                                                    "ip route 20.0.0.0/8 10.0.0.3\n");
    config_free(parser.config);
}

// ---- Boot ------------------------------------------------------------------------------------

static void test_boot_order(void **state)
{
    (void)state;
    char host[CONFIG_HOSTNAME_MAX];
    fw_cfg_text = "hostname one";
    initrd_text = "hostname two\n";
    assert_int_equal(config_boot("hostname three\n"), 0);
    config_running_hostname(host);
    assert_string_equal(host, "one");
    assert_string_equal(log_text, "<6> config: from fw_cfg opt/org.sluice/config\n");
    fw_cfg_text = NULL;
    assert_int_equal(config_boot("hostname three\n"), 0);
    config_running_hostname(host);
    assert_string_equal(host, "two");
    initrd_text = NULL;
    fw_cfg_error = -ENODEV;
    assert_int_equal(config_boot("hostname three\n"), 0);
    config_running_hostname(host);
    assert_string_equal(host, "three");
}

static void test_boot_wrong_sources(void **state)
{
    (void)state;
    fw_cfg_text = "hostname r\nfoo\ninterface eth9\n";
    initrd_text = BLOCK0 " ip address 10.0.0.1/24\n";
    fake_net_fail_after(1, 1); // eth0 starts, its address fails
    assert_int_equal(config_boot("hostname builtin\n"), 0);
    assert_string_equal(
        log_text, "<3> config: fw_cfg opt/org.sluice/config line 2: unknown command 'foo'\n"
                  "<3> config: fw_cfg opt/org.sluice/config line 3: no interface 'eth9' (this "
                  "machine has eth0, eth1)\n"
                  "<3> config: fw_cfg opt/org.sluice/config is not used\n"
                  "<3> config: /etc/sluice.conf: cannot add address 10.0.0.1/24 of eth0: out of "
                  "memory\n"
                  "<3> config: /etc/sluice.conf is not used\n"
                  "<6> config: from built-in default\n");
    assert_string_equal(STATE(0), "eth0 0 1500 0:\neth1 0 1500 0:\n");
    log_text[0] = '\0';
    fw_cfg_error = -EIO;
    initrd_text = NULL;
    assert_int_equal(config_boot("wrong\n"), -EINVAL);
    assert_string_equal(log_text,
                        "<3> config: fw_cfg opt/org.sluice/config cannot be read: device error\n"
                        "<3> config: fw_cfg opt/org.sluice/config is not used\n"
                        "<3> config: built-in default line 1: unknown command 'wrong'\n"
                        "<3> config: built-in default is not used\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_example, setup),
        cmocka_unit_test_setup(test_round_trip, setup),
        cmocka_unit_test_setup(test_liberal_input, setup),
        cmocka_unit_test_setup(test_wrong_lines, setup),
        cmocka_unit_test_setup(test_warnings, setup),
        cmocka_unit_test_setup(test_no_ports, setup),
        cmocka_unit_test_setup(test_limits, setup),
        cmocka_unit_test_setup(test_too_many_addresses, setup),
        cmocka_unit_test_setup(test_many_routes, setup),
        cmocka_unit_test_setup(test_garbage, setup),
        cmocka_unit_test_setup(test_mutated, setup),
        cmocka_unit_test_setup(test_shuffled_words, setup),
        cmocka_unit_test_setup(test_parse_out_of_memory, setup),
        cmocka_unit_test_setup(test_ipv6, setup),
        cmocka_unit_test_setup(test_apply, setup),
        cmocka_unit_test_setup(test_rollback, setup),
        cmocka_unit_test_setup(test_rollback_refused, setup),
        cmocka_unit_test_setup(test_apply_out_of_memory, setup),
        cmocka_unit_test_setup(test_start_failure_names_port, setup),
        cmocka_unit_test_setup(test_interactive, setup),
        cmocka_unit_test_setup(test_boot_order, setup),
        cmocka_unit_test_setup(test_boot_wrong_sources, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
