// SPDX-License-Identifier: BSD-2-Clause
//
// Barriers between the CPU and devices (MIPS64 Architecture, volume II, SYNC). CPU-to-CPU ordering
// uses C11 atomics.
//
//   dma_wmb()  stores before it are seen by a device before stores after it (descriptor, then
//              index; ring contents, then a doorbell made by mmio_write*)
//   dma_rmb()  loads before it are done before loads after it (index, then descriptor)
//   dma_mb()   all before it against all after it, store-to-load included (event index checks)
//
// SYNC with type 0 orders cached and uncached accesses, both ways. The types that order less are
// left out: Loongson 3A1000 knows none of them, and the doorbell is an uncached store, against
// which they need not order the cached ones.

#pragma once

#define dma_wmb() __asm__ volatile("sync" ::: "memory")
#define dma_rmb() __asm__ volatile("sync" ::: "memory")
#define dma_mb() __asm__ volatile("sync" ::: "memory")
#define compiler_barrier() __asm__ volatile("" ::: "memory")
