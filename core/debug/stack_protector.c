// SPDX-License-Identifier: BSD-2-Clause
//
// Guard of -fstack-protector: a global word that the compiler's prologues read. Its lowest byte is
// zero, so that a string overflow cannot reproduce it.

#include "core/debug/stack_protector.h"

#include "arch/cpu.h"
#include "core/debug/panic.h"
#include "core/lib/dt.h"

extern uintptr_t __stack_chk_guard;
uintptr_t __stack_chk_guard = 0x5bd1e995a7c3f100;
_Noreturn void __stack_chk_fail(void);

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

__attribute__((no_stack_protector)) void stack_protector_seed(void)
{
    int len = 0;
    const struct dt_node *chosen = dt_by_path("/chosen");
    const uint8_t *seed = chosen ? dt_property(chosen, "rng-seed", &len) : NULL;
    uint64_t value = mix(arch_counter() + __stack_chk_guard);
    for (int i = 0; seed && i < len && i < 64; i++)
        value = mix(value ^ seed[i]);
    __stack_chk_guard = value & ~0xffULL;
}

void __stack_chk_fail(void)
{
    panic("stack protector: the frame of the function at %p was overwritten",
          __builtin_return_address(0));
}
