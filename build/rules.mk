# SPDX-License-Identifier: BSD-2-Clause
#
# Compile and link rules; run by the Makefile where the tools are (build/in-root).
#
# out/PLATFORM[-debug|-kasan|-ubsan][-llvm]/ holds objects and images: *.k.o is kernel (no FP registers), *.o is
# application.  Sources are found by folder.  Each object depends on the headers that its compiler
# read (-MMD) and on the flags; each image on the list of its objects.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --no-print-directory
SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:

PLATFORM ?= arm64
APP      ?= router
on        = $(filter-out 0,$($1))

-include build/$(PLATFORM).mk
include build/deps.mk

# DEBUG=1 turns our own checks on; kasan and ubsan add those that the compiler inserts.
sanitizer := $(filter kasan ubsan,$(DEBUG))
kasan     := $(filter kasan,$(sanitizer))
variant   := $(if $(call on,DEBUG),-$(or $(sanitizer),debug))$(if $(call on,LLVM),-llvm)
OUT     := out/$(PLATFORM)$(variant)
Q       := $(if $(call on,V),,@)
note     = $(if $(call on,V),,@printf '  %-5s %s\n' $1 $2)

.PHONY: all image deps FORCE
all: image
FORCE:

# A file that holds the text $2 and is touched only when that changes.
define stamp_rule
$1: FORCE
	@mkdir -p $$(@D); echo '$2' | cmp -s - $$@ || echo '$2' >$$@
endef

# ---- Tools ----------------------------------------------------------------------------------

GCC     := $(CROSS)gcc-14
OBJDUMP := $(CROSS)objdump
ifneq ($(call on,LLVM),)
CC      := clang-19 --target=$(CLANG_TARGET)
LD      := $(or $(LLVM_LD),ld.lld-19)
AR      := llvm-ar-19
RANLIB  := llvm-ranlib-19
OBJCOPY := llvm-objcopy-19
else
CC      := $(GCC)
LD      := $(CROSS)ld
AR      := $(CROSS)ar
RANLIB  := $(CROSS)ranlib
OBJCOPY := $(CROSS)objcopy
endif

# ---- Dependencies: unpack, patch, build -------------------------------------------------------

