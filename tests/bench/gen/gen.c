// SPDX-License-Identifier: BSD-2-Clause
//
// Closed-loop load generator over the two unix datagram sockets of QEMU's dgram netdevs: it
// keeps a window of frames outstanding, sends a new one for each that comes back, and checks
// every byte of each. It answers ARP (RFC 826) for its own two addresses all the time.
//
// Commands on standard input, one a line; the answer is one line of JSON:
//   run PACKETS WINDOW LENGTH    after the last frame, waits until all are back or 2 s pass
//   quit
// A frame is lost if it is not back by then; a frame that comes twice or late is a duplicate.
// Relies on: Linux (sendmmsg, SOCK_DGRAM unix sockets that are reliable and keep order).

#define _GNU_SOURCE // sendmmsg

#include "frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define PATIENCE_MS 2000
#define MAX_PACKETS 100000000ull
#define MAX_WINDOW 4096

// One socket: what QEMU's netdev sends arrives here, and its own socket is `remote`.
struct side {
    int fd;
    struct sockaddr_un remote;
    const uint8_t *mac; // our MAC and IP address on this wire
    uint32_t ip;
};

// Counters of one run.
struct run {
    uint64_t first; // number of its first frame; numbers are never used again
    uint64_t packets;
    uint64_t window;
    size_t len;
    uint64_t sent;
    uint64_t received;
    uint64_t duplicates;
    uint64_t foreign;
    uint64_t faults[FRAME_FAULTS];
    uint8_t *seen; // one byte a frame
};

struct gen {
    struct side in;
    struct side out;
    struct route route;
    uint32_t next_hop;
    uint64_t next_seq;
    uint32_t dst_base;
    uint32_t dst_count;
    const char *dst_file;
    int stop;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int unix_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    return 0;
}

