/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 packets for us: neighbor discovery, echo; and the errors that we owe for others. */
#include "ip.h"
#include "icmp6.h"

/* An error quotes as much as fits the least MTU (RFC 4443, 2.4c). */
#define ERROR_BYTES 1280
/* ip6-rewrite takes one off, as for everybody. */
#define OWN_HOPS 65
#define ND_HOPS 255
/* Where a header of the unknown type is named: Next Header of the fixed header. */
#define NEXT_HEADER_OFFSET 6

enum { TO_LOOKUP = 1, TO_ERROR };

always_inline struct rte_ipv6_hdr *
header_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ipv6_hdr *);
}

/* ---- ip6-local ---- */

enum {
	LOCAL_ECHO,
	LOCAL_ADVERTISED,
	LOCAL_HEARD,
	LOCAL_BAD_CHECKSUM,
	LOCAL_BAD_ND,
	LOCAL_NOT_OURS,
	LOCAL_ICMP_TYPE,
	LOCAL_NO_PORT,
	LOCAL_NO_PROTOCOL,
	LOCAL_TOO_SHORT
};
static const char *const local_reasons[] = {
	[LOCAL_ECHO] = "echo replies sent",
	[LOCAL_ADVERTISED] = "neighbor advertisements sent",
	[LOCAL_HEARD] = "neighbor advertisements received",
	[LOCAL_BAD_CHECKSUM] = "bad icmp6 checksum",
	[LOCAL_BAD_ND] = "malformed neighbor discovery",
	[LOCAL_NOT_OURS] = "ip6 destination address not local",
	[LOCAL_ICMP_TYPE] = "icmp6 type nobody waits for",
	[LOCAL_NO_PORT] = "unknown port",
	[LOCAL_NO_PROTOCOL] = "unknown ip protocol",
	[LOCAL_TOO_SHORT] = "icmp6 too short",
};
vmheap_error_strings_t ip6_local_errors = { .node = "ip6-local",
					    .reasons = local_reasons,
					    .n_reasons = ARRAY_LEN(local_reasons) };

static int
is_ours_on(u16 port_id, const u8 *address)
{
	ip_address_t a;
	const ip_dpo_t *d;

	memcpy(a.b, address, sizeof(a));
	if (icmp6_is_link_local(address))
		return ip_address_is_equal(&a, &ip_main.ports[port_id].link_local);
	d = ip6_dpo_of(&a);
	return d->kind == IP_DPO_LOCAL && d->port_id == port_id;
}

/* Back to who sent the frame, by the port that it came from. */
static u16
send_back(struct rte_mbuf *m, const struct rte_ether_addr *to)
{
	const ip_port_t *port = &ip_main.ports[m->port];
	struct rte_ether_hdr eth = { .dst_addr = *to,
				     .src_addr = port->mac,
				     .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6) };

	if (ip_prepend_ethernet(m, &eth))
		return ip_drop(m, &ip6_local_errors, LOCAL_TOO_SHORT);
	return IP_EDGE_PORTS + port->ordinal;
}

static int
set_length(struct rte_mbuf *m, u16 n)
{
	if (m->pkt_len > n)
		return rte_pktmbuf_trim(m, (u16)(m->pkt_len - n));
	return m->pkt_len < n && !rte_pktmbuf_append(m, (u16)(n - m->pkt_len)) ? -ENOSPC : 0;
}

/* A solicitation becomes the advertisement that answers it; who has no address yet and asks
 * whether this one is free is answered through all nodes (RFC 4861, 7.2.4). */
