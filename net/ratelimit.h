// SPDX-License-Identifier: BSD-2-Clause
//
// Token buckets for what a flood of foreign packets could make us send.

#pragma once

#include "core/time/clock.h"

struct token_bucket {
    uint64_t credit_ns;  // saved-up time, at most burst x interval
    uint64_t updated_ns; // when it was last counted
};

// Takes a token of a bucket that gains `per_second` of them and holds at most `burst`. The first
// use finds it full.
static inline bool token_bucket_take(struct token_bucket *bucket, unsigned per_second,
                                     unsigned burst, uint64_t now_ns)
{
    uint64_t interval = NSEC_PER_SEC / per_second;
    uint64_t limit = interval * burst;
    uint64_t credit =
        bucket->updated_ns ? bucket->credit_ns + (now_ns - bucket->updated_ns) : limit;
    credit = MIN(credit, limit);
    bucket->updated_ns = now_ns ? now_ns : 1;
    bool granted = credit >= interval;
    bucket->credit_ns = granted ? credit - interval : credit;
    return granted;
}
