// SPDX-License-Identifier: BSD-2-Clause
//
// Configuration: text -> model -> running state. The text's grammar (docs/configuration.md)
// follows FRR's vtysh where FRR has the command. A text is parsed and checked as a whole into a
// struct config of its own memory, and that model replaces the running one as a difference, whole
// or not at all.
//
// Thread context throughout. A struct config belongs to whoever made it until config_apply()
// takes it over.

#pragma once

#include "apps/common/address.h"
#include "apps/common/verb.h"
#include "net/interface.h"

#define CONFIG_TEXT_MAX MIB(1)
#define CONFIG_ROUTES_MAX 65536
#define CONFIG_NEIGHBOURS_MAX 4096
#define CONFIG_CPUS_MAX 1024 // numbers that `forwarding cpus` accepts are below
#define CONFIG_HOSTNAME_MAX 64
#define CONFIG_DESCRIPTION_MAX 128
#define CONFIG_REPORTS_MAX 20 // errors reported in full, and as many warnings
#define CONFIG_HOSTNAME_DEFAULT "sluice"

struct config_interface {
    bool present; // an `interface` line named it: the port is used
    bool shutdown;
    bool host_only; // its packets are never forwarded
    uint16_t mtu;   // 0: the port's own
    uint8_t address_count, address6_count;
    struct ip4_address addresses[IP4_ADDRESSES_MAX]; // primary first
    struct ip6_prefix addresses6[IP4_ADDRESSES_MAX];
    unsigned lines[IP4_ADDRESSES_MAX]; // where each IPv4 address was given
    char description[CONFIG_DESCRIPTION_MAX];
};

struct config_route {
    uint32_t prefix, gateway; // gateway 0 with blackhole and reject
    uint32_t line;            // where it was given; 0 for a line typed in configure mode
    uint8_t len;
    uint8_t kind; // enum route_kind
};

struct config_neighbour {
    uint32_t addr;
    uint32_t line;
    uint8_t mac[6];
};

// Everything that a text can say. Interfaces are indexed by port number; routes and neighbours
// are sorted by prefix and address once config_finish() has run.
struct config {
    char hostname[CONFIG_HOSTNAME_MAX];
    int log_level;                                    // enum log_level, -1: as at boot
    struct config_interface interfaces[PORT_MAX + 1]; // the last takes the lines of an unknown one
    struct config_route *routes;
    size_t route_count, route_room;
    struct config_neighbour *neighbours;
    size_t neighbour_count, neighbour_room;
    bool has_cpus;
    unsigned cpus_line;
    uint64_t cpus[CONFIG_CPUS_MAX / 64]; // bit per CPU that `forwarding cpus` named
};

// Where findings go. emit() gets each as one line without newline; `line` is 0 when the finding
// has no line of its own. After CONFIG_REPORTS_MAX of a kind the rest is only counted.
enum config_severity { CONFIG_WARNING, CONFIG_ERROR };
struct config_report {
    void (*emit)(struct config_report *report, enum config_severity severity, unsigned line,
                 const char *text);
    unsigned count[2]; // by severity
};
void config_complain(struct config_report *report, enum config_severity severity, unsigned line,
                     const char *fmt, ...) __printf_like(4, 5);
// Says how many findings were not shown, if any.
void config_report_end(struct config_report *report);

// ---- Model -----------------------------------------------------------------------------------

struct config *config_new(void);                       // empty; NULL: out of memory
struct config *config_copy(const struct config *from); // NULL: out of memory
void config_free(struct config *config);               // NULL is allowed
bool config_equal(const struct config *a, const struct config *b);

// Appends; -ENOMEM, -ENOSPC at the maximum.
int config_add_route(struct config *config, const struct config_route *route);
int config_add_neighbour(struct config *config, const struct config_neighbour *neighbour);

// ---- Text to model ---------------------------------------------------------------------------

struct config_parser {
    struct config *config;
    struct config_report *report;
    unsigned line;
    int block;        // interface whose block we are in, PORT_MAX for an unknown one, -1
    bool interactive; // configure mode: `no` forms, and a line replaces an earlier one
};
#define CONFIG_NO_BLOCK (-1)

// The configuration lines as verbs, for completion and help.
extern const struct verb_table config_verbs;

// One line: 0, -EINVAL (reported; the model is as before), -ENOMEM.
int config_parse_line(struct config_parser *parser, const char *text, size_t len);
// Sorts, and checks what needs the whole text. -EINVAL: errors were reported.
int config_finish(struct config *config, struct config_report *report);
// A whole text: the model, or NULL with *err -EINVAL (each wrong line reported), -E2BIG, -ENOMEM.
struct config *config_parse(const char *text, size_t len, struct config_report *report, int *err);

// ---- Model to text ---------------------------------------------------------------------------

// Canonical text, one call a line; parsing it gives an equal model.
typedef void (*config_line_t)(void *arg, const char *line);
void config_print(const struct config *config, config_line_t emit, void *arg);

// ---- Running ---------------------------------------------------------------------------------

// Makes `config` the running one (and owns it) or leaves all as it was: 0; -ENOMEM or a port's
// error, reported. Takes net_config_lock.
int config_apply(struct config *config, struct config_report *report);
struct config *config_copy_running(void); // NULL: out of memory
void config_running_hostname(char buf[static CONFIG_HOSTNAME_MAX]);
// The running description of a port into buf; "" without one.
void config_running_description(unsigned port, char buf[static CONFIG_DESCRIPTION_MAX]);

// At boot: the first good one of fw_cfg `opt/org.sluice/config`, /etc/sluice.conf in the initial
// archive and `builtin`. Findings go to the log. 0, or the error of the last source.
int config_boot(const char *builtin);
