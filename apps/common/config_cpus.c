// SPDX-License-Identifier: BSD-2-Clause
//
// Lists of CPUs ("1-3,5", Linux's syntax) as bitmaps, and what this machine makes of the list in
// `forwarding cpus`: a CPU can forward alone if it exists, is not CPU 0, and is isolated.

#include <string.h>

#include "apps/common/config_rules.h"
#include "core/lib/dt.h"
#include "core/lib/fmt.h"

#define CPU_WORDS (CONFIG_CPUS_MAX / 64)

static bool cpu_in(const uint64_t cpus[CPU_WORDS], unsigned cpu)
{
    return cpus[cpu / 64] >> (cpu % 64) & 1;
}

static void cpu_add(uint64_t cpus[CPU_WORDS], unsigned cpu) { cpus[cpu / 64] |= BIT64(cpu % 64); }

static bool cpu_any(const uint64_t cpus[CPU_WORDS])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < CPU_WORDS; i++)
        sum |= cpus[i];
    return sum != 0;
}

// A decimal number below CONFIG_CPUS_MAX; moves *text on.
static int cpu_number_of(const char **text, unsigned *cpu)
{
    const char *p = *text;
    unsigned sum = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        sum = MIN(sum * 10 + (unsigned)(*p - '0'), (unsigned)CONFIG_CPUS_MAX);
    if (p == *text)
        return -EINVAL;
    *text = p;
    *cpu = sum;
    return sum < CONFIG_CPUS_MAX ? 0 : -ERANGE;
}

int config_parse_cpus(const char *text, uint64_t cpus[CPU_WORDS])
{
    for (;; text++) {
        unsigned first, last;
        int err = cpu_number_of(&text, &first);
        last = first;
        if (!err && *text == '-') {
            text++;
            err = cpu_number_of(&text, &last);
        }
        if (err)
            return err;
        if (last < first || (*text && *text != ','))
            return -EINVAL;
        for (unsigned cpu = first; cpu <= last; cpu++)
            cpu_add(cpus, cpu);
        if (!*text)
            return 0;
    }
}

// Runs of two are written as "1-2" as well: never longer than "1,2", and one rule less.
void config_format_cpus(const uint64_t cpus[CPU_WORDS], char *buf, size_t size)
{
    size_t at = 0;
    buf[0] = '\0';
    for (unsigned cpu = 0; cpu < CONFIG_CPUS_MAX && at < size; cpu++) {
        if (!cpu_in(cpus, cpu))
            continue;
        unsigned first = cpu;
        while (cpu + 1 < CONFIG_CPUS_MAX && cpu_in(cpus, cpu + 1))
            cpu++;
        const char *comma = at ? "," : "";
        const char *fmt = first == cpu ? "%s%u" : "%s%u-%u";
        at += (size_t)fmt_snprint(buf + at, size - at, fmt, comma, first, cpu);
    }
}

// As the device tree has them, running or not; at least the one that executes this.
static unsigned machine_cpus(void)
{
    const struct dt_node *cpus = dt_by_path("/cpus");
    unsigned count = 0;
    for (const struct dt_node *cpu = cpus ? dt_first_child(cpus) : NULL; cpu;
         cpu = dt_next_sibling(cpu)) {
        const char *type = dt_string(cpu, "device_type");
        count += type && strcmp(type, "cpu") == 0;
    }
    return MAX(count, 1u);
}

// Only the boot CPU runs in this version, so none of the others is set apart for forwarding.
static bool cpu_is_isolated(unsigned cpu)
{
    (void)cpu;
    return false;
}

struct cpu_verdict {
    uint64_t missing[CPU_WORDS], shared[CPU_WORDS];
    bool zero, left; // CPU 0 was named; at least one can forward
};

// Why each CPU of the list cannot forward alone, the first reason that holds.
static void judge_cpus(const uint64_t cpus[CPU_WORDS], struct cpu_verdict *verdict)
{
    unsigned count = machine_cpus();
    memset(verdict, 0, sizeof(*verdict));
    for (unsigned cpu = 0; cpu < CONFIG_CPUS_MAX; cpu++) {
        if (!cpu_in(cpus, cpu))
            continue;
        if (cpu == 0)
            verdict->zero = true;
        else if (cpu >= count)
            cpu_add(verdict->missing, cpu);
        else if (!cpu_is_isolated(cpu))
            cpu_add(verdict->shared, cpu);
        else
            verdict->left = true;
    }
}

// Adds "SEPARATOR LIST WHAT" to the warning if there are such CPUs.
static size_t add_group(char *buf, size_t size, size_t at, const uint64_t cpus[CPU_WORDS],
                        const char *what)
{
    char list[64];
    if (!cpu_any(cpus) || at >= size)
        return at;
    config_format_cpus(cpus, list, sizeof(list));
    return at + (size_t)fmt_snprint(buf + at, size - at, "%s %s %s", at ? "," : "", list, what);
}

// One warning a line, whatever the number of CPUs: the list may name a thousand.
void config_check_cpus(struct config_line *line)
{
    struct cpu_verdict verdict;
    judge_cpus(line->parser->config->cpus, &verdict);
    const uint64_t zero[CPU_WORDS] = {verdict.zero};
    char text[200] = "";
    size_t at = add_group(text, sizeof(text), 0, zero, "runs everything else");
    at = add_group(text, sizeof(text), at, verdict.missing, "not in this machine");
    at = add_group(text, sizeof(text), at, verdict.shared, "not isolated");
    if (at)
        config_complain(line->parser->report, CONFIG_WARNING, line->parser->line,
                        "forwarding CPUs left out:%s%s", text,
                        verdict.left ? "" : "; the shared CPUs forward");
}
