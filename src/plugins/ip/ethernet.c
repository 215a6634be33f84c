/* SPDX-License-Identifier: Apache-2.0 */
/* ethernet-input sorts frames by type and takes their header off; arp-input answers who asks for
 * an address of ours and hears who answers us. */
#include "ip.h"

#include <rte_arp.h>

/* ---- ethernet-input ---- */

enum { ETHERNET_TOO_SHORT, ETHERNET_NOT_FOR_US, ETHERNET_UNKNOWN_TYPE, ETHERNET_NO_ADDRESS };
static const char *const ethernet_reasons[] = {
	[ETHERNET_TOO_SHORT] = "frame too short",
	[ETHERNET_NOT_FOR_US] = "l3 mac mismatch",
	[ETHERNET_UNKNOWN_TYPE] = "unknown ethernet type",
	[ETHERNET_NO_ADDRESS] = "no address of this family on the port",
};
vmheap_error_strings_t ethernet_input_errors = { .node = ETHERNET_INPUT_NODE,
						 .reasons = ethernet_reasons,
						 .n_reasons = ARRAY_LEN(ethernet_reasons) };

enum { ETHERNET_TO_IP4 = 1, ETHERNET_TO_IP6, ETHERNET_TO_ARP };

static u16
edge_of_type(struct rte_mbuf *m, const ip_port_t *port, u16 type)
{
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return atomic_load_explicit(&port->ip4, memory_order_relaxed)
			       ? ETHERNET_TO_IP4
			       : ip_drop(m, &ethernet_input_errors, ETHERNET_NO_ADDRESS);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return atomic_load_explicit(&port->has_ip6, memory_order_relaxed)
			       ? ETHERNET_TO_IP6
			       : ip_drop(m, &ethernet_input_errors, ETHERNET_NO_ADDRESS);
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return atomic_load_explicit(&port->ip4, memory_order_relaxed)
			       ? ETHERNET_TO_ARP
			       : ip_drop(m, &ethernet_input_errors, ETHERNET_NO_ADDRESS);
	return ip_drop(m, &ethernet_input_errors, ETHERNET_UNKNOWN_TYPE);
}

static void
ethernet_chunk(struct rte_graph *graph, struct rte_node *node, struct rte_mbuf **mbufs, u16 *next,
	       u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		const ip_port_t *port = &ip_main.ports[m->port];
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + 4], void *));
		if (PREDICT_FALSE(m->data_len < RTE_ETHER_HDR_LEN)) {
			next[i] = ip_drop(m, &ethernet_input_errors, ETHERNET_TOO_SHORT);
			continue;
		}
		if (PREDICT_FALSE(!rte_is_same_ether_addr(&eth->dst_addr, &port->mac) &&
				  !rte_is_multicast_ether_addr(&eth->dst_addr))) {
			next[i] = ip_drop(m, &ethernet_input_errors, ETHERNET_NOT_FOR_US);
			continue;
		}
		next[i] = edge_of_type(m, port, eth->ether_type);
		/* Nodes behind find it below the data when they answer. */
		if (next[i] != IP_EDGE_DROP)
			rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	}
}

static u16
ethernet_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process(graph, node, objs, n, ethernet_chunk);
}

static struct rte_node_register ethernet_input = {
	.name = ETHERNET_INPUT_NODE,
	.process = ethernet_process,
	.nb_edges = 4,
	.next_nodes = { VMHEAP_DROP_NODE, [ETHERNET_TO_IP4] = "ip4-input",
			[ETHERNET_TO_IP6] = "ip6-input", [ETHERNET_TO_ARP] = "arp-input" },
};
RTE_NODE_REGISTER(ethernet_input)

/* ---- arp-input ---- */

