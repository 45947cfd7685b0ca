// SPDX-License-Identifier: BSD-2-Clause
//
// Addresses to text and back (contract in address.h). Text is foreign: each reader is a bounded
// walk over the string that accepts exactly what the form allows.

#include "apps/common/address.h"

#include <string.h>

#include "core/lib/fmt.h"

// <ctype.h> depends on the locale of the calling thread; addresses do not.
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A decimal number of at most three digits without leading zeros, up to `max`. Moves *text on.
static int decimal(const char **text, unsigned max, unsigned *value)
{
    const char *start = *text, *p = start;
    unsigned sum = 0;
    while (is_digit(*p) && p - start < 4)
        sum = sum * 10 + (unsigned)(*p++ - '0');
    if (p == start || p - start > 3 || (*start == '0' && p - start > 1) || sum > max)
        return -EINVAL;
    *text = p;
    *value = sum;
    return 0;
}

// A dotted quad; moves *text behind it. What follows is for the caller to judge.
static int quad(const char **text, uint32_t *addr)
{
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) {
        unsigned part;
        if ((i && *(*text)++ != '.') || decimal(text, 255, &part))
            return -EINVAL;
        sum = sum << 8 | part;
    }
    *addr = sum;
    return 0;
}

// Nothing is stored before the whole string is known to be good: callers may pass a field of the
// model and rely on it when this fails.
int ip4_parse(const char *text, uint32_t *addr)
{
    uint32_t value;
    if (quad(&text, &value) || *text)
        return -EINVAL;
    *addr = value;
    return 0;
}

int ip4_parse_prefix(const char *text, uint32_t *addr, uint8_t *len)
{
    uint32_t value;
    unsigned bits;
    if (quad(&text, &value) || *text++ != '/' || decimal(&text, 32, &bits) || *text)
        return -EINVAL;
    *addr = value;
    *len = (uint8_t)bits;
    return 0;
}

// One group of one to four hexadecimal digits.
static int hex_group(const char **text, unsigned *value)
{
    unsigned sum = 0, digits = 0;
    for (int v; (v = hex_value(**text)) >= 0; (*text)++, digits++) {
        if (digits == 4)
            return -EINVAL;
        sum = sum << 4 | (unsigned)v;
    }
    *value = sum;
    return digits ? 0 : -EINVAL;
}

// True when a dotted quad stands here: a '.' comes before the next ':' or the end.
static bool quad_follows(const char *text)
{
    while (hex_value(*text) >= 0)
        text++;
    return *text == '.';
}

// Reads one group or, as the last, a dotted quad. Returns the groups stored, or -EINVAL.
static int ip6_group(const char **text, uint16_t *groups, unsigned room)
{
    if (quad_follows(*text)) {
        uint32_t v4;
        if (room < 2 || quad(text, &v4) || (**text && **text != '/'))
            return -EINVAL; // the quad is the address's last part
        groups[0] = (uint16_t)(v4 >> 16);
        groups[1] = (uint16_t)v4;
        return 2;
    }
    unsigned group;
    if (room < 1 || hex_group(text, &group))
        return -EINVAL;
    groups[0] = (uint16_t)group;
    return 1;
}

// Groups up to '/' or the end; *gap is where "::" stood, -1 without one. Returns how many.
static int ip6_groups(const char **text, uint16_t groups[8], int *gap)
{
    const char *p = *text;
    int count = 0;
    *gap = -1;
    if (p[0] == ':' && p[1] != ':')
        return -EINVAL;
    while (*p && *p != '/') {
        if (p[0] == ':' && p[1] == ':') {
            if (*gap >= 0)
                return -EINVAL;
            *gap = count;
            p += 2;
            continue;
        }
        // After "::" a group follows at once; otherwise one ':' stands between two groups.
        if (count && *gap != count && *p++ != ':')
            return -EINVAL;
        int n = ip6_group(&p, groups + count, (unsigned)(8 - count));
        if (n < 0)
            return n;
        count += n;
    }
    *text = p;
    return count;
}

