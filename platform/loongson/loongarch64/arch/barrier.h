// SPDX-License-Identifier: BSD-2-Clause
//
// Barriers between the CPU and devices (LoongArch Reference Manual vol. 1, 2.2.8.1 DBAR, and 2.1.7,
// memory access types). CPU-to-CPU ordering uses C11 atomics.
//
//   dma_wmb()  stores before it are seen by a device before stores after it (descriptor, then
//              index; ring contents, then a doorbell made by mmio_write*)
//   dma_rmb()  loads before it are done before loads after it (index, then descriptor)
//   dma_mb()   all before it against all after it, store-to-load included (event index checks)
//
// The hint's bits say what need not wait: 8 loads before, 4 stores before, 2 loads after, 1 stores
// after. With 0x10 clear, what waits does so for completion; set, only the order within the caches
// is kept. A doorbell is an uncached store: in order with its kind, but not with what still waits
// to enter the cache, so completion it is. Cores that know no finer hints (3A5000) take each for
// the full barrier 0.

#pragma once

#define dma_wmb() __asm__ volatile("dbar 0xa" ::: "memory")
#define dma_rmb() __asm__ volatile("dbar 0x5" ::: "memory")
#define dma_mb() __asm__ volatile("dbar 0" ::: "memory")
#define compiler_barrier() __asm__ volatile("" ::: "memory")