static u16
advertise(struct rte_mbuf *m, const struct rte_ether_addr *sender)
{
	static const u8 all_nodes[16] = { 0xff, 2, [15] = 1 };
	static const struct rte_ether_addr all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };
	struct rte_ipv6_hdr *ip = header_of(m);
	icmp6_nd_t *nd = (icmp6_nd_t *)(ip + 1);
	ip_address_t to;
	int is_unspecified;

	memcpy(to.b, ip->src_addr, sizeof(to));
	is_unspecified = !to.u64[0] && !to.u64[1];
	if (set_length(m, sizeof(*ip) + sizeof(*nd)))
		return ip_drop(m, &ip6_local_errors, LOCAL_BAD_ND);
	memcpy(ip->dst_addr, is_unspecified ? all_nodes : to.b, sizeof(to));
	memcpy(ip->src_addr, nd->target, sizeof(ip->src_addr));
	ip->payload_len = RTE_BE16(sizeof(*nd));
	nd->type = ICMP6_ADVERTISEMENT;
	nd->code = 0;
	nd->checksum = 0;
	nd->flags = ICMP6_IS_ROUTER | ICMP6_OVERRIDES | (is_unspecified ? 0 : ICMP6_IS_SOLICITED);
	nd->option_type = ICMP6_OPTION_TARGET;
	nd->option_units = 1;
	nd->mac = ip_main.ports[m->port].mac;
	nd->checksum = rte_ipv6_udptcp_cksum(ip, nd);
	vmheap_error_count(&ip6_local_errors, LOCAL_ADVERTISED, 1);
	return send_back(m, is_unspecified ? &all_nodes_mac : sender);
}

/* The link-layer address among the options of a message, or NULL; -1 sized options end it. */
static const struct rte_ether_addr *
find_option(const u8 *at, const u8 *end, u8 type)
{
	while (at + 8 <= end) {
		if (!at[1] || at + at[1] * 8 > end)
			return NULL;
		if (at[0] == type)
			return (const struct rte_ether_addr *)(at + 2);
		at += at[1] * 8;
	}
	return NULL;
}

static u16
nd_one(struct rte_mbuf *m, struct rte_ipv6_hdr *ip, icmp6_nd_t *nd)
{
	int is_solicitation = nd->type == ICMP6_SOLICITATION;
	const struct rte_ether_addr *mac;
	struct rte_ether_addr sender;
	ip_address_t who;

	/* 255: nobody has forwarded it (RFC 4861, 7.1). */
	if (ip->hop_limits != ND_HOPS || m->data_len != m->pkt_len ||
	    m->data_len < sizeof(*ip) + offsetof(icmp6_nd_t, option_type) || nd->code)
		return ip_drop(m, &ip6_local_errors, LOCAL_BAD_ND);
	mac = find_option(&nd->option_type, rte_pktmbuf_mtod_offset(m, u8 *, m->data_len),
			  is_solicitation ? ICMP6_OPTION_SOURCE : ICMP6_OPTION_TARGET);
	memcpy(who.b, is_solicitation ? ip->src_addr : nd->target, sizeof(who));
	if (is_solicitation && !is_ours_on(m->port, nd->target))
		return ip_drop(m, &ip6_local_errors, LOCAL_NOT_OURS);
	if (mac && (who.u64[0] || who.u64[1]) && !is_ours_on(m->port, who.b))
		ip_learn(m->port, 1, &who, mac,
			 !is_solicitation && !(nd->flags & ICMP6_IS_SOLICITED));
	if (!is_solicitation)
		return ip_drop(m, &ip6_local_errors, LOCAL_HEARD);
	/* Below the packet is its frame's header still. */
	sender = ((const struct rte_ether_hdr *)ip - 1)->src_addr;
	return advertise(m, &sender);
}

static u16
answer_echo(struct rte_mbuf *m, struct rte_ipv6_hdr *ip, icmp6_header_t *icmp)
{
	u32 sum = icmp->checksum;
	u8 from[16];

	memcpy(from, ip->src_addr, sizeof(from));
	memcpy(ip->src_addr, ip->dst_addr, sizeof(from));
	memcpy(ip->dst_addr, from, sizeof(from));
	/* Addresses only change places; the type grows by one, in the high byte: RFC 1624. */
	icmp->type = ICMP6_ECHO_REPLY;
	sum = (u16)~sum + (u32)RTE_BE16(0x0100);
	icmp->checksum = (u16) ~(sum + (sum >> 16));
	ip->hop_limits = OWN_HOPS;
	vmheap_error_count(&ip6_local_errors, LOCAL_ECHO, 1);
	if (!icmp6_is_link_local(from))
		return TO_LOOKUP;
	ip->hop_limits--;
	return send_back(m, &((const struct rte_ether_hdr *)ip - 1)->src_addr);
}

