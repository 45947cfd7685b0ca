// SPDX-License-Identifier: BSD-2-Clause
//
// The end of the application. An appliance's main() often returns after it has started its threads,
// so by default the code is logged, the calling thread ends and the rest keeps running;
// `exit=poweroff|reboot|halt` chooses otherwise. abort() means that the program found itself
// damaged: that is a panic.

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/lib/bootparam.h"
#include "core/posix/syscalls.h"
#include "core/sched/thread.h"

enum exit_policy { EXIT_IDLE, EXIT_POWEROFF, EXIT_REBOOT, EXIT_HALT, EXIT_POLICIES };

static const char *const policy_names[EXIT_POLICIES] = {
    [EXIT_IDLE] = "idle",
    [EXIT_POWEROFF] = "poweroff",
    [EXIT_REBOOT] = "reboot",
    [EXIT_HALT] = "halt",
};
static enum exit_policy policy = EXIT_IDLE;

static int set_policy(const char *value)
{
    for (unsigned i = 0; i < EXIT_POLICIES; i++) {
        if (strcmp(value, policy_names[i]) == 0) {
            policy = (enum exit_policy)i;
            return 0;
        }
    }
    return -EINVAL;
}
BOOT_PARAM(exit_param, "exit", set_policy);

_Noreturn void _exit(int code)
{
    log_notice("application ended with status %d (exit=%s)", code, policy_names[policy]);
    if (policy == EXIT_POWEROFF)
        platform_power_off();
    else if (policy == EXIT_REBOOT)
        platform_reset();
    if (policy == EXIT_IDLE && thread_current())
        thread_exit(code);
    platform_halt(); // chosen, or the machine cannot do better
}

_Noreturn void abort(void) { panic("abort() called"); }

// Signals reach nobody but the whole program.
int _kill(int pid, int signal)
{
    (void)pid;
    if (signal == SIGABRT)
        abort();
    if (signal != 0)
        _exit(128 + signal);
    return 0;
}
