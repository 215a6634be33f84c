/* SPDX-License-Identifier: Apache-2.0 */
/* Packets for an address of ours, and the errors that we owe for others (RFC 792, RFC 1812 4.3). */
#include "ip.h"

#include <rte_icmp.h>

#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMP_PROTOCOL_UNREACHABLE 2
#define ICMP_PORT_UNREACHABLE 3
/* An error quotes as much as fits here. */
#define ERROR_BYTES 576
/* What we send ourselves leaves by ip4-rewrite like everything: with 64 then, as Linux and VPP. */
#define OWN_TTL 65
#define FRAGMENT_BITS RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)

enum { TO_LOOKUP = 1, TO_ERROR };

always_inline struct rte_ipv4_hdr *
header_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
}

/* ---- ip4-local ---- */

enum {
	LOCAL_ECHO,
	LOCAL_BAD_CHECKSUM,
	LOCAL_ICMP_TYPE,
	LOCAL_FRAGMENT,
	LOCAL_NO_PORT,
	LOCAL_NO_PROTOCOL,
	LOCAL_TOO_SHORT
};
static const char *const local_reasons[] = {
	[LOCAL_ECHO] = "echo replies sent",
	[LOCAL_BAD_CHECKSUM] = "bad icmp4 checksum",
	[LOCAL_ICMP_TYPE] = "icmp4 type nobody waits for",
	[LOCAL_FRAGMENT] = "fragment, not reassembled",
	[LOCAL_NO_PORT] = "unknown port",
	[LOCAL_NO_PROTOCOL] = "unknown ip protocol",
	[LOCAL_TOO_SHORT] = "icmp4 too short",
};
vmheap_error_strings_t ip4_local_errors = { .node = "ip4-local",
					    .reasons = local_reasons,
					    .n_reasons = ARRAY_LEN(local_reasons) };

/* A request becomes its reply: what changes in the checksum is the type, 8 to 0. */
static u16
answer_echo(struct rte_mbuf *m, struct rte_ipv4_hdr *ip, struct rte_icmp_hdr *icmp)
{
	u32 sum = icmp->icmp_cksum + (u32)RTE_BE16(RTE_IP_ICMP_ECHO_REQUEST << 8);
	u32 from = ip->src_addr;

	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	icmp->icmp_cksum = (u16)(sum + (sum >> 16));
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = from;
	ip->time_to_live = OWN_TTL;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	vmheap_error_count(&ip4_local_errors, LOCAL_ECHO, 1);
	return TO_LOOKUP;
}

static u16
icmp_one(struct rte_mbuf *m, struct rte_ipv4_hdr *ip, u32 n_header)
{
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)((u8 *)ip + n_header);
	u16 sum;

	if (m->data_len < n_header + sizeof(*icmp))
		return ip_drop(m, &ip4_local_errors, LOCAL_TOO_SHORT);
	if (icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST)
		return ip_drop(m, &ip4_local_errors, LOCAL_ICMP_TYPE);
	if (rte_raw_cksum_mbuf(m, n_header, m->pkt_len - n_header, &sum) || sum != 0xffff)
		return ip_drop(m, &ip4_local_errors, LOCAL_BAD_CHECKSUM);
	return answer_echo(m, ip, icmp);
}

static u16
local_one(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = header_of(m);
	int is_known = ip->next_proto_id == IPPROTO_UDP || ip->next_proto_id == IPPROTO_TCP;

	if (PREDICT_FALSE(ip->fragment_offset & FRAGMENT_BITS))
		return ip_drop(m, &ip4_local_errors, LOCAL_FRAGMENT);
	if (ip->next_proto_id == IPPROTO_ICMP)
		return icmp_one(m, ip, (ip->version_ihl & 15) * 4u);
	vmheap_error_count(&ip4_local_errors, is_known ? LOCAL_NO_PORT : LOCAL_NO_PROTOCOL, 1);
	*ip_word(m) = ip_error_word(
		ICMP_UNREACHABLE, is_known ? ICMP_PORT_UNREACHABLE : ICMP_PROTOCOL_UNREACHABLE, 0);
	return TO_ERROR;
}

static u16
local_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, local_one);
}

static struct rte_node_register ip4_local = {
	.name = "ip4-local",
	.process = local_process,
	.nb_edges = 3,
	.next_nodes = { VMHEAP_DROP_NODE, [TO_LOOKUP] = "ip4-lookup",
			[TO_ERROR] = "ip4-icmp-error" },
};
RTE_NODE_REGISTER(ip4_local)

/* ---- ip4-icmp-error ---- */

