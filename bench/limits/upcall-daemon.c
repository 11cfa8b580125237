// The limit of learning: a daemon that answers upcalls in its only loop, with one rule and nothing else to do.
//
//   upcall-daemon TABLE 4|6 IIF OIF GROUP LENGTH ROUTES
//
// Groups of GROUP/LENGTH that arrive on IIF leave on OIF. A full LENGTH makes a (*,G) entry of the kernel, which asks
// nothing. ROUTES other entries stand beside. Says `ready`, and runs until it is killed.
#include <arpa/inet.h>
#include <linux/mroute.h>
#include <linux/mroute6.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/// As the agent has it: some 2,500 upcalls.
enum { RECEIVE_BUFFER = 1 << 20 };

static void check(int result, const char* what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

/// IPv4 in the last four bytes.
typedef struct {
  unsigned char bytes[16];
} Address;

static int isIpv6;
static int fd;

static size_t lengthOf(void) { return isIpv6 ? 16 : 4; }

static Address addressOf(const void* bytes) {
  Address address = {{0}};
  memcpy(address.bytes + 16 - lengthOf(), bytes, lengthOf());
  return address;
}

static int option(int name, const void* value, socklen_t size) {
  return setsockopt(fd, isIpv6 ? IPPROTO_IPV6 : IPPROTO_IP, name, value, size);
}

static void openTable(unsigned table) {
  fd = isIpv6 ? socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6)
              : socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP);
  check(fd, "socket");
  const int version = 1;
  const int size = RECEIVE_BUFFER;
  check(option(isIpv6 ? MRT6_TABLE : MRT_TABLE, &table, sizeof table), "MRT_TABLE");
  check(option(isIpv6 ? MRT6_INIT : MRT_INIT, &version, sizeof version), "MRT_INIT");
  // Refused to those who are root in a user namespace only.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  if (!isIpv6) return;
  struct icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  check(setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter), "ICMP6_FILTER");
}

static void addVif(unsigned short vif, const char* name) {
  if (isIpv6) {
    struct mif6ctl add = {.mif6c_mifi = vif, .vifc_threshold = 1, .mif6c_pifi = (unsigned short)if_nametoindex(name)};
    check(option(MRT6_ADD_MIF, &add, sizeof add), "MRT6_ADD_MIF");
  } else {
    struct vifctl add = {.vifc_vifi = vif, .vifc_flags = VIFF_USE_IFINDEX, .vifc_threshold = 1};
    add.vifc_lcl_ifindex = (int)if_nametoindex(name);
    check(option(MRT_ADD_VIF, &add, sizeof add), "MRT_ADD_VIF");
  }
}

/// From vif 0 to vif 1. An entry for any source has its iif among its oifs, or it would not match there.
static void put(const Address* source, const Address* group, int isAnySource) {
  if (isIpv6) {
    struct mf6cctl entry = {.mf6cc_parent = 0};
    memcpy(&entry.mf6cc_origin.sin6_addr, source->bytes, 16);
    memcpy(&entry.mf6cc_mcastgrp.sin6_addr, group->bytes, 16);
    IF_SET(1, &entry.mf6cc_ifset);
    if (isAnySource) IF_SET(0, &entry.mf6cc_ifset);
    check(option(isAnySource ? MRT6_ADD_MFC_PROXY : MRT6_ADD_MFC, &entry, sizeof entry), "MRT6_ADD_MFC");
  } else {
    struct mfcctl entry = {.mfcc_parent = 0};
    memcpy(&entry.mfcc_origin, source->bytes + 12, 4);
    memcpy(&entry.mfcc_mcastgrp, group->bytes + 12, 4);
    entry.mfcc_ttls[1] = 1;
    if (isAnySource) entry.mfcc_ttls[0] = 1;
    check(option(isAnySource ? MRT_ADD_MFC_PROXY : MRT_ADD_MFC, &entry, sizeof entry), "MRT_ADD_MFC");
  }
}

/// The flows of bench/routes.ts, or their like in IPv6.
static void putRoutes(unsigned count) {
  Address source = {{0x20, 0x01, 0x0d, 0xb8}};
  Address group = {{0xff, 0x3e}};
  if (!isIpv6) source = group = (Address){{0}};
  for (unsigned n = 0; n < count; ++n) {
    const unsigned s = htonl((isIpv6 ? 0 : 0x0a400000U) + n);
    const unsigned g = htonl((isIpv6 ? 0x80000000U : 0xe8010000U) + n);
    memcpy(source.bytes + 12, &s, 4);
    memcpy(group.bytes + 12, &g, 4);
    put(&source, &group, 0);
  }
}

static int isIn(const Address* group, const Address* prefix, unsigned length) {
  const unsigned bits = length + 128 - 8 * (unsigned)lengthOf();
  if (memcmp(group->bytes, prefix->bytes, bits / 8) != 0) return 0;
  const unsigned char mask = (unsigned char)(0xff00 >> bits % 8);
  return bits % 8 == 0 || ((group->bytes[bits / 8] ^ prefix->bytes[bits / 8]) & mask) == 0;
}

static void answer(const Address* prefix, unsigned length) {
  unsigned char buffer[2048];
  const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
  check((int)size, "recv");
  Address source;
  Address group;
  if (isIpv6) {
    const struct mrt6msg* upcall = (const struct mrt6msg*)buffer;
    if ((size_t)size < sizeof *upcall || upcall->im6_mbz != 0 || upcall->im6_msgtype != MRT6MSG_NOCACHE) return;
    source = addressOf(&upcall->im6_src);
    group = addressOf(&upcall->im6_dst);
  } else {
    const struct igmpmsg* upcall = (const struct igmpmsg*)buffer;
    if ((size_t)size < sizeof *upcall || upcall->im_mbz != 0 || upcall->im_msgtype != IGMPMSG_NOCACHE) return;
    source = addressOf(&upcall->im_src);
    group = addressOf(&upcall->im_dst);
  }
  if (isIn(&group, prefix, length)) put(&source, &group, 0);
}

int main(int argc, char** argv) {
  if (argc != 8) {
    fputs("usage: upcall-daemon TABLE 4|6 IIF OIF GROUP LENGTH ROUTES\n", stderr);
    return 64;
  }
  isIpv6 = strcmp(argv[2], "6") == 0;
  unsigned char bytes[16];
  if (inet_pton(isIpv6 ? AF_INET6 : AF_INET, argv[5], bytes) != 1) return 65;
  const Address prefix = addressOf(bytes);
  const unsigned length = (unsigned)strtoul(argv[6], NULL, 10);
  openTable((unsigned)strtoul(argv[1], NULL, 10));
  addVif(0, argv[3]);
  addVif(1, argv[4]);
  putRoutes((unsigned)strtoul(argv[7], NULL, 10));
  if (length == 8 * lengthOf()) put(&(Address){{0}}, &prefix, 1);
  // As the agent's thread has it. Where it is refused both go without.
  sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 1});
  puts("ready");
  fflush(stdout);
  for (;;) answer(&prefix, length);
}
