// linux/mroute.h behind the names that the code of both families uses.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>
// Before the kernel's headers, which then leave out what libc has.
#include <linux/mroute.h>

#include <cstring>
#include <optional>
#include <span>

#include "uapi.h"

namespace mcroute {

struct Ipv4Uapi {
  static constexpr int kDomain = AF_INET;
  static constexpr int kRawProtocol = IPPROTO_IGMP;
  static constexpr int kLevel = IPPROTO_IP;
  static constexpr std::uint32_t kIfindexMax = INT32_MAX;

  static constexpr KernelCall kTable{MRT_TABLE, "setsockopt(MRT_TABLE)"};
  static constexpr KernelCall kInit{MRT_INIT, "setsockopt(MRT_INIT)"};
  static constexpr KernelCall kVersion{MRT_VERSION, "getsockopt(MRT_VERSION)"};
  static constexpr KernelCall kAddVif{MRT_ADD_VIF, "setsockopt(MRT_ADD_VIF)"};
  static constexpr KernelCall kDeleteVif{MRT_DEL_VIF, "setsockopt(MRT_DEL_VIF)"};
  static constexpr KernelCall kFlush{MRT_FLUSH, "setsockopt(MRT_FLUSH)"};
  static constexpr KernelCall kPim{MRT_PIM, "setsockopt(MRT_PIM)"};
  static constexpr KernelCall kCountFlow{SIOCGETSGCNT, "ioctl(SIOCGETSGCNT)"};
  static constexpr KernelCall kCountVif{SIOCGETVIFCNT, "ioctl(SIOCGETVIFCNT)"};
  static constexpr int kAddMfc = MRT_ADD_MFC;
  static constexpr int kDeleteMfc = MRT_DEL_MFC;
  static constexpr int kAddProxy = MRT_ADD_MFC_PROXY;
  static constexpr int kDeleteProxy = MRT_DEL_MFC_PROXY;

  static vifctl vif(std::uint32_t number, std::uint32_t ifindex) {
    vifctl vif{};
    vif.vifc_vifi = static_cast<vifi_t>(number);
    vif.vifc_flags = VIFF_USE_IFINDEX;
    vif.vifc_threshold = 1;
    vif.vifc_lcl_ifindex = static_cast<int>(ifindex);
    return vif;
  }

  static vifctl deletedVif(std::uint32_t number) {
    vifctl vif{};
    vif.vifc_vifi = static_cast<vifi_t>(number);
    return vif;
  }

  static mfcctl mfc(const MfcEntry& entry) {
    mfcctl mfc{};
    mfc.mfcc_origin.s_addr = htonl(entry.key.source[0]);
    mfc.mfcc_mcastgrp.s_addr = htonl(entry.key.group[0]);
    mfc.mfcc_parent = static_cast<vifi_t>(entry.parent);
    std::memcpy(mfc.mfcc_ttls, entry.ttls.data(), entry.ttls.size());
    return mfc;
  }

  static sioc_sg_req flowRequest(const FlowKey& key) {
    sioc_sg_req request{};
    request.src.s_addr = htonl(key.source[0]);
    request.grp.s_addr = htonl(key.group[0]);
    return request;
  }

  static sioc_vif_req vifRequest(std::uint32_t number) {
    sioc_vif_req request{};
    request.vifi = static_cast<vifi_t>(number);
    return request;
  }

  static sockaddr_storage socketAddress(const Address& address) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(address[0]);
    sockaddr_storage storage{};
    std::memcpy(&storage, &in, sizeof in);
    return storage;
  }

  static Address readSocketAddress(const sockaddr_storage& storage) {
    sockaddr_in in;
    std::memcpy(&in, &storage, sizeof in);
    return {ntohl(in.sin_addr.s_addr)};
  }

  static constexpr int kPacketInfo = IP_PKTINFO;
  static constexpr socklen_t kAddressLength = sizeof(sockaddr_in);

  /// Ancillary data that choose the interface and the source of what is sent.
  static in_pktinfo packetInfo(std::uint32_t ifindex, const Address& source) {
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(ifindex);
    info.ipi_spec_dst.s_addr = htonl(source[0]);
    return info;
  }

  /// A raw socket of IPv4 gives the packet with its header.
  static std::optional<ReceivedMessage> parseReceived(msghdr& message, std::span<const std::uint8_t> packet) {
    const auto info = findControl<in_pktinfo>(message, IPPROTO_IP, IP_PKTINFO);
    iphdr header;
    if (!info || packet.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, packet.data(), sizeof header);
    const std::size_t headerLength = header.ihl * std::size_t{4};
    if (headerLength < sizeof header || headerLength > packet.size()) return std::nullopt;
    return ReceivedMessage{.ifindex = static_cast<std::uint32_t>(info->ipi_ifindex),
                           .source = {ntohl(header.saddr)},
                           .hopLimit = header.ttl,
                           .payload = packet.subspan(headerLength)};
  }

  /// An upcall has the shape of an IP header whose protocol is 0; an IGMP packet has 2 there.
  static std::optional<Upcall> parseUpcall(std::span<const std::uint8_t> datagram) {
    igmpmsg message;
    if (datagram.size() < sizeof message) return std::nullopt;
    std::memcpy(&message, datagram.data(), sizeof message);
    if (message.im_mbz != 0) return std::nullopt;
    if (message.im_msgtype != IGMPMSG_NOCACHE && message.im_msgtype != IGMPMSG_WRONGVIF) return std::nullopt;
    return Upcall{
        .kind = message.im_msgtype == IGMPMSG_NOCACHE ? UpcallKind::noCache : UpcallKind::wrongVif,
        .vif = message.im_vif | std::uint32_t{message.im_vif_hi} << 8,
        .key = {.source = {ntohl(message.im_src.s_addr)}, .group = {ntohl(message.im_dst.s_addr)}},
    };
  }
};

}  // namespace mcroute
