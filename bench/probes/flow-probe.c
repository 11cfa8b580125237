// Sends the first packets of new flows into a router and sees them come out: one process with a socket at each end, so
// that there is one clock.
//
//   flow-probe 4|6 SENDER_NETNS SENDER_IF RECEIVER_NETNS RECEIVER_IF GROUP SPREAD FLOWS GAP_US first|storm
//
// Every flow has a source of its own, and with SPREAD 1 a group of its own from GROUP on; with 0 they share GROUP.
//   first  sends a packet and waits until it is there, then GAP_US until the next. Prints the times from before the
//          system call that sends until the packet is on the receiver's interface (SO_TIMESTAMPNS), in nanoseconds.
//   storm  sends a packet each GAP_US, whatever comes of them.
// Both print how many were sent, came, and were dropped by the probe's own full socket, as JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  PORT = 5001,
  MAGIC = 0x6d63726f,
  /// A packet that is not there by then is lost; the kernel keeps what it asks about for ten seconds.
  LOST_MS = 2000,
  /// Room for every packet of a storm, should the reading be late.
  RECEIVE_BUFFER = 1 << 26,
  FLOWS_MAX = 1000000,
};

typedef struct {
  unsigned magic;
  unsigned number;
} Payload;

static int isIpv6;
static unsigned char group[16];
static unsigned groupStep;
static unsigned char frame[256];
static size_t frameSize;

static void check(long result, const char* what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static long long nanoseconds(const struct timespec* time) { return time->tv_sec * 1000000000LL + time->tv_nsec; }

static long long now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return nanoseconds(&time);
}

/// A packet socket in another network namespace; the socket stays there.
static int openSocket(const char* netns, const char* name) {
  const int namespace = open(netns, O_RDONLY | O_CLOEXEC);
  check(namespace, netns);
  check(setns(namespace, CLONE_NEWNET), "setns");
  close(namespace);
  const int protocol = htons(isIpv6 ? ETH_P_IPV6 : ETH_P_IP);
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, protocol);
  check(fd, "socket");
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = (unsigned short)protocol};
  address.sll_ifindex = (int)if_nametoindex(name);
  check(bind(fd, (struct sockaddr*)&address, sizeof address), name);
  return fd;
}

static unsigned short headerChecksum(const void* header) {
  const unsigned short* words = header;
  unsigned sum = 0;
  for (int at = 0; at < 10; ++at) sum += words[at];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (unsigned short)~sum;
}

/// Adds to the last four bytes of an address.
static void addTo(void* address, size_t length, unsigned number) {
  unsigned last;
  unsigned char* at = (unsigned char*)address + length - 4;
  memcpy(&last, at, 4);
  last = htonl(ntohl(last) + number);
  memcpy(at, &last, 4);
}

/// The frame of a flow's first packet. Routers do not look at the checksum of UDP.
static void makeFrame(unsigned number) {
  const size_t length = isIpv6 ? 16 : 4;
  unsigned char to[16];
  memcpy(to, group, length);
  addTo(to, length, number * groupStep);
  struct ether_header ethernet = {.ether_shost = {2, 0, 0, 0, 0, 1},
                                  .ether_type = htons(isIpv6 ? ETH_P_IPV6 : ETH_P_IP)};
  struct udphdr udp = {.source = htons(PORT), .dest = htons(PORT), .len = htons(sizeof udp + sizeof(Payload))};
  const Payload payload = {.magic = MAGIC, .number = number};
  unsigned char* at = frame + sizeof ethernet;
  if (isIpv6) {
    memcpy(ethernet.ether_dhost, (unsigned char[]){0x33, 0x33, to[12], to[13], to[14], to[15]}, 6);
    struct ip6_hdr ip = {.ip6_flow = htonl(6U << 28), .ip6_plen = udp.len, .ip6_nxt = IPPROTO_UDP, .ip6_hlim = 64};
    inet_pton(AF_INET6, "2001:db8:aaaa::", &ip.ip6_src);
    addTo(&ip.ip6_src, length, number + 1);
    memcpy(&ip.ip6_dst, to, length);
    memcpy(at, &ip, sizeof ip);
    at += sizeof ip;
  } else {
    memcpy(ethernet.ether_dhost, (unsigned char[]){0x01, 0x00, 0x5e, to[1] & 0x7f, to[2], to[3]}, 6);
    struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
    ip.tot_len = htons(sizeof ip + sizeof udp + sizeof payload);
    ip.saddr = htonl(0x0a800001);
    addTo(&ip.saddr, length, number);
    memcpy(&ip.daddr, to, length);
    ip.check = headerChecksum(&ip);
    memcpy(at, &ip, sizeof ip);
    at += sizeof ip;
  }
  memcpy(frame, &ethernet, sizeof ethernet);
  memcpy(at, &udp, sizeof udp);
  memcpy(at + sizeof udp, &payload, sizeof payload);
  frameSize = (size_t)(at - frame) + sizeof udp + sizeof payload;
}

