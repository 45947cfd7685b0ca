// SPDX-License-Identifier: BSD-2-Clause
//
// Barriers between the CPU and devices (Arm ARM B2.3.12). CPU-to-CPU ordering uses C11 atomics.
//
//   dma_wmb()  stores before it are seen by a device before stores after it (descriptor, then
//              index; ring contents, then a doorbell made by mmio_write*)
//   dma_rmb()  loads before it are done before loads after it (index, then descriptor)
//   dma_mb()   all before it against all after it, store-to-load included (event index checks)
//
// Outer-shareable: devices are outside the inner domain. The doorbell itself is device memory,
// and DMB OSHST orders it after the normal stores before the barrier.

#pragma once

#define dma_wmb() __asm__ volatile("dmb oshst" ::: "memory")
#define dma_rmb() __asm__ volatile("dmb oshld" ::: "memory")
#define dma_mb() __asm__ volatile("dmb osh" ::: "memory")
#define compiler_barrier() __asm__ volatile("" ::: "memory")