enum { ARP_REPLIED, ARP_HEARD, ARP_NOT_OURS, ARP_BAD };
static const char *const arp_reasons[] = {
	[ARP_REPLIED] = "ARP replies sent",
	[ARP_HEARD] = "ARP replies received",
	[ARP_NOT_OURS] = "IP4 destination address not local",
	[ARP_BAD] = "not an ARP of Ethernet and IPv4",
};
vmheap_error_strings_t arp_input_errors = { .node = "arp-input",
					    .reasons = arp_reasons,
					    .n_reasons = ARRAY_LEN(arp_reasons) };

static int
is_sane(const struct rte_mbuf *m, const struct rte_arp_hdr *arp)
{
	return m->data_len >= sizeof(*arp) && arp->arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       arp->arp_hlen == RTE_ETHER_ADDR_LEN && arp->arp_plen == sizeof(u32) &&
	       !rte_is_multicast_ether_addr(&arp->arp_data.arp_sha);
}

/* The request becomes its own answer. */
static u16
answer(struct rte_mbuf *m, struct rte_arp_hdr *arp, const ip_port_t *port)
{
	struct rte_ether_hdr eth = { .ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP) };
	u32 ours = arp->arp_data.arp_tip;

	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_tha = arp->arp_data.arp_sha;
	arp->arp_data.arp_tip = arp->arp_data.arp_sip;
	arp->arp_data.arp_sha = port->mac;
	arp->arp_data.arp_sip = ours;
	eth.dst_addr = arp->arp_data.arp_tha;
	eth.src_addr = port->mac;
	if (ip_prepend_ethernet(m, &eth))
		return ip_drop(m, &arp_input_errors, ARP_BAD);
	vmheap_error_count(&arp_input_errors, ARP_REPLIED, 1);
	return IP_EDGE_PORTS + port->ordinal;
}

static u16
arp_one(struct rte_mbuf *m)
{
	struct rte_arp_hdr *arp = rte_pktmbuf_mtod(m, struct rte_arp_hdr *);
	const ip_dpo_t *target;
	ip_address_t sender = {};
	int is_ours;

	if (!is_sane(m, arp))
		return ip_drop(m, &arp_input_errors, ARP_BAD);
	sender.ip4 = arp->arp_data.arp_sip;
	target = ip4_dpo_of(arp->arp_data.arp_tip);
	is_ours = target->kind == IP_DPO_LOCAL && target->port_id == m->port;
	/* 0 asks whether an address is free (RFC 5227): nothing is to be learned from it. */
	if (sender.ip4 && ip4_dpo_of(sender.ip4)->kind != IP_DPO_LOCAL)
		ip_learn(m->port, 0, &sender, &arp->arp_data.arp_sha, !is_ours);
	if (!is_ours)
		return ip_drop(m, &arp_input_errors, ARP_NOT_OURS);
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST))
		return answer(m, arp, &ip_main.ports[m->port]);
	return ip_drop(m, &arp_input_errors, ARP_HEARD);
}

static u16
arp_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, arp_one);
}

static struct rte_node_register arp_input = {
	.name = "arp-input",
	.process = arp_process,
	.nb_edges = IP_EDGE_PORTS,
	.next_nodes = { VMHEAP_DROP_NODE, VMHEAP_DROP_NODE, VMHEAP_DROP_NODE, VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(arp_input)

/* ---- edges ---- */

/* Nodes that hand packets to ports themselves. */
static const char *const senders[] = {
	"arp-input", "ip4-rewrite", "ip4-arp", "ip6-rewrite", "ip6-discover-neighbor", "ip6-local",
};

const char *
ip_add_port_edges(const vmheap_port_t *port)
{
	rte_edge_t edge = IP_EDGE_PORTS + ip_main.ports[port->port_id].ordinal;
	const char *next = port->tx_node;

	for (u32 i = 0; i < ARRAY_LEN(senders); i++) {
		rte_node_t id = rte_node_from_name(senders[i]);

		if (id == RTE_NODE_ID_INVALID || rte_node_edge_count(id) != edge ||
		    rte_node_edge_update(id, edge, &next, 1) != 1)
			return senders[i];
	}
	return NULL;
}
