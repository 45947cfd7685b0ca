# SPDX-License-Identifier: BSD-2-Clause
#
# Builds the host side of the measurements: QEMU plugin and load generator, into out/bench.
# Called by lib/tools.py, from the root of the tree: make -f tests/bench/bench.mk
# Relies on a native C compiler (HOSTCC) and on nothing of the main build.

HOSTCC ?= $(firstword $(foreach cc,gcc-14 gcc cc,$(if $(shell command -v $(cc)),$(cc))))
BENCH  := tests/bench
OUT    := out/bench
CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
          -Wvla -Wundef -Werror

all: $(OUT)/count.so $(OUT)/gen

$(OUT)/count.so: $(wildcard $(BENCH)/plugin/*.[ch]) $(BENCH)/bench.mk | $(OUT)
	$(HOSTCC) $(CFLAGS) -fPIC -shared -fvisibility=hidden -pthread $(filter %.c,$^) -o $@

$(OUT)/gen: $(wildcard $(BENCH)/gen/*.[ch]) $(BENCH)/bench.mk | $(OUT)
	$(HOSTCC) $(CFLAGS) $(filter %.c,$^) -o $@

$(OUT):
	mkdir -p $@

.PHONY: all