/// Reads a packet of ours, waiting no longer than until the limit (CLOCK_MONOTONIC); one of the past waits for nothing.
/// Gives its number, or -1.
static long receive(int fd, long long limit, long long* arrival) {
  for (;;) {
    const long long left = limit - now(CLOCK_MONOTONIC);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    const struct timespec timeout = {left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0};
    if (ppoll(&readable, 1, &timeout, NULL) <= 0) return -1;
    unsigned char bytes[2048];
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
    Payload payload;
    if (size != (ssize_t)frameSize) continue;
    memcpy(&payload, bytes + size - sizeof payload, sizeof payload);
    const struct cmsghdr* stamp = CMSG_FIRSTHDR(&message);
    if (payload.magic != MAGIC || stamp == NULL || stamp->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec time;
    memcpy(&time, CMSG_DATA(stamp), sizeof time);
    *arrival = nanoseconds(&time);
    return payload.number;
  }
}

static void sleepUntil(long long time) {
  const struct timespec until = {time / 1000000000, time % 1000000000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void sendFrame(int fd) { check(send(fd, frame, frameSize, 0), "send"); }

/// Prints the times; gives how many came.
static unsigned sendFirstPackets(int sender, int receiver, unsigned flows, long long gap) {
  unsigned received = 0;
  printf("{\"ns\":[");
  for (unsigned number = 0; number < flows; ++number) {
    makeFrame(number);
    sleepUntil(now(CLOCK_MONOTONIC) + gap);
    const long long begin = now(CLOCK_REALTIME);
    sendFrame(sender);
    const long long limit = now(CLOCK_MONOTONIC) + LOST_MS * 1000000LL;
    long long arrival = 0;
    long got = 0;
    do {
      got = receive(receiver, limit, &arrival);
    } while (got >= 0 && got != (long)number);
    if (got >= 0) printf("%s%lld", received++ > 0 ? "," : "", arrival - begin);
  }
  printf("],");
  return received;
}

/// Takes what comes until the limit (CLOCK_MONOTONIC) or until nothing more is due; gives how many were new.
static unsigned takePackets(int fd, char* seen, unsigned flows, unsigned due, long long limit) {
  unsigned taken = 0;
  while (taken < due) {
    long long arrival = 0;
    const long got = receive(fd, limit, &arrival);
    if (got < 0) break;
    if (got >= (long)flows || seen[got]) continue;
    seen[got] = 1;
    ++taken;
  }
  return taken;
}

/// Prints how long the sending took; gives how many came.
static unsigned sendStorm(int sender, int receiver, unsigned flows, long long gap) {
  char* seen = calloc(flows, 1);
  if (seen == NULL) exit(1);
  unsigned received = 0;
  const long long begin = now(CLOCK_MONOTONIC);
  for (unsigned number = 0; number < flows; ++number) {
    makeFrame(number);
    const long long due = begin + number * gap;
    // A sleep takes longer than a gap of 50 us; what it was late by is made up at once.
    if (due > now(CLOCK_MONOTONIC)) sleepUntil(due);
    sendFrame(sender);
    received += takePackets(receiver, seen, flows, number + 1 - received, 0);
  }
  printf("{\"seconds\":%.3f,", (double)(now(CLOCK_MONOTONIC) - begin) / 1e9);
  for (unsigned more = 1; more > 0;) {
    more = takePackets(receiver, seen, flows, flows - received, now(CLOCK_MONOTONIC) + LOST_MS * 1000000LL);
    received += more;
  }
  free(seen);
  return received;
}

int main(int argc, char** argv) {
  if (argc != 11) {
    fputs("usage: flow-probe 4|6 NETNS IF NETNS IF GROUP SPREAD FLOWS GAP_US first|storm\n", stderr);
    return 64;
  }
  isIpv6 = strcmp(argv[1], "6") == 0;
  const unsigned flows = (unsigned)strtoul(argv[8], NULL, 10);
  if (inet_pton(isIpv6 ? AF_INET6 : AF_INET, argv[6], group) != 1 || flows > FLOWS_MAX) return 65;
  groupStep = argv[7][0] == '1';
  const long long gap = strtoll(argv[9], NULL, 10) * 1000;
  const int sender = openSocket(argv[2], argv[3]);
  const int receiver = openSocket(argv[4], argv[5]);
  const int one = 1;
  const int size = RECEIVE_BUFFER;
  check(setsockopt(receiver, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one), "SO_TIMESTAMPNS");
  // Whoever is root in a user namespace only has the usual size, which does as long as the packets are taken at once.
  if (setsockopt(receiver, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  makeFrame(0);
  const int isStorm = strcmp(argv[10], "storm") == 0;
  const unsigned received = (isStorm ? sendStorm : sendFirstPackets)(sender, receiver, flows, gap);
  struct tpacket_stats stats = {0};
  socklen_t statsSize = sizeof stats;
  check(getsockopt(receiver, SOL_PACKET, PACKET_STATISTICS, &stats, &statsSize), "PACKET_STATISTICS");
  printf("\"sent\":%u,\"received\":%u,\"drops\":%u}\n", flows, received, stats.tp_drops);
  return 0;
}
