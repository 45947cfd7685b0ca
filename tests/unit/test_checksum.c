// SPDX-License-Identifier: BSD-2-Clause
//
// The Internet checksum against a byte-wise model: sums of any length and alignment, the
// incremental updates of RFC 1624 for every value, and the software half of checksum offload.
//
// unit-sources: net/checksum.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/checksum.h"
#include "net/ip4.h"
#include "net/packet.h"

// RFC 1071 section 4.1, on big-endian words.
static uint16_t model(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    if (len % 2)
        sum += (uint32_t)data[len - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void test_against_model(void **state)
{
    (void)state;
    for (size_t len = 0; len < 200; len++) {
        for (size_t offset = 0; offset < 9; offset++) {
            uint8_t *data = malloc(offset + len + 1); // exact end: ASan sees an overread
            uint8_t *at = data + offset + 1;
            for (size_t i = 0; i < len; i++)
                at[i] = (uint8_t)(rand() % 4 ? rand() : 0xff);
            assert_int_equal(be16_get(csum_finish(csum_add(at, len, 0))), model(at, len));
            free(data);
        }
    }
}

static void test_golden(void **state)
{
    // The example header of RFC 1071's style that every text uses: checksum 0xb861.
    static const uint8_t header[20] = {0x45, 0, 0,    0x73, 0, 0, 0x40, 0,    0x40, 0x11,
                                       0,    0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,    0xc7};
    (void)state;
    assert_int_equal(be16_get(csum_finish(csum_add(header, 20, 0))), 0xb861);
    static const uint8_t zeros[20], ones[20] = {0xff, 0xff};
    assert_int_equal(csum_finish(csum_add(zeros, 20, 0)).raw, 0xffff);
    assert_int_equal(csum_finish(csum_add(ones, 20, 0)).raw, 0);
}

static void test_fold_carries(void **state)
{
    (void)state;
    assert_int_equal(csum_fold(0), 0);
    assert_int_equal(csum_fold(0xffff), 0xffff);
    assert_int_equal(csum_fold(0x10000), 1);
    assert_int_equal(csum_fold(0xffffffff), 0xffff);
    assert_int_equal(csum_fold(UINT64_MAX), 0xffff);
    assert_int_equal(csum_fold(0xffff0000ffff0001), 0x0001);
    assert_int_equal(csum_fold(0x0001fffeffffffff), 0xffff);
}

// For every checksum that a header can have and some protocols: step() against summing anew.
static void test_ttl_step(void **state)
{
    (void)state;
    for (uint32_t checksum = 0; checksum < 65536; checksum++) {
        uint8_t header[20] = {0x45, 0, 0, 46, 0, 0, 0, 0, (uint8_t)(checksum % 254 + 2), 17};
        struct ip4_header *ip = (struct ip4_header *)header;
        // Choose the identification so that the checksum becomes this one.
        uint32_t sum = csum_fold(csum_add(header, 20, 0)) + checksum;
        ip->id.raw = (uint16_t)~csum_fold(sum);
        ip->checksum.raw = (uint16_t)checksum;
        assert_true(csum_ok(header, 20));
        store32(&ip->ttl, ip4_ttl_step(load32(&ip->ttl)));
        be16_t sent = ip->checksum;
        ip->checksum.raw = 0;
        assert_int_equal(sent.raw, csum_finish(csum_add(header, 20, 0)).raw);
    }
}

// RFC 1624 section 4: the example that RFC 1141 gets wrong, then every pair with a random third.
static void test_replace(void **state)
{
    (void)state;
    be16_t result = csum_replace16(be16_make(0xdd2f), be16_make(0x5555), be16_make(0x3285));
    assert_int_equal(be16_get(result), 0x0000);
    for (unsigned i = 0; i < 100000; i++) {
        uint16_t words[3] = {(uint16_t)rand(), (uint16_t)rand(), (uint16_t)(rand() | 1)};
        be16_t old = csum_finish(csum_add(words, 6, 0)), from = {words[1]};
        words[1] = (uint16_t)rand();
        be16_t replaced = csum_replace16(old, from, (be16_t){words[1]});
        assert_int_equal(replaced.raw, csum_finish(csum_add(words, 6, 0)).raw);
    }
}

static void test_finish_packet(void **state)
{
    struct {
        struct packet p;
        uint8_t buffer[PACKET_BUFFER_BYTES];
    } slot;
    struct packet *p = &slot.p;
    (void)state;
    memset(&slot, 0, sizeof(slot));
    for (unsigned len = 42; len < 300; len++) {
        packet_reset(p);
        p->len = (uint16_t)len;
        p->data[14] = 0x45;
        for (unsigned i = 34; i < len; i++)
            p->data[i] = (uint8_t)rand();
        p->flags = PACKET_CSUM_PARTIAL;
        p->csum_start = 34;
        p->csum_offset = 6;
        uint16_t pseudo = load16(p->data + 40);
        csum_finish_packet(p);
        assert_int_equal(p->flags, 0);
        uint16_t sent = load16(p->data + 40);
        store16(p->data + 40, pseudo);
        uint16_t expected = csum_finish(csum_add(p->data + 34, len - 34, 0)).raw;
        assert_int_equal(sent, expected ? expected : 0xffff);
    }
    // A sum of zero is sent as all ones.
    packet_reset(p);
    memset(p->data, 0, 64);
    store16(p->data + 40, 0xffff);
    p->len = 42;
    p->csum_start = 34, p->csum_offset = 6, p->flags = PACKET_CSUM_PARTIAL;
    csum_finish_packet(p);
    assert_int_equal(load16(p->data + 40), 0xffff);
}

// Marks outside of the frame, and inside its headers, are cleared without a write.
static void test_finish_bad_marks(void **state)
{
    static const struct {
        uint8_t version_ihl;
        uint16_t start, offset;
    } bad[] = {{0x45, 34, 57},         {0x45, 91, 0}, {0x45, 0xffff, 0xffff}, {0x45, 40, 0xfff0},
               {0x45, 0, 16},          {0x45, 14, 2}, {0x45, 14, 10},         {0x45, 33, 0},
               {0x45, 33, 6},          {0x46, 34, 0}, {0x46, 37, 6},          {0x4f, 73, 6},
               {0x40, 14, 2 /* IHL */}};
    struct {
        struct packet p;
        uint8_t buffer[PACKET_BUFFER_BYTES];
    } slot;
    struct packet *p = &slot.p;
    uint8_t before[PACKET_BUFFER_BYTES];
    (void)state;
    memset(&slot, 0x5a, sizeof(slot));
    packet_reset(p);
    p->len = 92;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        p->data[14] = bad[i].version_ihl;
        memcpy(before, slot.buffer, sizeof(before));
        p->csum_start = bad[i].start, p->csum_offset = bad[i].offset;
        p->flags = PACKET_CSUM_PARTIAL;
        csum_finish_packet(p);
        assert_int_equal(p->flags, 0);
        assert_memory_equal(before, slot.buffer, sizeof(before));
    }
    p->data[14] = 0x46; // right behind the options, and up to the frame's last byte
    p->csum_start = 38, p->csum_offset = 52, p->flags = PACKET_CSUM_PARTIAL;
    csum_finish_packet(p);
    assert_int_not_equal(load16(p->data + 90), 0x5a5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),    cmocka_unit_test(test_golden),
        cmocka_unit_test(test_fold_carries),     cmocka_unit_test(test_ttl_step),
        cmocka_unit_test(test_replace),          cmocka_unit_test(test_finish_packet),
        cmocka_unit_test(test_finish_bad_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
