// SPDX-License-Identifier: BSD-2-Clause
//
// The refusal at EL3. Entering there means that no firmware is below us: no PSCI, and secondaries
// running. The MMU is off and everything is at its physical address; the console is the pl011 that
// the device tree names, polled, each wait limited.

#include <libfdt.h>

#include "core/lib/mmio.h"
#include "platform/arm64/early.h"

#define UART_DR 0x00
#define UART_FR 0x18
#define UART_FR_TXFF (1u << 5)
#define UART_CR 0x30
#define UART_CR_ENABLE 0x301 // UARTEN, TXE, RXE
#define POLL_LIMIT 100000

static const char message[] =
    "\r\nsluice: entered at EL3, which is not supported: start it at EL2 or EL1 "
    "(QEMU: drop secure=on)\r\n";

// "okay" or nothing; a machine with EL3 may list a second UART that is not for us.
static bool is_available(const void *fdt, int node)
{
    int len = 0;
    const char *status = fdt_getprop(fdt, node, "status", &len);
    return !status || (len > 1 && status[0] == 'o' && status[1] == 'k');
}

static mmio_t find_uart(const void *fdt)
{
    int node = -1, len = 0;
    do {
        node = fdt_node_offset_by_compatible(fdt, node, "arm,pl011");
    } while (node >= 0 && !is_available(fdt, node));
    const fdt32_t *reg = node < 0 ? NULL : fdt_getprop(fdt, node, "reg", &len);
    if (!reg || len < 8)
        return (mmio_t){0};
    // Two address cells on every 64-bit tree; the upper one is zero where UARTs live.
    return (mmio_t){((uint64_t)fdt32_to_cpu(reg[0]) << 32) | fdt32_to_cpu(reg[1])};
}

static void put_char(mmio_t uart, char c)
{
    for (int i = 0; i < POLL_LIMIT && (mmio_read32(uart, UART_FR) & UART_FR_TXFF); i++)
        ;
    mmio_write32(uart, UART_DR, (uint8_t)c);
}

void early_refuse_el3(const void *fdt)
{
    if (!fdt || fdt_check_header(fdt))
        return;
    mmio_t uart = find_uart(fdt);
    if (!mmio_valid(uart))
        return;
    mmio_write32(uart, UART_CR, UART_CR_ENABLE);
    for (const char *p = message; *p; p++)
        put_char(uart, *p);
}
