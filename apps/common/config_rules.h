// SPDX-License-Identifier: BSD-2-Clause
//
// Between the files of the configuration (config_*.c), for nobody else: the rule that a line
// follows, the checks that its handler calls, and what the running side knows about a port.

#pragma once

#include "apps/common/config.h"

// A line on its way into the model: the words after the verb's path.
struct config_line {
    struct config_parser *parser;
    int argc;
    char *const *argv;
    const char *rest; // the same as one text, as it was typed
    bool no;          // the line began with `no`
};

struct config_rule {
    struct verb verb;
    // Changes the model. -EINVAL after config_wrong(), -ENOMEM, -ENOSPC.
    int (*set)(struct config_line *line);
    uint8_t min_args, max_args;
    int8_t no_min_args; // -1: has no `no` form
    bool block;         // belongs into an interface block
    bool no_in_text;    // its `no` form may stand in a text, too
};
#define CONFIG_ANY_ARGS UINT8_MAX

extern const struct config_rule config_rules[];

// Reports an error of this line; returns -EINVAL.
int config_wrong(struct config_line *line, const char *fmt, ...) __printf_like(2, 3);

// Is this a good address for an interface's subnet? Reports and returns -EINVAL if not.
int config_check_subnet(struct config_line *line, uint32_t addr, unsigned len);
// Does it clash with an address or a subnet of another interface?
int config_check_overlap(struct config_line *line, uint32_t addr, unsigned len);
// Warns about the CPUs of the list that cannot forward.
void config_check_cpus(struct config_line *line);

// The bitmap as "1-3,5"; the text is cut where the buffer ends.
void config_format_cpus(const uint64_t cpus[CONFIG_CPUS_MAX / 64], char *buf, size_t size);
int config_parse_cpus(const char *text, uint64_t cpus[CONFIG_CPUS_MAX / 64]); // -EINVAL, -ERANGE

// The MTU that a port came with: what it runs with unless configured, and the most it takes.
uint16_t config_port_mtu(const struct port *port);
