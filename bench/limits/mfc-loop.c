// The limit of bulk work: one system call an entry in a plain loop, on a table of its own.
//
//   mfc-loop TABLE COUNT IIF OIF
//
// Adds COUNT entries, reads the counters of each, and changes one of them again and again. Prints the mean time of each
// in nanoseconds, as JSON. The kernel takes the entries away when the program ends.
#include <arpa/inet.h>
#include <linux/mroute.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

enum { CHANGES = 10000 };

static void check(int result, const char* what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int openTable(unsigned table, const char* iif, const char* oif) {
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP);
  check(fd, "socket");
  check(setsockopt(fd, IPPROTO_IP, MRT_TABLE, &table, sizeof table), "MRT_TABLE");
  const int version = 1;
  check(setsockopt(fd, IPPROTO_IP, MRT_INIT, &version, sizeof version), "MRT_INIT");
  const char* const names[] = {iif, oif};
  for (vifi_t vif = 0; vif < 2; ++vif) {
    struct vifctl add = {.vifc_vifi = vif, .vifc_flags = VIFF_USE_IFINDEX, .vifc_threshold = 1};
    add.vifc_lcl_ifindex = (int)if_nametoindex(names[vif]);
    check(setsockopt(fd, IPPROTO_IP, MRT_ADD_VIF, &add, sizeof add), "MRT_ADD_VIF");
  }
  return fd;
}

/// The same flows as those of bench/routes.ts.
static struct in_addr sourceOf(unsigned n) { return (struct in_addr){htonl(0x0a400000U + n)}; }
static struct in_addr groupOf(unsigned n) { return (struct in_addr){htonl(0xe8010000U + n)}; }

static void put(int fd, unsigned n, unsigned char threshold) {
  struct mfcctl entry = {.mfcc_origin = sourceOf(n), .mfcc_mcastgrp = groupOf(n), .mfcc_parent = 0};
  entry.mfcc_ttls[1] = threshold;
  check(setsockopt(fd, IPPROTO_IP, MRT_ADD_MFC, &entry, sizeof entry), "MRT_ADD_MFC");
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fputs("usage: mfc-loop TABLE COUNT IIF OIF\n", stderr);
    return 64;
  }
  const unsigned count = (unsigned)strtoul(argv[2], NULL, 10);
  const int fd = openTable((unsigned)strtoul(argv[1], NULL, 10), argv[3], argv[4]);
  if (count == 0) return 64;

  double begin = now();
  for (unsigned n = 0; n < count; ++n) put(fd, n, 1);
  const double add = (now() - begin) / count;

  begin = now();
  for (unsigned n = 0; n < count; ++n) {
    struct sioc_sg_req request = {.src = sourceOf(n), .grp = groupOf(n)};
    check(ioctl(fd, SIOCGETSGCNT, &request), "SIOCGETSGCNT");
  }
  const double read = (now() - begin) / count;

  begin = now();
  for (unsigned n = 0; n < CHANGES; ++n) put(fd, count / 2, (unsigned char)(1 + n % 2));
  const double change = (now() - begin) / CHANGES;

  printf("{\"addNs\":%.1f,\"readNs\":%.1f,\"changeNs\":%.1f}\n", add, read, change);
  return 0;
}