static int side_open(struct side *side, const char *local, const char *remote)
{
    struct sockaddr_un address;
    int bytes = 4 << 20;

    if (unix_address(&address, local) || unix_address(&side->remote, remote))
        return -ENAMETOOLONG;
    unlink(local);
    side->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (side->fd < 0 || bind(side->fd, (struct sockaddr *)&address, sizeof(address)))
        return -errno;
    setsockopt(side->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return 0;
}

// Turns an ARP request for our address into its answer, in place. 0: there is nothing to answer.
static int arp_answer(const struct side *side, uint8_t *frame, size_t len)
{
    static const uint8_t request[] = {0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1};
    uint32_t ip = htonl(side->ip);

    if (len < 42 || memcmp(frame + 12, request, sizeof(request)) || memcmp(frame + 38, &ip, 4))
        return 0;
    memmove(frame + 32, frame + 22, 10); // their addresses become the target's
    memcpy(frame, frame + 32, MAC_LEN);
    memcpy(frame + MAC_LEN, side->mac, MAC_LEN);
    frame[21] = 2;
    memcpy(frame + 22, side->mac, MAC_LEN);
    memcpy(frame + 28, &ip, 4);
    return 1;
}

static void answer(const struct side *side, uint8_t *frame, size_t len)
{
    if (arp_answer(side, frame, len))
        sendto(side->fd, frame, len, 0, (const struct sockaddr *)&side->remote,
               sizeof(side->remote));
}

static void take_frame(struct gen *gen, struct run *run, uint8_t *frame, size_t len)
{
    uint64_t seq;
    enum frame_fault fault = frame_check(frame, len, run->len, &gen->route, &seq);

    if (fault == FRAME_FOREIGN) {
        run->foreign++;
        answer(&gen->out, frame, len);
        return;
    }
    if (seq < run->first || seq - run->first >= run->sent || run->seen[seq - run->first]) {
        run->duplicates++;
        return;
    }
    run->seen[seq - run->first] = 1;
    run->faults[fault]++;
    run->received++;
}

static void drain_out(struct gen *gen, struct run *run)
{
    uint8_t frame[2048];

    for (;;) {
        ssize_t len = recv(gen->out.fd, frame, sizeof(frame), 0);

        if (len < 0)
            return;
        take_frame(gen, run, frame, (size_t)len);
    }
}

static void drain_in(const struct gen *gen)
{
    uint8_t frame[2048];
    ssize_t len;

    while ((len = recv(gen->in.fd, frame, sizeof(frame), 0)) >= 0)
        answer(&gen->in, frame, (size_t)len);
}

// Sends what the window allows, at most a batch. Returns whether the socket is full.
static int send_batch(struct gen *gen, struct run *run)
{
    static uint8_t frames[BATCH][FRAME_MAX];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    uint64_t room = run->window - (run->sent - run->received);
    unsigned int count = BATCH;
    int sent;

    if (room < count)
        count = (unsigned int)room;
    if (run->packets - run->sent < count)
        count = (unsigned int)(run->packets - run->sent);
    memset(messages, 0, sizeof(messages));
    for (unsigned int i = 0; i < count; i++) {
        frame_build(frames[i], run->len, &gen->route, run->first + run->sent + i);
        parts[i] = (struct iovec){frames[i], run->len};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &gen->in.remote;
        messages[i].msg_hdr.msg_namelen = sizeof(gen->in.remote);
    }
    sent = count ? sendmmsg(gen->in.fd, messages, count, 0) : 0;
    run->sent += sent > 0 ? (unsigned int)sent : 0;
    return count && sent < (int)count;
}

// Waits for frames. The sending socket is not waited for: QEMU reads it whether or not POLLOUT
// says so (that looks at our buffer, not at the queue of the other side).
static void wait_frames(const struct gen *gen, int full)
{
    struct pollfd fds[] = {
        {gen->out.fd, POLLIN, 0},
        {gen->in.fd, POLLIN, 0},
    };

    poll(fds, 2, full ? 1 : 100);
}

static void run_loop(struct gen *gen, struct run *run)
{
    uint64_t progress = now_ns();

    while (run->received < run->packets) {
        uint64_t before = run->sent + run->received;
        int full = send_batch(gen, run);

        drain_out(gen, run);
        drain_in(gen);
        if (run->sent + run->received != before)
            progress = now_ns();
        else if (now_ns() - progress > PATIENCE_MS * 1000000ull)
            return;
        else
            wait_frames(gen, full);
    }
}

static void report(const struct run *run, uint64_t ns)
{
    uint64_t bad = run->received - run->faults[FRAME_GOOD];

    printf("{\"packets\": %llu, \"sent\": %llu, \"good\": %llu, \"lost\": %llu, \"bad\": %llu, "
           "\"duplicates\": %llu, \"foreign\": %llu, \"seconds\": %.6f, \"faults\": {",
           (unsigned long long)run->packets, (unsigned long long)run->sent,
           (unsigned long long)run->faults[FRAME_GOOD],
           (unsigned long long)(run->packets - run->received), (unsigned long long)bad,
           (unsigned long long)run->duplicates, (unsigned long long)run->foreign, (double)ns / 1e9);
    for (int i = FRAME_GOOD + 1; i < FRAME_FAULTS; i++)
        printf("%s\"%s\": %llu", i > 1 ? ", " : "", frame_fault_names[i],
               (unsigned long long)run->faults[i]);
    printf("}}\n");
    fflush(stdout);
}

static int do_run(struct gen *gen, const char *line)
{
    struct run run = {.first = gen->next_seq};
    unsigned long long packets;
    unsigned long long window;
    uint64_t start;

    if (sscanf(line, "run %llu %llu %zu", &packets, &window, &run.len) != 3 || !packets ||
        packets > MAX_PACKETS || !window || window > MAX_WINDOW || run.len < FRAME_MIN ||
        run.len > FRAME_MAX)
        return -EINVAL;
    run.packets = packets;
    run.window = window;
    run.seen = calloc(run.packets, 1);
    if (!run.seen)
        return -ENOMEM;
    start = now_ns();
    run_loop(gen, &run);
    report(&run, now_ns() - start);
    gen->next_seq += run.packets;
    free(run.seen);
    return 0;
}

static void do_command(struct gen *gen)
{
    char line[256];
    int ret = -EINVAL;

    if (!fgets(line, sizeof(line), stdin) || !strncmp(line, "quit", 4)) {
        gen->stop = 1;
        return;
    }
    if (!strncmp(line, "run ", 4))
        ret = do_run(gen, line);
    if (ret) {
        printf("{\"error\": \"%s\"}\n", strerror(-ret));
        fflush(stdout);
    }
}

// Between runs: ARP, and frames that come late (the next run would call them duplicates).
static void serve(struct gen *gen)
{
    struct pollfd fds[] = {
        {STDIN_FILENO, POLLIN, 0},
        {gen->in.fd, POLLIN, 0},
        {gen->out.fd, POLLIN, 0},
    };
    uint8_t frame[2048];
    ssize_t len;

    while (!gen->stop && poll(fds, 3, -1) >= 0) {
        drain_in(gen);
        while ((len = recv(gen->out.fd, frame, sizeof(frame), 0)) >= 0)
            answer(&gen->out, frame, (size_t)len);
        if (fds[0].revents)
            do_command(gen);
    }
}

static int parse_mac(uint8_t *mac, const char *text)
{
    return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
                  &mac[4], &mac[5]) == MAC_LEN
               ? 0
               : -EINVAL;
}

static int parse_ip(uint32_t *ip, const char *text)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1)
        return -EINVAL;
    *ip = ntohl(address.s_addr);
    return 0;
}

