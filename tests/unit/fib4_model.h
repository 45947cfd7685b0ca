// SPDX-License-Identifier: BSD-2-Clause
//
// The model that the IPv4 FIB is tested against: a hash of (prefix, len), looked up by trying
// all 33 lengths. Slow, obvious, and nothing in common with the FIB's structure.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;

struct model *model_create(size_t max_routes);
void model_destroy(struct model *model);
void model_set(struct model *model, uint32_t prefix, unsigned len, uint32_t nexthop); // 0: delete
uint32_t model_get(const struct model *model, uint32_t prefix, unsigned len);         // 0: none
uint32_t model_lookup(const struct model *model, uint32_t dst);
size_t model_count(const struct model *model);

static inline uint32_t model_mask(unsigned len) { return len == 0 ? 0 : UINT32_MAX << (32 - len); }
