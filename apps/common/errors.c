// SPDX-License-Identifier: BSD-2-Clause
//
// Phrases for error numbers (contract in errors.h).

#include "apps/common/errors.h"

#include "core/lib/types.h"

static const struct {
    int err;
    const char *text;
} texts[] = {
    {0, "no error"},
    {-ENOMEM, "out of memory"},
    {-ENOSPC, "table full"},
    {-EIO, "device error"},
    {-ENODEV, "no such device"},
    {-ENOENT, "not found"},
    {-EEXIST, "exists already"},
    {-EINVAL, "not valid"},
    {-EBUSY, "busy"},
    {-EADDRINUSE, "overlaps with another subnet"},
    {-EADDRNOTAVAIL, "no source address"},
    {-ENETUNREACH, "no route"},
    {-ETIMEDOUT, "no answer in time"},
    {-E2BIG, "too long"},
    {-EFBIG, "too large"},
};

const char *error_text(int err)
{
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (texts[i].err == err)
            return texts[i].text;
    }
    return "unexpected error";
}
