// SPDX-License-Identifier: BSD-2-Clause
//
// The router: an IPv4 router on every port that its configuration names.
//
// Almost nothing happens here, and that is how an appliance should look. Before main() the kernel
// has found the ports and set up the forwarding path; the configuration gives ports their
// addresses and starts them; from then on packets are forwarded in softirq context
// (net/fastpath.h), without this thread. What main() owes its user is a configuration, a prompt,
// and a word when the machine cannot do the job.

#include "apps/common/command.h"
#include "apps/common/config.h"
#include "core/debug/log.h"
#include "core/lib/bootparam.h"
#include "core/sync/wait.h"

const char app_name[] = "router"; // argv[0], and what `show version` calls the image

// Used when nothing was given from outside: no port is opened until somebody configures one.
static const char default_config[] = "hostname sluice\n";

static unsigned ports_in_use(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < port_count(); i++)
        count += port_get(i)->started;
    return count;
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    config_boot(default_config); // says itself what it thinks of each source
    int err = console_start();
    if (err)
        log_err("router: no console: error %d", err);
    if (!port_count())
        log_warn("router: no network port found, nothing to forward");
    else if (!ports_in_use())
        log_warn("router: no port is configured yet ('configure' at the prompt)");

    // Interrupts and the console thread do all the work; this thread has none left.
    struct wait_queue for_ever;
    wait_queue_init(&for_ever);
    wait_event(&for_ever, false);
    return 0;
}
