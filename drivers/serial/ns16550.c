// SPDX-License-Identifier: BSD-2-Clause
//
// UART 16550 (National Semiconductor PC16550D data sheet, chapter 8: registers; chapter 9: FIFO
// operation). Where its registers stand is the tree's matter (Devicetree binding serial/8250:
// reg-shift, reg-io-width). The divisor is left as firmware set it: virtual ports ignore it, and a
// real one was used by the loader before us.

#include <stdatomic.h>

#include "drivers/driver.h"
#include "drivers/serial/serial.h"

enum ns16550_register {
    RBR = 0, // read
    THR = 0, // write
    IER = 1,
    FCR = 2,
    LCR = 3,
    MCR = 4,
    LSR = 5,
};

#define IER_RX (1u << 0) // with the FIFO on, its time-out as well
#define FCR_FIFO (1u << 0)
#define FCR_TRIGGER_8 (2u << 6) // of 16: half is left for the interrupt's latency
#define LCR_8N1 3u              // and DLAB clear: offsets 0 and 1 are not the divisor
#define MCR_DTR (1u << 0)
#define MCR_RTS (1u << 1)
#define MCR_OUT2 (1u << 3) // on PC-like boards it opens the interrupt line
#define MCR_LOOP (1u << 4)
#define LSR_DATA (1u << 0)
#define LSR_OVERRUN (1u << 1)
#define LSR_TX_EMPTY (1u << 5)
#define LSR_IDLE (1u << 6) // the last bit has been sent

// Reads of LSR before a character is given up: some 10 ms on real hardware, where a read takes
// 100 ns at least. A full FIFO of 16 at 115200 baud drains in 1.5 ms.
#define POLL_LIMIT 100000

#define SHIFT_MAX 3

// Of the one port that serial.c uses.
static struct {
    unsigned shift;
    bool words;               // registers take 32-bit accesses only
    int early;                // came before the FIFO was on; -1 for none
    _Atomic unsigned overrun; // LSR said so to a reader that wanted something else
} port;

static uint8_t reg_read(mmio_t regs, unsigned reg)
{
    size_t offset = (size_t)reg << port.shift;
    return port.words ? (uint8_t)mmio_read32(regs, offset) : mmio_read8(regs, offset);
}

static void reg_write(mmio_t regs, unsigned reg, uint8_t value)
{
    size_t offset = (size_t)reg << port.shift;
    if (port.words)
        mmio_write32(regs, offset, value);
    else
        mmio_write8(regs, offset, value);
}

// Reading LSR clears its error bits, so whoever reads it keeps the overrun for rx_get.
static uint8_t read_status(mmio_t regs)
{
    uint8_t status = reg_read(regs, LSR);
    if (unlikely(status & LSR_OVERRUN))
        atomic_store_explicit(&port.overrun, 1, memory_order_relaxed);
    return status;
}

static int read_layout(const struct dt_node *node)
{
    uint32_t shift = 0, width = 1;
    if (dt_has(node, "reg-shift") && dt_u32(node, "reg-shift", &shift))
        return -EINVAL;
    if (dt_has(node, "reg-io-width") && dt_u32(node, "reg-io-width", &width))
        return -EINVAL;
    paddr_t base;
    uint64_t len;
    if (shift > SHIFT_MAX || dt_reg(node, 0, &base, &len) || len < (uint64_t)(LSR + 1) << shift ||
        (width != 1 && width != 4) || (width == 4 && shift < 2))
        return -EINVAL;
    port.shift = shift;
    port.words = width == 4;
    return 0;
}

static int ns16550_init(mmio_t regs, const struct dt_node *node)
{
    int err = read_layout(node);
    if (err)
        return err;
    reg_write(regs, LCR, LCR_8N1);
    reg_write(regs, IER, 0);
    for (int i = 0; i < POLL_LIMIT && !(read_status(regs) & LSR_IDLE); i++)
        ; // the loader's last character is on its way
    // Switching the FIFO on empties it (8.2). What was typed ahead is taken out before, with the
    // input cut off, so that no more comes in between.
    reg_write(regs, MCR, MCR_LOOP);
    port.early = read_status(regs) & LSR_DATA ? reg_read(regs, RBR) : -1;
    reg_write(regs, FCR, FCR_FIFO | FCR_TRIGGER_8);
    reg_write(regs, MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    return 0;
}

static bool ns16550_put(mmio_t regs, char c)
{
    for (int i = 0; i < POLL_LIMIT; i++) {
        if (read_status(regs) & LSR_TX_EMPTY) {
            reg_write(regs, THR, (uint8_t)c);
            return true;
        }
    }
    return false;
}

static void ns16550_rx_enable(mmio_t regs, bool on) { reg_write(regs, IER, on ? IER_RX : 0); }

// The line goes down when the characters are taken: nothing to clear.
static void ns16550_rx_acknowledge(mmio_t regs) { (void)regs; }

static int ns16550_rx_get(mmio_t regs, bool *overrun)
{
    int early = port.early;
    if (unlikely(early >= 0)) {
        port.early = -1;
        return early;
    }
    if (!(read_status(regs) & LSR_DATA))
        return -EAGAIN;
    if (unlikely(atomic_load_explicit(&port.overrun, memory_order_relaxed)))
        *overrun = atomic_exchange_explicit(&port.overrun, 0, memory_order_relaxed);
    return reg_read(regs, RBR);
}

#define NS16550(id, name)                         \
    SERIAL_DRIVER(id##_serial) = {                \
        .compatible = name,                       \
        .init = ns16550_init,                     \
        .put = ns16550_put,                       \
        .rx_enable = ns16550_rx_enable,           \
        .rx_acknowledge = ns16550_rx_acknowledge, \
        .rx_get = ns16550_rx_get,                 \
    };                                            \
    DT_DRIVER(id##_driver, name, DRIVER_EARLY, serial_probe)

NS16550(ns16550a, "ns16550a");
NS16550(ns16550, "ns16550");
