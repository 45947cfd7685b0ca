# SPDX-License-Identifier: BSD-2-Clause
#
# Turns the plugin's per-function counters into a table.

TOP_FUNCTIONS = 30


def top(functions, counts, packets, limit=TOP_FUNCTIONS):
    """[[name, instructions per packet, share in %]], the largest first, with a line for the rest."""
    total = sum(counts)
    if not total or not packets:
        return []
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    rows = [[functions[i][2], f"{counts[i] / packets:.1f}", f"{100 * counts[i] / total:.1f}"]
            for i in order[:limit] if counts[i]]
    rest = sum(counts[i] for i in order[limit:])
    if rest:
        rows.append(["(all others)", f"{rest / packets:.1f}", f"{100 * rest / total:.1f}"])
    rows.append(["sum", f"{total / packets:.1f}", "100.0"])
    return rows
