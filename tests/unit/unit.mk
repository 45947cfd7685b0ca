# SPDX-License-Identifier: BSD-2-Clause
#
# Unit tests: every tests/unit/test_*.c becomes one native program with ASan, UBSan and cmocka.
# A test names what it needs in comment lines near its top:
#
#   // unit-sources: net/fib4.c net/rib4.c     kernel sources and helpers, from the tree's root
#   // unit-flags: -Iout/somewhere             further compiler flags for all of them
#   // unit-ldflags: -Wl,--wrap=name           further linker flags
#
# Host versions of kernel services (tests/unit/host/*.c) are linked as a library, so a service
# that unit-sources provides wins. tests/unit/host is first on the include path, for arch/*.h.
#
#   make -f tests/unit/unit.mk unit            build and run all, one summary line
#   make -f tests/unit/unit.mk unit-fib4       build and run tests/unit/test_fib4.c, all output
#
# Included by the Makefile as well; every name here starts with UNIT_ or unit.

UNIT_OUT ?= out/unit
UNIT_CC ?= $(shell for cc in gcc-14 gcc cc; do command -v $$cc && break; done)
UNIT_JOBS ?= 2
# The time limit of one test program, in seconds.
UNIT_TIMEOUT ?= 120

UNIT_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror \
	-DUNIT_TEST -Itests/unit/host -I. -Itests/unit -MMD -MP
UNIT_TESTS := $(patsubst tests/unit/test_%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_HOST_OBJS := $(patsubst tests/unit/host/%.c,$(UNIT_OUT)/host/%.o,\
	$(sort $(wildcard tests/unit/host/*.c)))
UNIT_HOST_LIB := $(UNIT_OUT)/libhost.a
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(UNIT_OUT)/test_%)

# $(call unit-words,TEST,KEY): the words of the "// KEY:" lines of a test.
unit-words = $(shell sed -n 's,^// $2:,,p' tests/unit/test_$1.c)

.PHONY: unit $(UNIT_TESTS:%=unit-%)
unit: $(UNIT_PROGRAMS)
	@UNIT_JOBS=$(UNIT_JOBS) UNIT_TIMEOUT=$(UNIT_TIMEOUT) tests/unit/run $(UNIT_PROGRAMS)

$(UNIT_TESTS:%=unit-%): unit-%: $(UNIT_OUT)/test_%
	$<

$(UNIT_HOST_LIB): $(UNIT_HOST_OBJS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(UNIT_OUT)/host/%.o: tests/unit/host/%.c tests/unit/unit.mk
	@mkdir -p $(@D)
	@echo "  UNITCC  $<"
	@$(UNIT_CC) $(UNIT_CFLAGS) -c $< -o $@

# Objects are kept per test, since its flags are its own.
define unit-program
UNIT_OBJS_$1 := $$(patsubst %.c,$$(UNIT_OUT)/$1/%.o,\
	tests/unit/test_$1.c $$(call unit-words,$1,unit-sources))
$$(UNIT_OBJS_$1): $$(UNIT_OUT)/$1/%.o: %.c tests/unit/unit.mk
	@mkdir -p $$(@D)
	@echo "  UNITCC  $$< ($1)"
	@$$(UNIT_CC) $$(UNIT_CFLAGS) $$(call unit-words,$1,unit-flags) -c $$< -o $$@
$$(UNIT_OUT)/test_$1: $$(UNIT_OBJS_$1) $$(UNIT_HOST_LIB)
	@echo "  UNITLD  $$@"
	@$$(UNIT_CC) -fsanitize=address,undefined -pthread $$^ -lcmocka \
		$$(call unit-words,$1,unit-ldflags) -o $$@
-include $$(UNIT_OBJS_$1:.o=.d)
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit-program,$(test))))
-include $(UNIT_HOST_OBJS:.o=.d)
