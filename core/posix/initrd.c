// SPDX-License-Identifier: BSD-2-Clause
//
// Reader of the initial archive: cpio "newc" (format as cpio(5) and the kernel documentation's
// initramfs buffer format give it). A header is 110 characters: "070701" and 13 numbers of eight
// hexadecimal digits; name and data follow, each padded to four bytes. Everything is foreign:
// no number is used before it is checked against what is left of the archive.

#include <string.h>

#include "core/posix/file.h"

#define MAGIC "070701"
#define MAGIC_LEN 6
#define HEADER_LEN 110
#define TRAILER "TRAILER!!!"

#define MODE_TYPE 0170000u
#define MODE_REGULAR 0100000u
#define MODE_DIRECTORY 0040000u

// Positions among the 13 numbers; the others (owner, time, device, check) have no use here.
enum newc_field { FIELD_MODE = 1, FIELD_BYTES = 6, FIELD_NAME_BYTES = 11 };

struct entry {
    const char *name; // NUL-terminated inside the archive
    const char *data;
    size_t data_len;
    uint32_t mode;
};

static const char *archive;
static size_t archive_len;

void initrd_set(const void *mem, size_t len)
{
    archive = mem;
    archive_len = mem ? len : 0;
}

// Eight hexadecimal digits; parse_u64 would take "0x" and ends at a NUL.
static bool field(const char *header, enum newc_field index, uint32_t *value)
{
    const char *text = header + MAGIC_LEN + 8 * index;
    uint32_t sum = 0;
    for (int i = 0; i < 8; i++) {
        char c = text[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)((c | 0x20) - 'a') + 10;
        else
            return false;
        sum = sum << 4 | digit;
    }
    *value = sum;
    return true;
}

// Reads the entry at *offset and moves on behind it.
static bool next_entry(size_t *offset, struct entry *entry)
{
    size_t left = archive_len - *offset;
    const char *header = archive + *offset;
    uint32_t bytes, name_bytes;
    if (left < HEADER_LEN || memcmp(header, MAGIC, MAGIC_LEN) != 0)
        return false;
    if (!field(header, FIELD_MODE, &entry->mode) || !field(header, FIELD_BYTES, &bytes) ||
        !field(header, FIELD_NAME_BYTES, &name_bytes))
        return false;
    // 64-bit sums of 32-bit numbers cannot wrap. The last padding of an archive may be missing.
    size_t name_end = HEADER_LEN + (size_t)name_bytes;
    size_t data_at = MIN(ALIGN_UP(name_end, 4), left);
    if (name_bytes == 0 || name_end > left || bytes > left - data_at)
        return false;
    entry->name = header + HEADER_LEN;
    if (entry->name[name_bytes - 1] != '\0')
        return false;
    entry->data = header + data_at;
    entry->data_len = bytes;
    *offset += MIN(ALIGN_UP(data_at + bytes, 4), left);
    return true;
}

// Archivers write "etc/x", "./etc/x" or "/etc/x" for the same file.
static const char *plain_name(const char *path)
{
    for (;;) {
        if (path[0] == '/')
            path++;
        else if (path[0] == '.' && path[1] == '/')
            path += 2;
        else
            return path;
    }
}

// What open() may read: regular files. A link's data is its target's name.
static int take_entry(const struct entry *entry, const void **data, size_t *len)
{
    if ((entry->mode & MODE_TYPE) == MODE_DIRECTORY)
        return -EISDIR;
    if ((entry->mode & MODE_TYPE) != MODE_REGULAR)
        return -ENOENT; // links and devices
    *data = entry->data;
    *len = entry->data_len;
    return 0;
}

int initrd_find(const char *path, const void **data, size_t *len)
{
    const char *wanted = plain_name(path);
    struct entry entry;
    if (!archive_len || !*wanted)
        return -ENOENT;
    for (size_t offset = 0; next_entry(&offset, &entry);) {
        if (strcmp(entry.name, TRAILER) == 0)
            return -ENOENT;
        if (strcmp(plain_name(entry.name), wanted) == 0)
            return take_entry(&entry, data, len);
    }
    return -EINVAL; // an archive ends with its trailer
}