// The destinations: `dst_count` addresses from `dst_base` on, or those of a file, one a line.
static int load_destinations(struct gen *gen)
{
    size_t count = 0;
    char line[64];
    FILE *file = gen->dst_file ? fopen(gen->dst_file, "re") : NULL;
    uint32_t *ips;

    if (gen->dst_file && !file)
        return -errno;
    while (file && fgets(line, sizeof(line), file))
        count++;
    if (!file)
        count = gen->dst_count;
    ips = calloc(count ? count : 1, sizeof(*ips));
    if (!count || !ips)
        return count ? -ENOMEM : -EINVAL;
    if (file)
        rewind(file);
    for (size_t i = 0; i < count; i++) {
        ips[i] = gen->dst_base + (uint32_t)i;
        if (file && fgets(line, sizeof(line), file)) {
            line[strcspn(line, "\r\n")] = '\0';
            if (parse_ip(&ips[i], line))
                return -EINVAL;
        }
    }
    gen->route.dst_ips = ips;
    gen->route.dst_count = count;
    return 0;
}

enum option_id {
    OPT_DIR = 1,
    OPT_SRC_MAC,
    OPT_DUT_IN_MAC,
    OPT_DUT_OUT_MAC,
    OPT_DST_MAC,
    OPT_SRC_IP,
    OPT_NEXT_HOP,
    OPT_DST,
    OPT_COUNT,
    OPT_FILE,
};

static const struct option options[] = {
    {"dir", required_argument, NULL, OPT_DIR},
    {"src-mac", required_argument, NULL, OPT_SRC_MAC},
    {"dut-in-mac", required_argument, NULL, OPT_DUT_IN_MAC},
    {"dut-out-mac", required_argument, NULL, OPT_DUT_OUT_MAC},
    {"dst-mac", required_argument, NULL, OPT_DST_MAC},
    {"src-ip", required_argument, NULL, OPT_SRC_IP},
    {"next-hop", required_argument, NULL, OPT_NEXT_HOP},
    {"dst", required_argument, NULL, OPT_DST},
    {"dst-count", required_argument, NULL, OPT_COUNT},
    {"dst-file", required_argument, NULL, OPT_FILE},
    {NULL, 0, NULL, 0},
};

// Sockets in `dir`: QEMU's are p0.qemu and p1.qemu, ours p0.gen and p1.gen.
static int open_sides(struct gen *gen, const char *dir)
{
    struct side *sides[] = {&gen->in, &gen->out};
    char local[200];
    char remote[200];

    for (int i = 0; i < 2; i++) {
        int ret;

        snprintf(local, sizeof(local), "%s/p%d.gen", dir, i);
        snprintf(remote, sizeof(remote), "%s/p%d.qemu", dir, i);
        ret = side_open(sides[i], local, remote);
        if (ret)
            return ret;
    }
    return 0;
}

static int take_option(struct gen *gen, int id, const char *text)
{
    switch (id) {
    case OPT_DIR:
        return open_sides(gen, text);
    case OPT_SRC_MAC:
        return parse_mac(gen->route.src_mac, text);
    case OPT_DUT_IN_MAC:
        return parse_mac(gen->route.dut_in_mac, text);
    case OPT_DUT_OUT_MAC:
        return parse_mac(gen->route.dut_out_mac, text);
    case OPT_DST_MAC:
        return parse_mac(gen->route.dst_mac, text);
    case OPT_SRC_IP:
        return parse_ip(&gen->route.src_ip, text);
    case OPT_NEXT_HOP:
        return parse_ip(&gen->next_hop, text);
    case OPT_DST:
        return parse_ip(&gen->dst_base, text);
    case OPT_COUNT:
        gen->dst_count = (uint32_t)strtoul(text, NULL, 0);
        return 0;
    case OPT_FILE:
        gen->dst_file = text;
        return 0;
    default:
        return -EINVAL;
    }
}

int main(int argc, char **argv)
{
    static struct gen gen = {.in = {.fd = -1}, .out = {.fd = -1}, .dst_count = 1};
    int id;
    int ret = 0;

    while (!ret && (id = getopt_long(argc, argv, "", options, NULL)) != -1)
        ret = take_option(&gen, id, optarg);
    if (!ret)
        ret = load_destinations(&gen);
    if (!ret && (gen.in.fd < 0 || optind != argc))
        ret = -EINVAL;
    if (ret) {
        fprintf(stderr, "bench gen: %s\n", strerror(-ret));
        return 1;
    }
    gen.in.mac = gen.route.src_mac;
    gen.in.ip = gen.route.src_ip;
    gen.out.mac = gen.route.dst_mac;
    gen.out.ip = gen.next_hop;
    setvbuf(stdin, NULL, _IONBF, 0); // poll() must see each command
    serve(&gen);
    return 0;
}
