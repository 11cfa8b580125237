// Asks the kernel for each of many IPv4 entries whether it is there and right: nobody has to know of it, and it takes
// about as long however many there are, which a dump does not.
//
//   mfc-audit TABLE SOURCE GROUP COUNT IIF OIF THRESHOLD
//
// Entry N has source SOURCE + N and group GROUP + N, and leaves through OIF alone. Prints how many are right, absent
// and different, and the packets that all of them have counted, as JSON. Asks by RTM_GETROUTE (ipmr_rtm_getroute), so
// that no socket of the table is needed.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  struct nlmsghdr header;
  struct rtmsg route;
  struct rtattr tableHeader;
  unsigned table;
  struct rtattr sourceHeader;
  struct in_addr source;
  struct rtattr groupHeader;
  struct in_addr group;
} Request;

typedef struct {
  unsigned iif;
  unsigned oif;
  unsigned threshold;
} Wanted;

typedef enum { RIGHT, ABSENT, DIFFERENT } Finding;

static void check(long result, const char* what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static struct rtattr attribute(unsigned short type) { return (struct rtattr){RTA_LENGTH(4), type}; }

static struct in_addr after(struct in_addr first, unsigned n) {
  return (struct in_addr){htonl(ntohl(first.s_addr) + n)};
}

/// Whether packets leave through this interface alone, with this threshold.
static int isOnlyOif(const struct rtattr* multipath, const Wanted* wanted) {
  const struct rtnexthop* hop = RTA_DATA(multipath);
  return RTA_PAYLOAD(multipath) == sizeof *hop && (unsigned)hop->rtnh_ifindex == wanted->oif &&
         hop->rtnh_hops == wanted->threshold;
}

static Finding judge(const struct nlmsghdr* header, const Wanted* wanted, unsigned long long* packets) {
  if (header->nlmsg_type == NLMSG_ERROR) {
    const struct nlmsgerr* refusal = NLMSG_DATA(header);
    if (refusal->error == -ENOENT) return ABSENT;
    errno = -refusal->error;
    check(-1, "RTM_GETROUTE");
  }
  int isIifRight = 0;
  int isOifRight = 0;
  long left = RTM_PAYLOAD(header);
  for (const struct rtattr* at = RTM_RTA(NLMSG_DATA(header)); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == RTA_IIF) isIifRight = *(const unsigned*)RTA_DATA(at) == wanted->iif;
    if (at->rta_type == RTA_MULTIPATH) isOifRight = isOnlyOif(at, wanted);
    if (at->rta_type == RTA_MFC_STATS) {
      struct rta_mfc_stats stats;
      memcpy(&stats, RTA_DATA(at), sizeof stats);
      *packets += stats.mfcs_packets;
    }
  }
  return isIifRight && isOifRight ? RIGHT : DIFFERENT;
}

int main(int argc, char** argv) {
  struct in_addr source;
  struct in_addr group;
  if (argc != 8 || inet_pton(AF_INET, argv[2], &source) != 1 || inet_pton(AF_INET, argv[3], &group) != 1) {
    fputs("usage: mfc-audit TABLE SOURCE GROUP COUNT IIF OIF THRESHOLD\n", stderr);
    return 64;
  }
  const unsigned count = (unsigned)strtoul(argv[4], NULL, 10);
  const Wanted wanted = {if_nametoindex(argv[5]), if_nametoindex(argv[6]), (unsigned)strtoul(argv[7], NULL, 10)};
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  check(fd, "socket");
  Request request = {
      .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
      .route = {.rtm_family = RTNL_FAMILY_IPMR, .rtm_src_len = 32, .rtm_dst_len = 32},
      .tableHeader = attribute(RTA_TABLE),
      .table = (unsigned)strtoul(argv[1], NULL, 10),
      .sourceHeader = attribute(RTA_SRC),
      .groupHeader = attribute(RTA_DST),
  };
  unsigned found[3] = {0};
  unsigned long long packets = 0;
  for (unsigned n = 0; n < count; ++n) {
    request.source = after(source, n);
    request.group = after(group, n);
    check(send(fd, &request, sizeof request, 0), "send");
    _Alignas(struct nlmsghdr) unsigned char reply[4096];
    const ssize_t size = recv(fd, reply, sizeof reply, 0);
    check(size, "recv");
    const struct nlmsghdr* header = (const struct nlmsghdr*)reply;
    if (!NLMSG_OK(header, (size_t)size)) return 1;
    ++found[judge(header, &wanted, &packets)];
  }
  close(fd);
  printf("{\"right\":%u,\"absent\":%u,\"different\":%u,\"packets\":%llu}\n", found[RIGHT], found[ABSENT],
         found[DIFFERENT], packets);
  return 0;
}