// Without "::" all eight groups must stand there; with it at least one is left out, since "::" for
// nothing would be a second way to write the same (RFC 5952 section 4.2.2).
int ip6_parse_prefix(const char *text, struct ip6_prefix *prefix)
{
    uint16_t groups[8] = {0};
    unsigned bits;
    int gap;
    int count = ip6_groups(&text, groups, &gap);
    if (count < 0 || (gap < 0 ? count != 8 : count > 7))
        return -EINVAL;
    if (*text++ != '/' || decimal(&text, 128, &bits) || *text)
        return -EINVAL;
    if (gap >= 0) { // move what stands behind "::" to the end
        int tail = count - gap;
        memmove(groups + 8 - tail, groups + gap, (size_t)tail * sizeof(groups[0]));
        memset(groups + gap, 0, (size_t)(8 - count) * sizeof(groups[0]));
    }
    for (int i = 0; i < 8; i++) {
        prefix->addr[2 * i] = (uint8_t)(groups[i] >> 8);
        prefix->addr[2 * i + 1] = (uint8_t)groups[i];
    }
    prefix->len = (uint8_t)bits;
    return 0;
}

// The first separator decides which one the others must be: a mixture is more likely a typing
// mistake than an address.
int mac_parse(const char *text, uint8_t mac[6])
{
    uint8_t bytes[6];
    char separator = text[0] && text[1] ? text[2] : '\0';
    if (separator != ':' && separator != '-')
        return -EINVAL;
    for (int i = 0; i < 6; i++) {
        if (i && *text++ != separator)
            return -EINVAL;
        int high = hex_value(text[0]);
        int low = high < 0 ? -1 : hex_value(text[1]);
        if (low < 0)
            return -EINVAL;
        bytes[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    if (*text)
        return -EINVAL;
    memcpy(mac, bytes, sizeof(bytes));
    return 0;
}

char *ip4_format(uint32_t addr, char buf[static IP4_TEXT_MAX])
{
    be32_t wire = be32_make(addr);
    fmt_snprint(buf, IP4_TEXT_MAX, "%pI4", (void *)&wire);
    return buf;
}

char *ip4_format_prefix(uint32_t addr, unsigned len, char buf[static PREFIX4_TEXT_MAX])
{
    be32_t wire = be32_make(addr);
    fmt_snprint(buf, PREFIX4_TEXT_MAX, "%pI4/%u", (void *)&wire, len);
    return buf;
}

// The longest run of two or more zero groups, the first among equals (RFC 5952 section 4.2).
static void longest_zeros(const uint16_t groups[8], int *start, int *len)
{
    *start = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && groups[i + n] == 0)
            n++;
        if (n > *len) {
            *start = i;
            *len = n;
        }
    }
}

// Small letters, no leading zeros, "::" for the longest run. A dotted quad at the end is not kept:
// RFC 5952 section 5 wants it for well-known prefixes only, which are none of our business.
char *ip6_format(const uint8_t addr[16], char buf[static IP6_TEXT_MAX])
{
    uint16_t groups[8];
    for (int i = 0; i < 8; i++)
        groups[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
    int start, len;
    longest_zeros(groups, &start, &len);
    size_t at = 0;
    buf[0] = '\0';
    for (int i = 0; i < 8; i++) {
        if (i == start) {
            at += (size_t)fmt_snprint(buf + at, IP6_TEXT_MAX - at, "::");
            i += len - 1;
            continue;
        }
        bool colon = i && i != start + len;
        at += (size_t)fmt_snprint(buf + at, IP6_TEXT_MAX - at, colon ? ":%x" : "%x", groups[i]);
    }
    return buf;
}

char *mac_format(const uint8_t mac[6], char buf[static MAC_TEXT_MAX])
{
    fmt_snprint(buf, MAC_TEXT_MAX, "%pM", (const void *)mac);
    return buf;
}
