// SPDX-License-Identifier: BSD-2-Clause
//
// ARM PrimeCell UART PL011 (TRM ARM DDI 0183, chapter 3). The line speed is left as firmware set
// it: virtual ports ignore it, and a real one was used by the loader before us.

#include "drivers/driver.h"
#include "drivers/serial/serial.h"

enum pl011_register {
    DR = 0x00,
    FR = 0x18,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    ICR = 0x44,
};

#define DR_OVERRUN (1u << 11)
#define FR_BUSY (1u << 3)
#define FR_RX_EMPTY (1u << 4)
#define FR_TX_FULL (1u << 5)
#define LCR_H_FIFO (1u << 4)
#define LCR_H_8_BITS (3u << 5)
#define CR_ENABLE (1u << 0)
#define CR_TX (1u << 8)
#define CR_RX (1u << 9)
#define IFLS_RX_EIGHTH 0u
#define INT_RX (1u << 4)
#define INT_RX_TIMEOUT (1u << 6)
#define INT_OVERRUN (1u << 10)
#define INT_ALL 0x7ffu

// Reads of FR before a character is given up. A read takes 100 ns at least on real hardware, so
// this is some 10 ms: a full FIFO of 32 at 115200 baud drains in 3 ms.
#define POLL_LIMIT 100000

static bool wait_clear(mmio_t regs, uint32_t flag)
{
    for (int i = 0; i < POLL_LIMIT; i++) {
        if (!(mmio_read32(regs, FR) & flag))
            return true;
    }
    return false;
}

static int pl011_init(mmio_t regs, const struct dt_node *node)
{
    (void)node;
    // LCR_H must not change while the port is enabled or sending (3.3.8); a port that stays busy
    // is reprogrammed all the same, which garbles one character.
    wait_clear(regs, FR_BUSY);
    mmio_write32(regs, CR, 0);
    mmio_write32(regs, IMSC, 0);
    mmio_write32(regs, ICR, INT_ALL);
    mmio_write32(regs, LCR_H, LCR_H_8_BITS | LCR_H_FIFO);
    mmio_write32(regs, IFLS, IFLS_RX_EIGHTH << 3);
    mmio_write32(regs, CR, CR_ENABLE | CR_TX | CR_RX);
    return 0;
}

static bool pl011_put(mmio_t regs, char c)
{
    if (!wait_clear(regs, FR_TX_FULL))
        return false;
    mmio_write32(regs, DR, (uint8_t)c);
    return true;
}

// The time-out interrupt brings what stays below the FIFO's trigger level.
static void pl011_rx_enable(mmio_t regs, bool on)
{
    mmio_write32(regs, IMSC, on ? INT_RX | INT_RX_TIMEOUT | INT_OVERRUN : 0);
}

// Only the overrun has to be cleared by hand: the others go with the last character. Clearing
// before reading, so that a character that arrives meanwhile raises the line again.
static void pl011_rx_acknowledge(mmio_t regs)
{
    mmio_write32(regs, ICR, INT_RX | INT_RX_TIMEOUT | INT_OVERRUN);
}

static int pl011_rx_get(mmio_t regs, bool *overrun)
{
    if (mmio_read32(regs, FR) & FR_RX_EMPTY)
        return -EAGAIN;
    uint32_t data = mmio_read32(regs, DR);
    *overrun = data & DR_OVERRUN;
    return data & 0xff;
}

SERIAL_DRIVER(pl011_serial) = {
    .compatible = "arm,pl011",
    .init = pl011_init,
    .put = pl011_put,
    .rx_enable = pl011_rx_enable,
    .rx_acknowledge = pl011_rx_acknowledge,
    .rx_get = pl011_rx_get,
};
DT_DRIVER(pl011_driver, "arm,pl011", DRIVER_EARLY, serial_probe);
