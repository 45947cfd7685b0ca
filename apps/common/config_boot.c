// SPDX-License-Identifier: BSD-2-Clause
//
// The configuration at boot: three sources in order, the first good one wins. A source that is
// wrong is named in the log with each of its wrong lines; whatever happens, boot goes on and the
// console can be used.

#include <string.h>

#include "apps/common/config.h"
#include "apps/common/errors.h"
#include "core/debug/log.h"
#include "core/posix/file.h"
#include "drivers/firmware/fw_cfg.h"
#include "mm/slab.h"

struct source {
    const char *name;
    // The text, or an error; -ENOENT and -ENODEV when this machine was not given the source. *owned
    // is what to kfree afterwards.
    int (*read)(struct source *source, const void **text, size_t *len, void **owned);
    const char *builtin;
};

// Set by whoever starts the machine: -fw_cfg name=opt/org.sluice/config,file=FILE.
static int read_fw_cfg(struct source *source, const void **text, size_t *len, void **owned)
{
    (void)source;
    int err = fw_cfg_read_file("opt/org.sluice/config", owned, len);
    *text = *owned;
    return err;
}

// The archive stays where the loader put it, so there is nothing to free.
static int read_initrd(struct source *source, const void **text, size_t *len, void **owned)
{
    (void)source;
    (void)owned;
    return initrd_find("/etc/sluice.conf", text, len);
}

static int read_builtin(struct source *source, const void **text, size_t *len, void **owned)
{
    (void)owned;
    *text = source->builtin;
    *len = strlen(source->builtin);
    return 0;
}

struct boot_report {
    struct config_report report;
    const char *source;
};

// Findings come as the parser meets them, so the console names the lines in order.
static void emit_to_log(struct config_report *report, enum config_severity severity, unsigned line,
                        const char *text)
{
    const char *source = container_of(report, struct boot_report, report)->source;
    enum log_level level = severity == CONFIG_ERROR ? LOG_ERR : LOG_WARNING;
    if (line)
        log_write(level, "config: %s line %u: %s", source, line, text);
    else
        log_write(level, "config: %s: %s", source, text);
}

static int apply_text(const char *name, const void *text, size_t len)
{
    struct boot_report report = {.report.emit = emit_to_log, .source = name};
    int err;
    struct config *config = config_parse(text, len, &report.report, &err);
    if (!config)
        return err;
    err = config_apply(config, &report.report);
    if (err)
        config_free(config);
    return err;
}

// A source that does not exist is no news; one that exists and cannot be used is an error, and so
// is each of its wrong lines.
static int try_source(struct source *source)
{
    const void *text = NULL;
    void *owned = NULL;
    size_t len = 0;
    int err = source->read(source, &text, &len, &owned);
    if (err == -ENOENT || err == -ENODEV)
        return err;
    if (err)
        log_err("config: %s cannot be read: %s", source->name, error_text(err));
    else
        err = apply_text(source->name, text, len);
    kfree(owned);
    if (err)
        log_err("config: %s is not used", source->name);
    else
        log_info("config: from %s", source->name);
    return err;
}

int config_boot(const char *builtin)
{
    struct source sources[] = {
        {"fw_cfg opt/org.sluice/config", read_fw_cfg, NULL},
        {"/etc/sluice.conf", read_initrd, NULL},
        {"built-in default", read_builtin, builtin},
    };
    int err = -ENOENT;
    for (size_t i = 0; i < ARRAY_SIZE(sources) && err; i++)
        err = try_source(&sources[i]);
    return err;
}