static u16
icmp_one(struct rte_mbuf *m, struct rte_ipv6_hdr *ip, int is_ours)
{
	icmp6_header_t *icmp = (icmp6_header_t *)(ip + 1);

	if (m->data_len < sizeof(*ip) + sizeof(*icmp))
		return ip_drop(m, &ip6_local_errors, LOCAL_TOO_SHORT);
	if (rte_ipv6_udptcp_cksum_mbuf_verify(m, ip, sizeof(*ip)))
		return ip_drop(m, &ip6_local_errors, LOCAL_BAD_CHECKSUM);
	if (icmp->type == ICMP6_SOLICITATION || icmp->type == ICMP6_ADVERTISEMENT)
		return nd_one(m, ip, (icmp6_nd_t *)icmp);
	if (!is_ours)
		return ip_drop(m, &ip6_local_errors, LOCAL_NOT_OURS);
	if (icmp->type == ICMP6_ECHO_REQUEST)
		return answer_echo(m, ip, icmp);
	return ip_drop(m, &ip6_local_errors, LOCAL_ICMP_TYPE);
}

static u16
local_one(struct rte_mbuf *m)
{
	struct rte_ipv6_hdr *ip = header_of(m);
	/* Lookup found an address of ours, or left it to us. */
	int is_ours = *ip_word(m) || is_ours_on(m->port, ip->dst_addr), is_known;

	if (ip->proto == IPPROTO_ICMPV6)
		return icmp_one(m, ip, is_ours);
	if (!is_ours)
		return ip_drop(m, &ip6_local_errors, LOCAL_NOT_OURS);
	is_known = ip->proto == IPPROTO_UDP || ip->proto == IPPROTO_TCP;
	vmheap_error_count(&ip6_local_errors, is_known ? LOCAL_NO_PORT : LOCAL_NO_PROTOCOL, 1);
	*ip_word(m) = is_known ? ip_error_word(ICMP6_UNREACHABLE, ICMP6_PORT_UNREACHABLE, 0)
			       : ip_error_word(ICMP6_PARAMETER_PROBLEM, ICMP6_UNKNOWN_HEADER,
					       NEXT_HEADER_OFFSET);
	return TO_ERROR;
}

static u16
local_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, local_one);
}

