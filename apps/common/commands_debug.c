// SPDX-License-Identifier: BSD-2-Clause
//
// Commands of debug images only: allocations that fail on purpose (mm/fault_inject.h).

#include <string.h>

#include "apps/common/command.h"
#include "core/debug/symbols.h"
#include "core/lib/fmt.h"
#include "mm/fault_inject.h"

static const struct {
    const char *word;
    enum fault_mode mode;
    uint64_t least, most; // of the number that follows; most 0: none does
} modes[] = {
    {"off", FAULT_OFF, 0, 0},
    {"once", FAULT_ONCE, 0, 0},
    {"every", FAULT_EVERY, 1, UINT32_MAX},
    {"nth", FAULT_NTH, 1, UINT32_MAX},
    {"site", FAULT_SITE, 0, FAULT_SITES_MAX - 1},
};

static int debug_allocations(struct command_out *out, int argc, char **argv)
{
    (void)out;
    for (size_t i = 0; argc && i < ARRAY_SIZE(modes); i++) {
        uint64_t number = 0;
        if (strcmp(argv[0], modes[i].word) != 0 || argc != (modes[i].most ? 2 : 1))
            continue;
        if (argc == 2 && (parse_u64(argv[1], SIZE_MAX, &number) || number < modes[i].least ||
                          number > modes[i].most))
            continue;
        fault_inject_arm(modes[i].mode, number);
        return 0;
    }
    return COMMAND_USAGE;
}
CONSOLE_COMMAND(debug_allocations_command, "debug allocations fail",
                "once | every NUMBER | nth NUMBER | site NUMBER | off",
                "requests for memory that shall fail", debug_allocations);

static int show_allocation_sites(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    struct fault_site site;
    if (argc)
        return COMMAND_USAGE;
    command_print(out, "%6s %10s %10s  %s\n", "Number", "Asked", "Failed", "Site");
    for (unsigned i = 0; i < FAULT_SITES_MAX; i++) {
        size_t offset = 0;
        if (!fault_inject_site(i, &site))
            continue;
        const char *name = symbol_lookup((uintptr_t)site.site, &offset);
        command_print(out, "%6u %10llu %10llu  %s+0x%zx\n", i, (unsigned long long)site.asked,
                      (unsigned long long)site.failed, name ? name : "?", offset);
    }
    command_print(out, "%llu requests from elsewhere\n",
                  (unsigned long long)fault_inject_unknown());
    return 0;
}
CONSOLE_COMMAND(show_allocation_sites_command, "show allocation-sites", "",
                "who asks for memory, and how often in vain", show_allocation_sites);