archive     = out/deps/$1-$($1_version)-$(shell printf %.12s $($1_sha256)).tar
patches     = $(sort $(wildcard build/patches/$1/*.patch))
NEWLIB_SRC := out/deps/newlib
LIBFDT_SRC := out/deps/libfdt
LWIP_SRC   := out/deps/lwip
NEWLIB     := out/deps/newlib-$(PLATFORM)
LIBFDT     := $(LIBFDT_SRC)/libfdt
libfdt     := fdt fdt_ro fdt_rw fdt_sw fdt_wip fdt_addresses fdt_strerror fdt_empty_tree

define unpack_rule
$($2)/.unpacked: $(call archive,$1) $(call patches,$1) build/unpack.sh
	$(call note,UNPAC,$($2))
	$(Q)build/unpack.sh $(call archive,$1) $($2) $(call patches,$1)
endef
$(eval $(call unpack_rule,newlib,NEWLIB_SRC))
$(eval $(call unpack_rule,libfdt,LIBFDT_SRC))
$(eval $(call unpack_rule,lwip,LWIP_SRC))

# Always GCC's: there is one ABI, and building it takes longer than all the rest.
NEWLIB_CFLAGS = -Os -g0 $(ARCH_FLAGS) $(CODE_FLAGS)
ifneq ($(call on,LLVM),)
$(NEWLIB)/.built: $(NEWLIB_SRC)/.unpacked $(LIBFDT_SRC)/.unpacked FORCE
	$(Q)$(MAKE) -f build/rules.mk LLVM= deps
else
$(NEWLIB)/.built: $(NEWLIB_SRC)/.unpacked build/newlib.sh $(NEWLIB).flags
	$(Q)CC='$(CC)' AR=$(AR) RANLIB=$(RANLIB) CFLAGS='$(NEWLIB_CFLAGS)' \
	    build/newlib.sh $(NEWLIB_SRC) $(NEWLIB) $(NEWLIB_HOST)
endif
deps: $(NEWLIB)/.built $(LIBFDT_SRC)/.unpacked

# ---- Flags ------------------------------------------------------------------------------------

# Nothing of the system that the compiler runs on: neither its headers nor its name.
COMPILER_INCLUDE := $(shell $(CC) -print-file-name=include 2>/dev/null)
INCLUDES := -I. $(addprefix -I,$(PLATFORM_DIRS)) -nostdinc \
    -isystem $(COMPILER_INCLUDE) -isystem $(NEWLIB)/targ-include \
    -isystem $(NEWLIB_SRC)/newlib/libc/include -isystem $(LIBFDT)
DEFINES  := -U__linux__ -U__linux -Ulinux -U__gnu_linux__ -U__unix__ -U__unix -Uunix \
    -D__DYNAMIC_REENT__ $(if $(call on,DEBUG),-DDEBUG=1) $(if $(kasan),\
    -DKASAN=1 -DKASAN_SHADOW_OFFSET=$(KASAN_OFFSET))
CODE_FLAGS := -fno-pic -fno-common -fno-strict-aliasing -fno-omit-frame-pointer \
    -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror
CFLAGS   := -std=gnu11 $(if $(filter-out kasan,$(call on,DEBUG)),-Og,-O2) -g $(ARCH_FLAGS) $(CODE_FLAGS) \
    -fstack-protector-strong -ffile-prefix-map=$(CURDIR)=. $(DEFINES) $(INCLUDES)

# ---- Sanitizers -------------------------------------------------------------------------------

# kasan: each access calls a check (mm/kasan.c); the marks around a frame's arrays are written in
# line, at the address that the offset gives. Files that run before the image's shadow is mapped,
# or touch what is nobody's, are left as they are, and call the unchecked memcpy and its like: all
# others, newlib included, call the checked ones (mm/kasan_string.c).
# ubsan: not alignment, which all our machines do without, nor clang's own additions.
KASAN_LLVM  = -fsanitize=kernel-address $(addprefix -mllvm -asan-,mapping-offset=$(KASAN_OFFSET) \
    instrumentation-with-call-threshold=0 stack=1 globals=1 use-after-scope=1 \
    instrument-dynamic-allocas=0)
KASAN_GCC   = -fsanitize=kernel-address -fasan-shadow-offset=$(KASAN_OFFSET) \
    -fsanitize-address-use-after-scope \
    $(addprefix --param asan-,instrumentation-with-call-threshold=0 stack=1 globals=1)
UBSAN_FLAGS = -fsanitize=undefined -fno-sanitize=alignment$(if $(call on,LLVM),$(comma)function)
comma      := ,
UNSANITIZED_kasan := mm/kasan%.c mm/slab%.c mm/kmalloc.c mm/vmalloc.c mm/percpu.c
# A report from inside these would wait for the lock that they hold.
UNSANITIZED_ubsan := core/debug/ubsan.c core/debug/log.c drivers/serial/%.c
UNSANITIZED := $(EARLY_SOURCES) $(LIBFDT)/% core/lib/string.c $(UNSANITIZED_$(sanitizer))
KASAN_WRAPPED := memchr memcmp memcpy memmove memset stpcpy strcat strchr strcmp strcpy strlcpy \
    strlen strncat strncmp strncpy strnlen strrchr

is_sanitized   = $(if $(filter $(UNSANITIZED),$1),,$(sanitizer))
sanitize_kasan = $(if $(call on,LLVM),$(KASAN_LLVM),$(KASAN_GCC))
sanitize_ubsan = $(UBSAN_FLAGS)
kasan_link    := $(if $(kasan),$(KASAN_WRAPPED:%=--wrap=%))
# The rest of a compile rule.
raw_calls      = $(if $(filter core/lib/string.c,$1)$(call is_sanitized,$1),,$(if $(kasan), \
    && $(OBJCOPY) $(foreach f,$(KASAN_WRAPPED),--redefine-sym $f=__real_$f) $2))
ifneq ($(kasan),)
$(if $(KASAN_OFFSET),,$(error DEBUG=kasan: the compilers have no such checks for $(PLATFORM)))
endif

# What a single file needs on top.  string.c defines memcpy and its like: its loops must not be
# turned into calls of themselves.
flags_of = $(if $(filter $(EARLY_SOURCES),$1),$(EARLY_FLAGS)) \
    $(if $(filter $(IN_SOFTIRQ),$1),$(KERNEL_FLAGS)) \
    $(if $(filter core/lib/string.c,$1),-fno-builtin $(STRING_FLAGS)) \
    $(if $(filter $(LIBFDT)/%,$1),$(LIBFDT_FLAGS) -w,$(WARNINGS)) \
    $(if $(call is_sanitized,$1),$(sanitize_$(sanitizer)))
# Application code that runs in timers as well, where there are no FP registers.
IN_SOFTIRQ   := tests/guest/test_memory_full.c tests/guest/test_memory_hammer.c
STRING_FLAGS := $(if $(call on,LLVM),,-fno-tree-loop-distribute-patterns)

# ---- Sources ----------------------------------------------------------------------------------

sources     = $(shell find $(wildcard $1) -name '*.[cS]' 2>/dev/null | LC_ALL=C sort)
app_dir    := $(firstword $(wildcard apps/$(APP) tests/$(APP)))
# What only debug builds do is not in other images, not even as a command.
debug_only := mm/fault_inject.c mm/gfp.c mm/slab_debug.c apps/common/commands_debug.c
left_out   := $(if $(call on,DEBUG),,$(debug_only)) $(if $(kasan),,mm/kasan%) \
    $(if $(filter ubsan,$(sanitizer)),,core/debug/ubsan.c)
kernel_src := $(filter-out $(left_out),$(call sources,$(PLATFORM_DIRS) core mm drivers net)) \
    $(libfdt:%=$(LIBFDT)/%.c)
app_src    := $(filter-out $(left_out),$(call sources,apps/common $(app_dir))) $(LIBGCC_SOURCES)

object      = $(patsubst %,$(OUT)/%$2,$(basename $(1:$(LIBFDT)/%=libfdt/%)))
kernel_obj := $(call object,$(kernel_src),.k.o)
app_obj    := $(call object,$(app_src),.o)
tree_obj   := $(DTS:%.dts=$(OUT)/%.dtb.k.o)

# ---- Compile ----------------------------------------------------------------------------------

$(if $(call on,LLVM),,$(eval $(call stamp_rule,$(NEWLIB).flags,$(CC) $(NEWLIB_CFLAGS))))
$(eval $(call stamp_rule,$(OUT)/flags,$(CC) $(CFLAGS) $(KERNEL_FLAGS) $(WARNINGS) \
    $(EARLY_FLAGS) $(if $(sanitizer),$(sanitize_$(sanitizer)) $(UNSANITIZED))))

define compile_rule
$(call object,$1,$2): $1 $(OUT)/flags $(NEWLIB)/.built $(LIBFDT_SRC)/.unpacked
	@mkdir -p $$(@D)
	$$(call note,CC,$1)
	$$(Q)$$(CC) $$(CFLAGS) $3 $(strip $(call flags_of,$1)) -MMD -MP -c $1 -o $$@ \
	    $(strip $(call raw_calls,$1,$(call object,$1,$2)))
endef
$(foreach s,$(kernel_src),$(eval $(call compile_rule,$s,.k.o,$$(KERNEL_FLAGS))))
$(foreach s,$(app_src),$(eval $(call compile_rule,$s,.o,)))
$(LIBFDT)/%.c: $(LIBFDT_SRC)/.unpacked ;

-include $(patsubst %.o,%.d,$(kernel_obj) $(app_obj))

# The device tree that the image of a machine without one brings along: NAME.dts becomes NAME_dtb to
# NAME_dtb_end.
tree_name := $(subst -,_,$(basename $(notdir $(DTS))))_dtb
$(tree_obj): $(DTS) $(OUT)/flags
	@mkdir -p $(@D)
	$(call note,DTC,$<)
	$(Q)dtc -I dts -O dtb -o $(@:.k.o=) $<
	$(Q)printf '%s\n' '.section .rodata.dtb, "a"' '.balign 8' \
	    '.global $(tree_name), $(tree_name)_end' \
	    '$(tree_name): .incbin "$(@:.k.o=)"' '$(tree_name)_end:' \
	    '.section .note.GNU-stack, ""' | $(CC) $(ARCH_FLAGS) -x assembler-with-cpp -c - -o $@

# ---- Link -------------------------------------------------------------------------------------

ELF    := $(OUT)/$(APP).elf
IMG    := $(OUT)/$(APP).img
LIBGCC  = $(if $(LIBGCC_SCRIPT),$(OUT)/libgcc.a,$(shell $(GCC) -print-libgcc-file-name))
LDFLAGS = $(LINK_FLAGS) $(kasan_link) -T $(OUT)/image.ld -nostdlib -static --gc-sections --build-id=none \
    -z noexecstack --orphan-handling=error
objects := $(kernel_obj) $(tree_obj) $(app_obj)
link     = $(LD) $(LDFLAGS) -o $1 $(objects) $2 \
    --start-group $(NEWLIB)/libc.a $(NEWLIB)/libm.a $(LIBGCC) --end-group

$(eval $(call stamp_rule,$(OUT)/$(APP).objects,$(objects)))

$(OUT)/image.ld: build/image.ld build/$(PLATFORM).mk
	@mkdir -p $(@D)
	$(Q)$(GCC) -E -P -undef -x c -DIMAGE_BASE=$(IMAGE_BASE) -DIMAGE_LOAD=$(IMAGE_LOAD) \
	    -DIMAGE_PAGE=$(IMAGE_PAGE) '-DIMAGE_ENTRY=$(IMAGE_ENTRY)' \
	    $(if $(kasan),-DKASAN) '-DLIBGCC_KERNEL=$(foreach m,$(LIBGCC_KERNEL),*libgcc.a:$m.o(.text .text.*))' $< -o $@

$(OUT)/libgcc.a: $(LIBGCC_SCRIPT)
	@mkdir -p $(@D)
	$(Q)$(LIBGCC_SCRIPT) $(shell $(GCC) -print-libgcc-file-name) $@

$(OUT)/no-symbols.o: build/symbols.py
	@mkdir -p $(@D)
	$(Q)build/symbols.py >$(@:.o=.S) && $(CC) $(ARCH_FLAGS) -c $(@:.o=.S) -o $@

# What the loader of the machine takes: the bytes alone, or an ELF file without what it skips.
image_binary = -O binary
image_elf    = --strip-all --remove-section=.mmio.sites

# Twice: the second time with the names of what the first time gave (build/symbols.py).
$(ELF): $(objects) $(OUT)/no-symbols.o $(OUT)/$(APP).objects $(OUT)/image.ld \
    $(if $(LIBGCC_SCRIPT),$(OUT)/libgcc.a) build/symbols.py build/elf.py
	$(if $(app_dir),,$(error there is no application '$(APP)' (apps/$(APP) or tests/$(APP))))
	$(call note,LD,$@)
	$(Q)$(call link,$@.pass1,$(OUT)/no-symbols.o)
	$(Q)build/symbols.py $@.pass1 >$(OUT)/$(APP).symbols.S
	$(Q)$(CC) $(ARCH_FLAGS) -c $(OUT)/$(APP).symbols.S -o $(OUT)/$(APP).symbols.o
	$(Q)$(call link,$@,$(OUT)/$(APP).symbols.o -Map=$(OUT)/$(APP).map)
	@rm -f $@.pass1

$(IMG): $(ELF) build/check_image.py build/isa.py build/image_allow.txt
	$(Q)$(OBJCOPY) $(image_$(IMAGE_FORMAT)) $< $@.new
	$(Q)build/check_image.py $< $@.new $(OBJDUMP) $(OUT)/$(APP).symbols.S
	@mv $@.new $@

image: $(IMG)

# ---- lwIP -------------------------------------------------------------------------------------

# The host stack, with the configuration in net/host/include: kernel code, optimised for size, in a
# library that no image takes yet.  Left out is what that configuration leaves empty (ARP, AutoIP,
# altcp), and all of netif/.  Our warnings hold, but for what its own `#if`s leave unused
# and (clang) for a macro's double parentheses and a minimum that is known beforehand.
LWIP      := $(OUT)/lwip/liblwip.a
lwip      := $(addprefix api/,api_lib api_msg err if_api netbuf netdb netifapi sockets tcpip) \
    $(addprefix core/,def dns inet_chksum init ip mem memp netif pbuf raw stats sys tcp tcp_in \
        tcp_out timeouts udp) \
    $(addprefix core/ipv4/,dhcp icmp igmp ip4 ip4_addr ip4_frag) \
    $(addprefix core/ipv6/,dhcp6 icmp6 inet6 ip6 ip6_addr ip6_frag mld6 nd6)
lwip_obj  := $(lwip:%=$(OUT)/lwip/%.o)
LWIP_FLAGS = -Inet/host/include -I$(LWIP_SRC)/src/include $(CFLAGS) $(if $(call on,DEBUG),,-Os) \
    $(KERNEL_FLAGS) $(WARNINGS) -Wno-unused-parameter -Wno-unused-variable \
    -Wno-parentheses-equality -Wno-tautological-constant-out-of-range-compare

.PHONY: lwip
lwip: $(LWIP)

$(eval $(call stamp_rule,$(OUT)/lwip/flags,$(CC) $(LWIP_FLAGS)))
$(eval $(call stamp_rule,$(OUT)/lwip/objects,$(lwip_obj)))

$(lwip_obj): $(OUT)/lwip/%.o: $(LWIP_SRC)/src/%.c $(LWIP_SRC)/.unpacked $(OUT)/lwip/flags \
    $(NEWLIB)/.built $(LIBFDT_SRC)/.unpacked
	@mkdir -p $(@D)
	$(call note,CC,$<)
	$(Q)$(CC) $(LWIP_FLAGS) -MMD -MP -c $< -o $@
$(LWIP_SRC)/%.c: $(LWIP_SRC)/.unpacked ;

$(LWIP): $(lwip_obj) $(OUT)/lwip/objects
	$(call note,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $(lwip_obj)

-include $(lwip_obj:.o=.d)
