// linux/mroute6.h behind the names that the code of both families uses.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
// Before the kernel's headers, which then leave out what libc has.
#include <linux/mroute6.h>

#include <cstring>
#include <optional>
#include <span>

#include "uapi.h"

namespace mcroute {

struct Ipv6Uapi {
  static constexpr int kDomain = AF_INET6;
  static constexpr int kRawProtocol = IPPROTO_ICMPV6;
  static constexpr int kLevel = IPPROTO_IPV6;
  /// mif6c_pifi has 16 bits.
  static constexpr std::uint32_t kIfindexMax = UINT16_MAX;

  static constexpr KernelCall kTable{MRT6_TABLE, "setsockopt(MRT6_TABLE)"};
  static constexpr KernelCall kInit{MRT6_INIT, "setsockopt(MRT6_INIT)"};
  static constexpr KernelCall kVersion{MRT6_VERSION, "getsockopt(MRT6_VERSION)"};
  static constexpr KernelCall kAddVif{MRT6_ADD_MIF, "setsockopt(MRT6_ADD_MIF)"};
  static constexpr KernelCall kDeleteVif{MRT6_DEL_MIF, "setsockopt(MRT6_DEL_MIF)"};
  static constexpr KernelCall kFlush{MRT6_FLUSH, "setsockopt(MRT6_FLUSH)"};
  static constexpr KernelCall kPim{MRT6_PIM, "setsockopt(MRT6_PIM)"};
  static constexpr KernelCall kCountFlow{SIOCGETSGCNT_IN6, "ioctl(SIOCGETSGCNT_IN6)"};
  static constexpr KernelCall kCountVif{SIOCGETMIFCNT_IN6, "ioctl(SIOCGETMIFCNT_IN6)"};
  static constexpr int kAddMfc = MRT6_ADD_MFC;
  static constexpr int kDeleteMfc = MRT6_DEL_MFC;
  static constexpr int kAddProxy = MRT6_ADD_MFC_PROXY;
  static constexpr int kDeleteProxy = MRT6_DEL_MFC_PROXY;

  static mif6ctl vif(std::uint32_t number, std::uint32_t ifindex) {
    mif6ctl vif{};
    vif.mif6c_mifi = static_cast<mifi_t>(number);
    vif.vifc_threshold = 1;
    vif.mif6c_pifi = static_cast<std::uint16_t>(ifindex);
    return vif;
  }

  static mifi_t deletedVif(std::uint32_t number) { return static_cast<mifi_t>(number); }

  static mf6cctl mfc(const MfcEntry& entry) {
    mf6cctl mfc{};
    mfc.mf6cc_origin = internetAddress(entry.key.source);
    mfc.mf6cc_mcastgrp = internetAddress(entry.key.group);
    mfc.mf6cc_parent = static_cast<mifi_t>(entry.parent);
    // All vif numbers lie in the first mask: NIFBITS is 32.
    for (unsigned vif = 0; vif < kVifLimit; ++vif) {
      if (entry.ttls[vif] != 0) mfc.mf6cc_ifset.ifs_bits[0] |= if_mask{1} << vif;
    }
    return mfc;
  }

  static sioc_sg_req6 flowRequest(const FlowKey& key) {
    sioc_sg_req6 request{};
    request.src = internetAddress(key.source);
    request.grp = internetAddress(key.group);
    return request;
  }

  static sioc_mif_req6 vifRequest(std::uint32_t number) {
    sioc_mif_req6 request{};
    request.mifi = static_cast<mifi_t>(number);
    return request;
  }

  static sockaddr_storage socketAddress(const Address& address) {
    const sockaddr_in6 in = internetAddress(address);
    sockaddr_storage storage{};
    std::memcpy(&storage, &in, sizeof in);
    return storage;
  }

  static Address readSocketAddress(const sockaddr_storage& storage) {
    sockaddr_in6 in;
    std::memcpy(&in, &storage, sizeof in);
    return hostWords(in.sin6_addr);
  }

  static constexpr int kPacketInfo = IPV6_PKTINFO;
  static constexpr socklen_t kAddressLength = sizeof(sockaddr_in6);

  /// Ancillary data that choose the interface and the source of what is sent.
  static in6_pktinfo packetInfo(std::uint32_t ifindex, const Address& source) {
    in6_pktinfo info{};
    info.ipi6_ifindex = ifindex;
    info.ipi6_addr = internetAddress(source).sin6_addr;
    return info;
  }

  /// A raw socket of IPv6 gives what is behind the headers.
  static std::optional<ReceivedMessage> parseReceived(msghdr& message, std::span<const std::uint8_t> payload) {
    const auto info = findControl<in6_pktinfo>(message, IPPROTO_IPV6, IPV6_PKTINFO);
    const auto hopLimit = findControl<int>(message, IPPROTO_IPV6, IPV6_HOPLIMIT);
    if (!info || !hopLimit || message.msg_namelen < sizeof(sockaddr_in6)) return std::nullopt;
    sockaddr_in6 sender;
    std::memcpy(&sender, message.msg_name, sizeof sender);
    return ReceivedMessage{.ifindex = info->ipi6_ifindex,
                           .source = hostWords(sender.sin6_addr),
                           .hopLimit = static_cast<std::uint32_t>(*hopLimit),
                           .payload = payload};
  }

  /// An upcall has 0 where an ICMPv6 packet has its type. Type 0 is reserved, and the socket's filter keeps it out.
  static std::optional<Upcall> parseUpcall(std::span<const std::uint8_t> datagram) {
    mrt6msg message;
    if (datagram.size() < sizeof message) return std::nullopt;
    std::memcpy(&message, datagram.data(), sizeof message);
    if (message.im6_mbz != 0) return std::nullopt;
    if (message.im6_msgtype != MRT6MSG_NOCACHE && message.im6_msgtype != MRT6MSG_WRONGMIF) return std::nullopt;
    return Upcall{
        .kind = message.im6_msgtype == MRT6MSG_NOCACHE ? UpcallKind::noCache : UpcallKind::wrongVif,
        .vif = message.im6_mif,
        .key = {.source = hostWords(message.im6_src), .group = hostWords(message.im6_dst)},
    };
  }

 private:
  static sockaddr_in6 internetAddress(const Address& address) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    for (unsigned word = 0; word < kAddressWords; ++word) in.sin6_addr.s6_addr32[word] = htonl(address[word]);
    return in;
  }

  static Address hostWords(const in6_addr& address) {
    Address words;
    for (unsigned word = 0; word < kAddressWords; ++word) words[word] = ntohl(address.s6_addr32[word]);
    return words;
  }
};

}  // namespace mcroute
