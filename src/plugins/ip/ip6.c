/* SPDX-License-Identifier: Apache-2.0 */
/* The way of an IPv6 packet that is not for us (RFC 8200), and neighbor solicitations that it makes
 * necessary (RFC 4861). */
#include "ip.h"
#include "icmp6.h"

#include <plugins/pool/pktpool.h>

always_inline struct rte_ipv6_hdr *
header_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ipv6_hdr *);
}

const ip_dpo_t *
ip6_dpo_of(const ip_address_t *a)
{
	u8 at[1][RTE_FIB6_IPV6_ADDR_SIZE];
	u64 dpo = 0;

	memcpy(at[0], a->b, sizeof(at[0]));
	rte_fib6_lookup_bulk(ip_main.fib6, at, &dpo, 1);
	return &ip_main.dpos[dpo];
}

/* ---- ip6-input ---- */

enum { INPUT_TOO_SHORT, INPUT_BAD_VERSION, INPUT_BAD_LENGTH, INPUT_HOPS_ZERO, INPUT_BAD_SOURCE };
static const char *const input_reasons[] = {
	[INPUT_TOO_SHORT] = "ip6 length < 40 bytes",    [INPUT_BAD_VERSION] = "ip6 version != 6",
	[INPUT_BAD_LENGTH] = "ip6 length > l2 length",  [INPUT_HOPS_ZERO] = "ip6 hop limit is zero",
	[INPUT_BAD_SOURCE] = "ip6 source is no host's",
};
vmheap_error_strings_t ip6_input_errors = { .node = "ip6-input",
					    .reasons = input_reasons,
					    .n_reasons = ARRAY_LEN(input_reasons) };

#define INPUT_TO_LOOKUP 1

static u16
input_one(struct rte_mbuf *m)
{
	struct rte_ipv6_hdr *ip = header_of(m);
	u32 n_total;

	if (PREDICT_FALSE(m->data_len < sizeof(*ip)))
		return ip_drop(m, &ip6_input_errors, INPUT_TOO_SHORT);
	n_total = rte_be_to_cpu_16(ip->payload_len) + (u32)sizeof(*ip);
	if (PREDICT_FALSE((*(u8 *)ip >> 4) != 6))
		return ip_drop(m, &ip6_input_errors, INPUT_BAD_VERSION);
	if (PREDICT_FALSE(n_total > m->pkt_len))
		return ip_drop(m, &ip6_input_errors, INPUT_BAD_LENGTH);
	if (PREDICT_FALSE(!ip->hop_limits))
		return ip_drop(m, &ip6_input_errors, INPUT_HOPS_ZERO);
	if (PREDICT_FALSE(ip->src_addr[0] == 0xff))
		return ip_drop(m, &ip6_input_errors, INPUT_BAD_SOURCE);
	if (PREDICT_FALSE(m->pkt_len > n_total) && rte_pktmbuf_trim(m, (u16)(m->pkt_len - n_total)))
		return ip_drop(m, &ip6_input_errors, INPUT_BAD_LENGTH);
	return INPUT_TO_LOOKUP;
}

static u16
input_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, input_one);
}

static struct rte_node_register ip6_input = {
	.name = "ip6-input",
	.process = input_process,
	.nb_edges = 2,
	.next_nodes = { VMHEAP_DROP_NODE, [INPUT_TO_LOOKUP] = "ip6-lookup" },
};
RTE_NODE_REGISTER(ip6_input)

/* ---- ip6-lookup ---- */

enum { LOOKUP_NO_ROUTE, LOOKUP_DROP_ROUTE };
static const char *const lookup_reasons[] = {
	[LOOKUP_NO_ROUTE] = "no route",
	[LOOKUP_DROP_ROUTE] = "route says drop",
};
vmheap_error_strings_t ip6_lookup_errors = { .node = "ip6-lookup",
					     .reasons = lookup_reasons,
					     .n_reasons = ARRAY_LEN(lookup_reasons) };

enum { LOOKUP_TO_LOCAL = 1, LOOKUP_TO_DISCOVER, LOOKUP_TO_REWRITE, LOOKUP_TO_ERROR };

static const u16 edge_of_kind[IP_N_DPOS] = {
	[IP_DPO_DROP] = IP_EDGE_DROP,         [IP_DPO_LOCAL] = LOOKUP_TO_LOCAL,
	[IP_DPO_GLEAN] = LOOKUP_TO_DISCOVER,  [IP_DPO_RESOLVE] = LOOKUP_TO_DISCOVER,
	[IP_DPO_REWRITE] = LOOKUP_TO_REWRITE,
};