enum {
	ERROR_TTL_EXPIRED,
	ERROR_UNREACHABLE,
	ERROR_OTHER,
	ERROR_NOT_OWED,
	ERROR_LIMITED,
	ERROR_NO_ROOM
};
static const char *const error_reasons[] = {
	[ERROR_TTL_EXPIRED] = "hop limit exceeded response sent",
	[ERROR_UNREACHABLE] = "unreachable response sent",
	[ERROR_OTHER] = "other response sent",
	[ERROR_NOT_OWED] = "no response owed",
	[ERROR_LIMITED] = "response rate limited",
	[ERROR_NO_ROOM] = "no room for a response",
};
vmheap_error_strings_t ip4_icmp_error_errors = { .node = "ip4-icmp-error",
						 .reasons = error_reasons,
						 .n_reasons = ARRAY_LEN(error_reasons) };

/* Never about an ICMP error, a later fragment, or what was sent to many (RFC 1122, 3.2.2). */
static int
is_owed(struct rte_mbuf *m, const struct rte_ipv4_hdr *ip)
{
	u32 n_header = (ip->version_ihl & 15) * 4u;
	const struct rte_icmp_hdr *icmp = (const struct rte_icmp_hdr *)((const u8 *)ip + n_header);
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)ip - 1;

	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK))
		return 0;
	/* The frame's own header is still there: nobody has written below the packet. */
	if (rte_is_multicast_ether_addr(&eth->dst_addr) ||
	    rte_be_to_cpu_32(ip->dst_addr) >= 0xe0000000u)
		return 0;
	if (ip->next_proto_id != IPPROTO_ICMP)
		return 1;
	return m->data_len >= n_header + 1 && icmp->icmp_type != ICMP_UNREACHABLE &&
	       icmp->icmp_type != ICMP_TIME_EXCEEDED && icmp->icmp_type != ICMP_PARAMETER_PROBLEM &&
	       icmp->icmp_type != 4 && icmp->icmp_type != 5;
}

/* The packet becomes the quotation in an error about it. */
static u16
error_one(struct rte_mbuf *m)
{
	const ip_port_t *port = &ip_main.ports[m->port];
	u32 word = *ip_word(m), n_headers = sizeof(struct rte_ipv4_hdr) + 8;
	u32 source = atomic_load_explicit(&port->ip4, memory_order_relaxed);
	struct rte_ipv4_hdr *about = header_of(m), *ip;
	const ip_dpo_t *to = ip4_dpo_of(about->dst_addr);
	u32 from = about->src_addr;
	u8 type = (u8)(word >> 24);
	u16 *icmp;

	if (!source || !is_owed(m, about))
		return ip_drop(m, &ip4_icmp_error_errors, ERROR_NOT_OWED);
	if (!ip_may_report(ip_this_worker()))
		return ip_drop(m, &ip4_icmp_error_errors, ERROR_LIMITED);
	/* Who asked an address of ours is answered by that one. */
	if (to->kind == IP_DPO_LOCAL)
		source = about->dst_addr;
	ip_cut(m, ERROR_BYTES - (u16)n_headers);
	ip = (struct rte_ipv4_hdr *)rte_pktmbuf_prepend(m, (u16)n_headers);
	if (!ip)
		return ip_drop(m, &ip4_icmp_error_errors, ERROR_NO_ROOM);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
				     .type_of_service = 0xc0, /* RFC 1812, 4.3.2.5 */
				     .total_length = rte_cpu_to_be_16((u16)m->pkt_len),
				     .packet_id = rte_cpu_to_be_16(++ip_this_worker()->ip4_id),
				     .time_to_live = OWN_TTL,
				     .next_proto_id = IPPROTO_ICMP,
				     .src_addr = source,
				     .dst_addr = from };
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	icmp = (u16 *)(ip + 1);
	icmp[0] = rte_cpu_to_be_16((u16)(word >> 16));
	icmp[1] = 0;
	icmp[2] = 0;
	icmp[3] = rte_cpu_to_be_16((u16)word); /* the next hop's MTU, RFC 1191 */
	icmp[1] = (u16)~rte_raw_cksum(icmp, m->data_len - sizeof(*ip));
	vmheap_error_count(&ip4_icmp_error_errors,
			   type == ICMP_TIME_EXCEEDED ? ERROR_TTL_EXPIRED
			   : type == ICMP_UNREACHABLE ? ERROR_UNREACHABLE
						      : ERROR_OTHER,
			   1);
	return TO_LOOKUP;
}

static u16
error_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, error_one);
}

static struct rte_node_register ip4_icmp_error = {
	.name = "ip4-icmp-error",
	.process = error_process,
	.nb_edges = 2,
	.next_nodes = { VMHEAP_DROP_NODE, [TO_LOOKUP] = "ip4-lookup" },
};
RTE_NODE_REGISTER(ip4_icmp_error)