static struct rte_node_register ip6_local = {
	.name = "ip6-local",
	.process = local_process,
	.nb_edges = IP_EDGE_PORTS,
	.next_nodes = { VMHEAP_DROP_NODE, [TO_LOOKUP] = "ip6-lookup", [TO_ERROR] = "ip6-icmp-error",
			VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(ip6_local)

/* ---- ip6-icmp-error ---- */

enum {
	ERROR_HOPS_EXPIRED,
	ERROR_UNREACHABLE,
	ERROR_TOO_BIG,
	ERROR_OTHER,
	ERROR_NOT_OWED,
	ERROR_LIMITED,
	ERROR_NO_ROOM
};
static const char *const error_reasons[] = {
	[ERROR_HOPS_EXPIRED] = "hop limit exceeded response sent",
	[ERROR_UNREACHABLE] = "unreachable response sent",
	[ERROR_TOO_BIG] = "packet too big response sent",
	[ERROR_OTHER] = "other response sent",
	[ERROR_NOT_OWED] = "no response owed",
	[ERROR_LIMITED] = "response rate limited",
	[ERROR_NO_ROOM] = "no room for a response",
};
vmheap_error_strings_t ip6_icmp_error_errors = { .node = "ip6-icmp-error",
						 .reasons = error_reasons,
						 .n_reasons = ARRAY_LEN(error_reasons) };

/* RFC 4443, 2.4e: not about errors, not to nobody, not about what went to many.  A link-local
 * sender would have to be answered by its frame, which an error path does not keep. */
static int
is_owed(struct rte_mbuf *m, const struct rte_ipv6_hdr *ip)
{
	const icmp6_header_t *icmp = (const icmp6_header_t *)(ip + 1);
	ip_address_t from;

	memcpy(from.b, ip->src_addr, sizeof(from));
	if ((!from.u64[0] && !from.u64[1]) || icmp6_is_link_local(from.b) ||
	    ip->dst_addr[0] == 0xff)
		return 0;
	return ip->proto != IPPROTO_ICMPV6 ||
	       (m->data_len >= sizeof(*ip) + 1 && icmp->type >= ICMP6_FIRST_QUERY);
}

static u32
counter_of(u8 type)
{
	switch (type) {
	case ICMP6_TIME_EXCEEDED:
		return ERROR_HOPS_EXPIRED;
	case ICMP6_UNREACHABLE:
		return ERROR_UNREACHABLE;
	case ICMP6_TOO_BIG:
		return ERROR_TOO_BIG;
	default:
		return ERROR_OTHER;
	}
}

static u16
error_one(struct rte_mbuf *m)
{
	const ip_port_t *port = &ip_main.ports[m->port];
	u16 n_headers = sizeof(struct rte_ipv6_hdr) + sizeof(icmp6_header_t);
	u32 word = *ip_word(m);
	struct rte_ipv6_hdr *about = header_of(m), *ip;
	ip_address_t source, asked, from;
	icmp6_header_t *icmp;

	/* Acquire: the address, with the release of main. */
	if (!atomic_load_explicit(&port->has_ip6, memory_order_acquire) || !is_owed(m, about))
		return ip_drop(m, &ip6_icmp_error_errors, ERROR_NOT_OWED);
	if (!ip_may_report(ip_this_worker()))
		return ip_drop(m, &ip6_icmp_error_errors, ERROR_LIMITED);
	memcpy(asked.b, about->dst_addr, sizeof(asked));
	memcpy(from.b, about->src_addr, sizeof(from));
	source = ip6_dpo_of(&asked)->kind == IP_DPO_LOCAL ? asked : port->ip6;
	ip_cut(m, ERROR_BYTES - n_headers);
	ip = (struct rte_ipv6_hdr *)rte_pktmbuf_prepend(m, n_headers);
	if (!ip)
		return ip_drop(m, &ip6_icmp_error_errors, ERROR_NO_ROOM);
	*ip = (struct rte_ipv6_hdr){ .vtc_flow = RTE_BE32(0x60000000),
				     .payload_len =
					     rte_cpu_to_be_16((u16)(m->pkt_len - sizeof(*ip))),
				     .proto = IPPROTO_ICMPV6,
				     .hop_limits = OWN_HOPS };
	memcpy(ip->src_addr, source.b, sizeof(source));
	memcpy(ip->dst_addr, from.b, sizeof(from));
	icmp = (icmp6_header_t *)(ip + 1);
	*icmp = (icmp6_header_t){ .type = (u8)(word >> 24),
				  .code = (u8)(word >> 16),
				  .data = rte_cpu_to_be_32(word & 0xffff) };
	icmp->checksum = rte_ipv6_udptcp_cksum(ip, icmp);
	vmheap_error_count(&ip6_icmp_error_errors, counter_of(icmp->type), 1);
	return TO_LOOKUP;
}

static u16
error_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, error_one);
}

static struct rte_node_register ip6_icmp_error = {
	.name = "ip6-icmp-error",
	.process = error_process,
	.nb_edges = 2,
	.next_nodes = { VMHEAP_DROP_NODE, [TO_LOOKUP] = "ip6-lookup" },
};
RTE_NODE_REGISTER(ip6_icmp_error)