/* What is never routed, as ip4's no_route() otherwise. */
static u16
no_route(struct rte_mbuf *m, u64 *dpo)
{
	struct rte_ipv6_hdr *ip = header_of(m);
	const ip_dpo_t *d;
	ip_address_t to;

	*dpo = 0;
	if (ip->dst_addr[0] == 0xff || icmp6_is_link_local(ip->dst_addr))
		return LOOKUP_TO_LOCAL;
	memcpy(to.b, ip->dst_addr, sizeof(to));
	d = ip6_dpo_of(&to);
	*dpo = (u64)(d - ip_main.dpos);
	if (*dpo && d->kind != IP_DPO_DROP)
		return edge_of_kind[d->kind];
	if (*dpo)
		return ip_drop(m, &ip6_lookup_errors, LOOKUP_DROP_ROUTE);
	vmheap_error_count(&ip6_lookup_errors, LOOKUP_NO_ROUTE, 1);
	*ip_word(m) = ip_error_word(ICMP6_UNREACHABLE, 0, 0);
	return LOOKUP_TO_ERROR;
}

/* rte_fib6 wants the addresses side by side: 64 are 1 KiB of stack. */
#define LOOKUP_CHUNK 64

static void
lookup_some(struct rte_mbuf **mbufs, u16 *next, u32 n)
{
	ip_counts_t *counts = ip_this_worker()->counts;
	u8 to[LOOKUP_CHUNK][RTE_FIB6_IPV6_ADDR_SIZE];
	u64 dpos[LOOKUP_CHUNK];

	for (u32 i = 0; i < n; i++)
		memcpy(to[i], header_of(mbufs[i])->dst_addr, sizeof(to[i]));
	rte_fib6_lookup_bulk(ip_main.fib6, to, dpos, (int)n);
	for (u32 i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];

		next[i] = edge_of_kind[ip_main.dpos[dpos[i]].kind];
		if (PREDICT_FALSE(next[i] == IP_EDGE_DROP)) {
			next[i] = no_route(m, &dpos[i]);
			if (next[i] == IP_EDGE_DROP || next[i] == LOOKUP_TO_ERROR)
				continue;
		}
		*ip_word(m) = (u32)dpos[i];
		if (PREDICT_TRUE(dpos[i]))
			ip_count(&counts[dpos[i]], 1, m->pkt_len);
	}
}

static void
lookup_chunk(struct rte_graph *graph, struct rte_node *node, struct rte_mbuf **mbufs, u16 *next,
	     u32 n)
{
	for (u32 i = 0; i < n; i += LOOKUP_CHUNK)
		lookup_some(mbufs + i, next + i, clib_min(n - i, (u32)LOOKUP_CHUNK));
}

static u16
lookup_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process(graph, node, objs, n, lookup_chunk);
}

static struct rte_node_register ip6_lookup = {
	.name = "ip6-lookup",
	.process = lookup_process,
	.nb_edges = 5,
	.next_nodes = { VMHEAP_DROP_NODE, [LOOKUP_TO_LOCAL] = "ip6-local",
			[LOOKUP_TO_DISCOVER] = "ip6-discover-neighbor",
			[LOOKUP_TO_REWRITE] = "ip6-rewrite", [LOOKUP_TO_ERROR] = "ip6-icmp-error" },
};
RTE_NODE_REGISTER(ip6_lookup)

/* ---- ip6-rewrite ---- */

enum { REWRITE_HOPS_EXPIRED, REWRITE_MTU, REWRITE_NO_ROOM };
static const char *const rewrite_reasons[] = {
	[REWRITE_HOPS_EXPIRED] = "ip6 hop limit <= 1",
	[REWRITE_MTU] = "ip6 MTU exceeded",
	[REWRITE_NO_ROOM] = "no room for the l2 header",
};
vmheap_error_strings_t ip6_rewrite_errors = { .node = "ip6-rewrite",
					      .reasons = rewrite_reasons,
					      .n_reasons = ARRAY_LEN(rewrite_reasons) };

#define REWRITE_TO_ERROR 1

static never_inline u16
to_error(struct rte_mbuf *m, u32 reason, u8 type, u16 mtu)
{
	vmheap_error_count(&ip6_rewrite_errors, reason, 1);
	*ip_word(m) = ip_error_word(type, 0, mtu);
	return REWRITE_TO_ERROR;
}

always_inline u16
rewrite_one(struct rte_mbuf *m)
{
	const ip_dpo_t *d = &ip_main.dpos[*ip_word(m)];
	struct rte_ipv6_hdr *ip = header_of(m);

	if (PREDICT_FALSE(ip->hop_limits <= 1))
		return to_error(m, REWRITE_HOPS_EXPIRED, ICMP6_TIME_EXCEEDED, 0);
	if (PREDICT_FALSE(m->pkt_len > d->mtu))
		return to_error(m, REWRITE_MTU, ICMP6_TOO_BIG, d->mtu);
	if (PREDICT_FALSE(ip_prepend_ethernet(m, d->rewrite)))
		return ip_drop(m, &ip6_rewrite_errors, REWRITE_NO_ROOM);
	ip->hop_limits--;
	return IP_EDGE_PORTS + d->port_ordinal;
}

