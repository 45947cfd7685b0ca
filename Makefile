# SPDX-License-Identifier: BSD-2-Clause
#
# Sluice: the front door.  `make help` lists every target.
#
# Nothing is compiled by this file: it sees to the tools (a private Debian 13 root under out/
# unless this machine is one) and the source packages, enters the root and lets build/rules.mk and
# the runners under tests/ do the work.  docs/build.md says how and why.

PLATFORM ?= arm64
APP      ?= router
platforms := arm64 loongarch64 loongson3

ifeq ($(filter $(PLATFORM),$(platforms)),)
$(error unknown PLATFORM '$(PLATFORM)': it is one of $(platforms))
endif

export PLATFORM APP DEBUG LLVM V ONCE CONSOLE LONG
# `make -jN` is honoured (make shows -j in MAKEFLAGS only while it runs a recipe).
export JOBS ?= $(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS)))
MAKEFLAGS  += --no-print-directory
.NOTPARALLEL:

in   := build/in-root
make := $(in) build/make.sh

bench_options = --platform $(PLATFORM) --app $(APP) $(if $(PROFILE),--profile)

.PHONY: all image run test check unit guest system bench-forward bench-boot bench-memory format \
        format-check root root12 deps clean distclean help

all: image

image: deps
	@$(make) image

run: image
	@exec $(in) python3 tests/run/run.py

test: deps root12 bench-packages
	@exec $(in) tests/run_all test

check: deps
	@exec $(in) tests/run_all check

unit guest system: deps
	@exec $(in) tests/run_all $@

# Beside arm64 stands Linux, beside the others ours on arm64.
bench-forward: image bench-packages
	@$(if $(filter arm64,$(PLATFORM)),,PLATFORM=arm64 $(make) image)
	@exec $(in) python3 tests/bench/bench_forward.py $(bench_options)

bench-boot: image
	@exec $(in) python3 tests/bench/bench_boot.py $(bench_options)

bench-memory: image
	@APP=membench $(make) image
	@exec $(in) python3 tests/bench/bench_memory.py $(bench_options)

format format-check: root
	@exec $(in) build/format.sh $@

root:
	@$(in) --native || build/root.sh trixie out/root

root12: root
	@build/root.sh bookworm out/root12

deps: root
	@build/deps.sh newlib libfdt lwip

bench-packages: root
	@tests/bench/fetch-linux

clean:
	@rm -rf $(wildcard $(platforms:%=out/%) $(platforms:%=out/%-*)) out/unit out/pycache \
	    $(filter-out out/bench/debs,$(wildcard out/bench/*))

distclean:
	@rm -rf out

define help_text
make                  the image of APP for PLATFORM: out/PLATFORM/APP.img
make run              the router between two Linux hosts, a live table of counters
                      (ONCE=1 ends after ten replies, CONSOLE=1 attaches to the console)
make test             all tests; the last line is the sum
make check            the quick ones: formatting, build, unit tests, one boot, budgets
make unit             host unit tests             make guest    tests inside the image
make system           QEMU with real peers        make format   clang-format in place
make bench-forward    instructions a packet, beside Linux on the same QEMU (arm64) or
                      beside ours on arm64
make bench-boot       from reset to main and to the first answered ping
                      (both: PROFILE=1 shows the functions where they go)
make bench-memory     instructions of allocators and of their start, share of descriptors
make clean            what was built              make distclean    tools and sources as well

PLATFORM=arm64 (default), loongarch64, loongson3      APP=router (default) or a folder of apps/
DEBUG=1  checks on    DEBUG=kasan, ubsan  the compilers' sanitizers (docs/sanitizers.md)
LLVM=1  clang and lld    V=1  show commands    JOBS=N  compilers at once
endef

help:
	$(info $(help_text))
	@:
