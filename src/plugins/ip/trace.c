/* SPDX-License-Identifier: Apache-2.0 */
/* How records of our nodes are read: nodes up to ethernet-input and the ports' see frames, the
 * others begin with the IP header. */
#include "ip.h"

#include <plugins/framework/trace.h>
#include <rte_arp.h>

static const char *
protocol_name(u8 proto)
{
	switch (proto) {
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMPV6:
		return "ICMP6";
	default:
		return "IP";
	}
}

static u8 *
format_ip4_header(u8 *s, const u8 *at, u32 n)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)at;
	u32 n_header = (at[0] & 15) * 4u;
	ip_address_t from = {}, to = {};

	if (n < sizeof(*ip))
		return format(s, "  %u bytes, no IPv4 header", n);
	from.ip4 = ip->src_addr;
	to.ip4 = ip->dst_addr;
	s = format(s, "  %s: %U -> %U\n    tos 0x%02x, ttl %u, length %u, checksum 0x%04x",
		   protocol_name(ip->next_proto_id), format_ip_address, 0, &from, format_ip_address,
		   0, &to, ip->type_of_service, ip->time_to_live,
		   rte_be_to_cpu_16(ip->total_length), rte_be_to_cpu_16(ip->hdr_checksum));
	s = format(s, "\n    fragment id 0x%04x%s", rte_be_to_cpu_16(ip->packet_id),
		   ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG) ? ", flags DONT_FRAGMENT"
									: "");
	if (ip->next_proto_id == IPPROTO_ICMP && n >= n_header + 2)
		s = format(s, "\n  ICMP type %u code %u", at[n_header], at[n_header + 1]);
	if ((ip->next_proto_id == IPPROTO_UDP || ip->next_proto_id == IPPROTO_TCP) &&
	    n >= n_header + 4)
		s = format(s, "\n  %s: %u -> %u", protocol_name(ip->next_proto_id),
			   at[n_header] << 8 | at[n_header + 1],
			   at[n_header + 2] << 8 | at[n_header + 3]);
	return s;
}

static u8 *
format_ip6_header(u8 *s, const u8 *at, u32 n)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)at;
	ip_address_t from, to;

	if (n < sizeof(*ip))
		return format(s, "  %u bytes, no IPv6 header", n);
	memcpy(from.b, ip->src_addr, sizeof(from));
	memcpy(to.b, ip->dst_addr, sizeof(to));
	s = format(s, "  %s: %U -> %U\n    hop limit %u, payload length %u",
		   protocol_name(ip->proto), format_ip_address, 1, &from, format_ip_address, 1, &to,
		   ip->hop_limits, rte_be_to_cpu_16(ip->payload_len));
	if (ip->proto == IPPROTO_ICMPV6 && n >= sizeof(*ip) + 2)
		s = format(s, "\n  ICMP6 type %u code %u", at[sizeof(*ip)], at[sizeof(*ip) + 1]);
	return s;
}

static u8 *
format_arp(u8 *s, const u8 *at, u32 n)
{
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)at;
	ip_address_t from = {}, to = {};

	if (n < sizeof(*arp))
		return format(s, "  %u bytes, no ARP", n);
	from.ip4 = arp->arp_data.arp_sip;
	to.ip4 = arp->arp_data.arp_tip;
	return format(s, "  %s\n  %U/%U -> %U/%U",
		      arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ? "request" : "reply",
		      format_mac_address, &arp->arp_data.arp_sha, format_ip_address, 0, &from,
		      format_mac_address, &arp->arp_data.arp_tha, format_ip_address, 0, &to);
}

static u8 *
format_frame_trace(u8 *s, va_list *va)
{
	const vmheap_trace_record_t *r = va_arg(*va, const vmheap_trace_record_t *);
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)r->data;
	const vmheap_port_t *port = vmheap_port(r->port);
	u32 n_behind = r->n_data - (u32)sizeof(*eth);
	u16 type;

	s = format(s, "  %s: length %u in %u segments, data at %u", port ? port->name : "no port",
		   r->packet_bytes, r->n_segments, r->data_offset);
	if (r->n_data < sizeof(*eth))
		return s;
	type = rte_be_to_cpu_16(eth->ether_type);
	s = format(s, "\n  %s: %U -> %U",
		   type == RTE_ETHER_TYPE_IPV4   ? "IP4"
		   : type == RTE_ETHER_TYPE_IPV6 ? "IP6"
		   : type == RTE_ETHER_TYPE_ARP  ? "ARP"
						 : "other",
		   format_mac_address, &eth->src_addr, format_mac_address, &eth->dst_addr);
	if (type == RTE_ETHER_TYPE_IPV4)
		s = format(s, "\n"), s = format_ip4_header(s, (const u8 *)(eth + 1), n_behind);
	else if (type == RTE_ETHER_TYPE_IPV6)
		s = format(s, "\n"), s = format_ip6_header(s, (const u8 *)(eth + 1), n_behind);
	else if (type == RTE_ETHER_TYPE_ARP)
		s = format(s, "\n"), s = format_arp(s, (const u8 *)(eth + 1), n_behind);
	else
		s = format(s, " 0x%04x", type);
	return s;
}

static u8 *
format_packet_trace(u8 *s, va_list *va)
{
	const vmheap_trace_record_t *r = va_arg(*va, const vmheap_trace_record_t *);

	return r->n_data && r->data[0] >> 4 == 6 ? format_ip6_header(s, r->data, r->n_data)
						 : format_ip4_header(s, r->data, r->n_data);
}

/* What lookup found is known when it has been called. */
static u8 *
format_lookup_trace(u8 *s, va_list *va)
{
	const vmheap_trace_record_t *r = va_arg(*va, const vmheap_trace_record_t *);

	if (r->note <= IP_MAX_ROUTES)
		s = format(s, "  fib 0 dpo-idx %u\n", r->note);
	else
		s = format(s, "  fib 0 no route\n");
	return format(s, "%U", format_packet_trace, r);
}

static u32
note_word(const struct rte_mbuf *m)
{
	return *ip_word((struct rte_mbuf *)m);
}

static u8 *
format_arp_trace(u8 *s, va_list *va)
{
	const vmheap_trace_record_t *r = va_arg(*va, const vmheap_trace_record_t *);

	return format_arp(s, r->data, r->n_data);
}

static vmheap_trace_format_t formats[] = {
	{ .nodes = "ip[46]-lookup", .format = format_lookup_trace, .note = note_word },
	{ .nodes = "ip[46]-*", .format = format_packet_trace },
	{ .nodes = "arp-input", .format = format_arp_trace },
	{ .nodes = "ethdev-*", .format = format_frame_trace },
	{ .nodes = "ethernet-input", .format = format_frame_trace },
	{ .nodes = "xconnect", .format = format_frame_trace },
};

static void __attribute__((constructor)) trace_constructor(void)
{
	for (u32 i = 0; i < ARRAY_LEN(formats); i++)
		vmheap_trace_format_register(&formats[i]);
}