static u16
rewrite_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, rewrite_one);
}

static struct rte_node_register ip6_rewrite = {
	.name = "ip6-rewrite",
	.process = rewrite_process,
	.nb_edges = IP_EDGE_PORTS,
	.next_nodes = { VMHEAP_DROP_NODE, [REWRITE_TO_ERROR] = "ip6-icmp-error", VMHEAP_DROP_NODE,
			VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(ip6_rewrite)

/* ---- ip6-discover-neighbor ---- */

enum { ND_ASKED, ND_THROTTLED, ND_NO_SOURCE, ND_NO_BUFFER };
static const char *const nd_reasons[] = {
	[ND_ASKED] = "neighbor solicitations sent",
	[ND_THROTTLED] = "neighbor solicitations throttled",
	[ND_NO_SOURCE] = "no source address for a solicitation",
	[ND_NO_BUFFER] = "no buffer for a solicitation",
};
vmheap_error_strings_t ip6_nd_errors = { .node = "ip6-discover-neighbor",
					 .reasons = nd_reasons,
					 .n_reasons = ARRAY_LEN(nd_reasons) };

static void
fill_solicitation(void *at, const ip_port_t *port, const ip_address_t *source,
		  const ip_address_t *target)
{
	struct rte_ether_hdr *eth = at;
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(eth + 1);
	icmp6_nd_t *nd = (icmp6_nd_t *)(ip + 1);

	/* Solicited-node multicast: ff02::1:ff and the last 24 bits (RFC 4291, 2.7.1). */
	eth->dst_addr = (struct rte_ether_addr){ { 0x33, 0x33, 0xff, target->b[13], target->b[14],
						   target->b[15] } };
	eth->src_addr = port->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
	*ip = (struct rte_ipv6_hdr){ .vtc_flow = RTE_BE32(0x60000000),
				     .payload_len = RTE_BE16(sizeof(*nd)),
				     .proto = IPPROTO_ICMPV6,
				     .hop_limits = 255,
				     .dst_addr = { 0xff, 2, [11] = 1, [12] = 0xff } };
	memcpy(ip->src_addr, source->b, sizeof(ip->src_addr));
	memcpy(ip->dst_addr + 13, target->b + 13, 3);
	*nd = (icmp6_nd_t){ .type = ICMP6_SOLICITATION,
			    .option_type = ICMP6_OPTION_SOURCE,
			    .option_units = 1,
			    .mac = port->mac };
	memcpy(nd->target, target->b, sizeof(nd->target));
	nd->checksum = rte_ipv6_udptcp_cksum(ip, nd);
}

static u32
ask(struct rte_graph *graph, struct rte_node *node, struct rte_mbuf *m)
{
	const ip_dpo_t *d = &ip_main.dpos[*ip_word(m)];
	const ip_port_t *port = &ip_main.ports[d->port_id];
	ip_address_t target = d->next_hop, source = d->source;
	struct rte_mbuf *s;
	void *at;

	if (d->kind == IP_DPO_GLEAN)
		memcpy(target.b, header_of(m)->dst_addr, sizeof(target));
	if (icmp6_is_link_local(target.b))
		source = port->link_local;
	else if (!source.u64[0] && !source.u64[1]) {
		/* Acquire: the address, with the release of main. */
		if (!atomic_load_explicit(&port->has_ip6, memory_order_acquire))
			return ND_NO_SOURCE;
		source = port->ip6;
	}
	if (!ip_may_ask(ip_this_worker(), d->port_id, &target))
		return ND_THROTTLED;
	s = pktpool_alloc_by_name(m->pool, PKTPOOL_RESERVATION_CONTROL);
	at = s ? rte_pktmbuf_append(s, RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr) +
					       sizeof(icmp6_nd_t))
	       : NULL;
	if (!at) {
		rte_pktmbuf_free(s);
		return ND_NO_BUFFER;
	}
	fill_solicitation(at, port, &source, &target);
	s->port = m->port;
	rte_node_enqueue_x1(graph, node, IP_EDGE_PORTS + port->ordinal, s);
	return ND_ASKED;
}

static void
nd_chunk(struct rte_graph *graph, struct rte_node *node, struct rte_mbuf **mbufs, u16 *next, u32 n)
{
	for (u32 i = 0; i < n; i++)
		next[i] = ip_drop(mbufs[i], &ip6_nd_errors, ask(graph, node, mbufs[i]));
}

static u16
nd_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process(graph, node, objs, n, nd_chunk);
}

static struct rte_node_register ip6_discover = {
	.name = "ip6-discover-neighbor",
	.process = nd_process,
	.nb_edges = IP_EDGE_PORTS,
	.next_nodes = { VMHEAP_DROP_NODE, VMHEAP_DROP_NODE, VMHEAP_DROP_NODE, VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(ip6_discover)
