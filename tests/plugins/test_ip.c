/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin ip on one worker and four ports made of rings: what the test puts into a port's ring
 * the port receives, and what the port sends the test takes out and looks at.
 *
 * A process has one EAL and one life of its plugins, so the tests are chapters of one story. */
#include <stdatomic.h>
#include <unistd.h>
#include <plugins/framework/framework.h>
#include <plugins/framework/port.h>
#include <plugins/pool/pktpool.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/vec.h>
#include <rte_arp.h>
#include <rte_dev.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_udp.h>
#include "eal.h"
#include "ring_ports.h"
#include "run_command.h"
#include "unit.h"

/* Who sends to us on each port, and where the test's routes lead. */
static const struct rte_ether_addr peer_mac[N_PORTS] = { { { 2, 0, 0, 0, 0, 0x10 } },
							 { { 2, 0, 0, 0, 0, 0x11 } },
							 { { 2, 0, 0, 0, 0, 0x12 } },
							 { { 2, 0, 0, 0, 0, 0x13 } } };

static void
log_line(const char *line)
{
	if (getenv("VERBOSE"))
		puts(line);
}

/* ---- the daemon's steps ---- */

static int
is_refused(const char *words, const char *what)
{
	clib_error_t *error = configure("ip", words);
	u8 *s = format(0, "%U%c", format_clib_error, error, 0);
	int ok = error && strstr((char *)s, what) != NULL;

	if (!ok)
		printf("ip { %s }: %s\n", words, s);
	vec_free(s);
	clib_error_free(error);
	return ok;
}

static void
a_stanza_is_checked(void)
{
	static const char *const names[] = { "buffer", "ethdev", "ip", "xconnect" };

	load_plugins(names, ARRAY_LEN(names));
	CU_ASSERT(is_refused("max-routes 0", "at least 1"));
	CU_ASSERT(is_refused("max-routes 40000", "at most 32767"));
	CU_ASSERT(is_refused("adress p0 10.0.0.1/8", "unknown input 'adress'"));
	CU_ASSERT(is_refused("address", "input ends"));
	must(configure("buffers", "buffers-per-numa 4096  reserve control 16"));
	must(configure("dpdk", "dev default { num-rx-desc 256 num-tx-desc 256 }\n"
			       "dev net_ring_p0 { name in }\n"
			       "dev net_ring_p1 { name one }\n"
			       "dev net_ring_p2 { name two }\n"
			       "dev net_ring_p3 { name three }\n"));
	/* Routes may stand before the addresses that they need. */
	must(configure("ip", "max-routes 2000\n"
			     "route 30.0.0.0/8 via 10.1.0.2\n"
			     "address in 10.0.0.1/24 address in fd00::1/64\n"
			     "neighbor in 10.0.0.2 02:00:00:00:00:10 static\n"
			     "neighbor in fd00::2 02:00:00:00:00:10 static\n"
			     "address one 10.1.0.1/24 address one fd01::1/64"));
}

static void
ports_start(void)
{
	make_ports();
	must(vmheap_init_call(VMHEAP_INIT));
	must(vmheap_init_call(VMHEAP_GRAPH_INIT));
	must(vmheap_graphs_create());
	must(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
	must(vmheap_workers_start());
	CU_ASSERT_STRING_EQUAL(vmheap_port(port_ids[0])->rx_next, "ethernet-input");
	CU_ASSERT_STRING_EQUAL(vmheap_port(port_ids[2])->rx_next, "xconnect");
}

/* ---- packets ---- */

static struct rte_mbuf *
frame(u32 port, u16 type, u32 n_bytes)
{
	struct rte_ether_hdr *eth;
	struct rte_mbuf *m;

	CU_ASSERT_EQUAL_FATAL(pktpool_alloc(pktpool_by_node(0), &m, 1), 0);
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, (u16)(sizeof(*eth) + n_bytes));
	memset(eth, 0, m->data_len);
	eth->dst_addr = port_mac[port];
	eth->src_addr = peer_mac[port];
	eth->ether_type = rte_cpu_to_be_16(type);
	return m;
}

static u32
ip4(const char *text)
{
	u32 b[4] = {};

	sscanf(text, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]);
	return rte_cpu_to_be_32(b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]);
}

static struct rte_ipv4_hdr *
ip4_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
}

static void
seal(struct rte_ipv4_hdr *ip)
{
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* From 10.0.0.2 (port 0's peer) with so many bytes behind the IP header. */
static struct rte_mbuf *
packet4(u32 to, u8 proto, u8 ttl, u32 n_payload)
{
	struct rte_mbuf *m = frame(0, RTE_ETHER_TYPE_IPV4, sizeof(struct rte_ipv4_hdr) + n_payload);
	struct rte_ipv4_hdr *ip = ip4_of(m);

	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
				     .total_length =
					     rte_cpu_to_be_16((u16)(sizeof(*ip) + n_payload)),
				     .time_to_live = ttl,
				     .next_proto_id = proto,
				     .src_addr = ip4("10.0.0.2"),
				     .dst_addr = to };
	for (u32 i = 0; i < n_payload; i++)
		((u8 *)(ip + 1))[i] = (u8)(i * 7 + 1);
	seal(ip);
	return m;
}

static struct rte_ipv6_hdr *
ip6_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, sizeof(struct rte_ether_hdr));
}

static struct rte_mbuf *
packet6(const u8 *to, u8 proto, u8 hops, u32 n_payload)
{
	static const u8 from[16] = { 0xfd, [15] = 2 };
	struct rte_mbuf *m = frame(0, RTE_ETHER_TYPE_IPV6, sizeof(struct rte_ipv6_hdr) + n_payload);
	struct rte_ipv6_hdr *ip = ip6_of(m);

	*ip = (struct rte_ipv6_hdr){ .vtc_flow = RTE_BE32(0x60000000),
				     .payload_len = rte_cpu_to_be_16((u16)n_payload),
				     .proto = proto,
				     .hop_limits = hops };
	memcpy(ip->src_addr, from, 16);
	memcpy(ip->dst_addr, to, 16);
	for (u32 i = 0; i < n_payload; i++)
		((u8 *)(ip + 1))[i] = (u8)(i * 7 + 1);
	return m;
}

/* A turn of the control loop: what was heard is believed. */
static void
turn(void)
{
	static u64 now_ms;

	vmheap_timers_run(now_ms += 1000);
}

static void
give_back(struct rte_mbuf *m)
{
	if (m)
		rte_pktmbuf_free(m);
}

/* Whether all that was sent has been seen to the end: nothing but what the test holds is out. */
static u32
n_in_use(void)
{
	pktpool_info_t info;

	/* What is set aside is not in use. */
	pktpool_get_info(pktpool_by_node(0), &info);
	return info.n_used;
}

static int
wait_for_idle(u32 n_held)
{
	for (u32 i = 0; i < 20000; i++) {
		if (n_in_use() == n_held)
			return 1;
		usleep(100);
	}
	return 0;
}

static void
flush_all(void)
{
	void *m;

	for (u32 i = 0; i < N_PORTS; i++)
		while (!rte_ring_dequeue(from_port[i], &m))
			rte_pktmbuf_free(m);
}

/* ---- the story ---- */

/* A packet to who is not known yet makes us ask; the answer makes the next one pass, with the TTL
 * one less, the checksum right and the payload as it was. */
static void
a_packet_is_routed_once_its_neighbor_has_answered(void)
{
	struct rte_mbuf *m;
	struct rte_arp_hdr *arp;
	struct rte_ipv4_hdr *ip;

	inject(0, packet4(ip4("30.1.2.3"), IPPROTO_UDP, 64, 100));
	m = receive(1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14);
	CU_ASSERT_EQUAL(arp->arp_opcode, RTE_BE16(RTE_ARP_OP_REQUEST));
	CU_ASSERT_EQUAL(arp->arp_data.arp_tip, ip4("10.1.0.2"));
	CU_ASSERT_EQUAL(arp->arp_data.arp_sip, ip4("10.1.0.1"));
	CU_ASSERT(says("show errors", "", "ARP requests sent"));

	/* The answer, made of the question. */
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_tha = port_mac[1];
	arp->arp_data.arp_sha = peer_mac[1];
	arp->arp_data.arp_tip = ip4("10.1.0.1");
	arp->arp_data.arp_sip = ip4("10.1.0.2");
	rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->dst_addr = port_mac[1];
	inject(1, m);
	CU_ASSERT(wait_for_idle(0));
	turn();
	CU_ASSERT(says("show ip neighbors", "", "10.1.0.2"));
	CU_ASSERT(says("show ip neighbors", "", "02:00:00:00:00:11"));

	inject(0, packet4(ip4("30.1.2.3"), IPPROTO_UDP, 64, 100));
	m = receive(1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	ip = ip4_of(m);
	CU_ASSERT_EQUAL(ip->time_to_live, 63);
	CU_ASSERT_EQUAL(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
	CU_ASSERT(rte_is_same_ether_addr(&rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->dst_addr,
					 &peer_mac[1]));
	CU_ASSERT(rte_is_same_ether_addr(&rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->src_addr,
					 &port_mac[1]));
	for (u32 i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(((u8 *)(ip + 1))[i], (u8)(i * 7 + 1));
	give_back(m);
}

/* Somebody has all buffers but those that are set aside: neighbors are asked for all the same. */
static void
a_pool_that_is_used_up_still_asks(void)
{
	static void *all[4096];
	pktpool_t *pool = pktpool_by_node(0);
	pktpool_reservation_info_t r;
	struct rte_mbuf *m = packet4(ip4("10.1.0.77"), IPPROTO_UDP, 64, 100);
	struct rte_arp_hdr *arp;
	u32 n = 0;

	while (n < ARRAY_LEN(all) && !pktpool_get_raw(pool, &all[n], 1))
		n++;
	CU_ASSERT(n > 1000);
	CU_ASSERT_PTR_NULL(rte_pktmbuf_alloc(pktpool_mempool(pool)));
	inject(0, m);
	m = receive(1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14);
	CU_ASSERT_EQUAL(arp->arp_opcode, RTE_BE16(RTE_ARP_OP_REQUEST));
	CU_ASSERT_EQUAL(arp->arp_data.arp_tip, ip4("10.1.0.77"));
	CU_ASSERT_EQUAL(pktpool_reservations(pool, &r, 1), 1);
	CU_ASSERT_STRING_EQUAL(r.name, PKTPOOL_RESERVATION_CONTROL);
	CU_ASSERT_EQUAL(r.n_taken, 1);
	give_back(m);
	pktpool_put_raw(pool, all, n);
	CU_ASSERT(says("show buffers", "detail", "reservation control: 16 of 16 set aside"));
}

/* An ARP request for an address of ours, padded as Ethernet pads it, is answered; for another's
 * not. */
static void
arp_is_answered_for_our_addresses(void)
{
	static const char *const targets[] = { "10.0.0.1", "10.1.0.1", "10.0.0.77" };

	for (u32 i = 0; i < ARRAY_LEN(targets); i++) {
		struct rte_mbuf *m = frame(0, RTE_ETHER_TYPE_ARP, 46);
		struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14);

		memset(rte_pktmbuf_mtod(m, void *), 0xff, 6);
		*arp = (struct rte_arp_hdr){
			RTE_BE16(1), RTE_BE16(0x800),
			6,           4,
			RTE_BE16(1), { peer_mac[0], ip4("10.0.0.2"), {}, ip4(targets[i]) }
		};
		inject(0, m);
		if (i) {
			/* Even our own on another port is not this link's. */
			CU_ASSERT(wait_for_idle(0));
			CU_ASSERT_EQUAL(rte_ring_count(from_port[0]), 0);
			continue;
		}
		m = receive(0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14);
		CU_ASSERT_EQUAL(arp->arp_opcode, RTE_BE16(RTE_ARP_OP_REPLY));
		CU_ASSERT_EQUAL(arp->arp_data.arp_sip, ip4(targets[i]));
		CU_ASSERT(rte_is_same_ether_addr(&arp->arp_data.arp_sha, &port_mac[0]));
		CU_ASSERT(rte_is_same_ether_addr(&arp->arp_data.arp_tha, &peer_mac[0]));
		give_back(m);
	}
}

/* The ICMP answer to a packet, checked as its receiver would. */
static struct rte_icmp_hdr *
icmp_answer(struct rte_mbuf **m)
{
	struct rte_ipv4_hdr *ip;
	struct rte_icmp_hdr *icmp;

	*m = receive(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(*m);
	ip = ip4_of(*m);
	icmp = (struct rte_icmp_hdr *)(ip + 1);
	CU_ASSERT_EQUAL(ip->next_proto_id, IPPROTO_ICMP);
	CU_ASSERT_EQUAL(ip->time_to_live, 64);
	CU_ASSERT_EQUAL(ip->dst_addr, ip4("10.0.0.2"));
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(ip->total_length) + 14u, (*m)->pkt_len);
	CU_ASSERT_EQUAL(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
	CU_ASSERT_EQUAL(rte_raw_cksum(icmp, (*m)->pkt_len - 34), 0xffff);
	return icmp;
}

/* Echo, time exceeded, port, protocol and network unreachable, too long for the link. */
static void
icmp4_says_what_is_due(void)
{
	struct rte_icmp_hdr *icmp;
	struct rte_mbuf *m;

	m = packet4(ip4("10.1.0.1"), IPPROTO_ICMP, 3, 64);
	icmp = (struct rte_icmp_hdr *)(ip4_of(m) + 1);
	*icmp = (struct rte_icmp_hdr){ .icmp_type = 8, .icmp_ident = 5, .icmp_seq_nb = 6 };
	icmp->icmp_cksum = (u16)~rte_raw_cksum(icmp, 64);
	inject(0, m);
	icmp = icmp_answer(&m);
	CU_ASSERT_EQUAL(icmp->icmp_type, 0);
	CU_ASSERT_EQUAL(icmp->icmp_seq_nb, 6);
	CU_ASSERT_EQUAL(ip4_of(m)->src_addr, ip4("10.1.0.1"));
	CU_ASSERT_EQUAL(((u8 *)(icmp + 1))[3], (u8)(11 * 7 + 1));
	give_back(m);

	inject(0, packet4(ip4("30.1.2.3"), IPPROTO_UDP, 1, 100));
	icmp = icmp_answer(&m);
	CU_ASSERT_EQUAL(icmp->icmp_type, 11);
	CU_ASSERT_EQUAL(ip4_of(m)->src_addr, ip4("10.0.0.1"));
	CU_ASSERT_EQUAL(((struct rte_ipv4_hdr *)(icmp + 1))->dst_addr, ip4("30.1.2.3"));
	give_back(m);

	inject(0, packet4(ip4("10.1.0.1"), IPPROTO_UDP, 9, 20));
	icmp = icmp_answer(&m);
	CU_ASSERT_EQUAL(icmp->icmp_type, 3);
	CU_ASSERT_EQUAL(icmp->icmp_code, 3);
	CU_ASSERT_EQUAL(ip4_of(m)->src_addr, ip4("10.1.0.1"));
	give_back(m);

	inject(0, packet4(ip4("10.0.0.1"), 99, 9, 20));
	icmp = icmp_answer(&m);
	CU_ASSERT_EQUAL(icmp->icmp_code, 2);
	give_back(m);

	inject(0, packet4(ip4("99.0.0.1"), IPPROTO_UDP, 9, 20));
	icmp = icmp_answer(&m);
	CU_ASSERT_EQUAL(icmp->icmp_type, 3);
	CU_ASSERT_EQUAL(icmp->icmp_code, 0);
	give_back(m);

	/* The quotation of a long packet is cut. */
	inject(0, packet4(ip4("30.1.2.3"), IPPROTO_UDP, 9, 1900));
	icmp = icmp_answer(&m);
	CU_ASSERT_EQUAL(icmp->icmp_type, 3);
	CU_ASSERT_EQUAL(icmp->icmp_code, 4);
	CU_ASSERT_EQUAL(icmp->icmp_seq_nb, RTE_BE16(1500));
	CU_ASSERT_EQUAL(m->pkt_len, 14 + 576);
	give_back(m);
	CU_ASSERT(wait_for_idle(0));
}

/* An ICMP error about an ICMP error, about a later fragment, about what was sent to all: never. */
static void
icmp4_is_silent_where_it_must(void)
{
	struct rte_mbuf *m = packet4(ip4("99.0.0.1"), IPPROTO_ICMP, 9, 40);

	((u8 *)(ip4_of(m) + 1))[0] = 11;
	inject(0, m);
	m = packet4(ip4("99.0.0.1"), IPPROTO_UDP, 9, 40);
	ip4_of(m)->fragment_offset = RTE_BE16(100);
	seal(ip4_of(m));
	inject(0, m);
	m = packet4(ip4("99.0.0.1"), IPPROTO_UDP, 9, 40);
	memset(rte_pktmbuf_mtod(m, void *), 0xff, 6);
	inject(0, m);
	inject(0, packet4(ip4("239.1.1.1"), IPPROTO_UDP, 9, 40));
	CU_ASSERT(wait_for_idle(0));
	CU_ASSERT(says("show errors", "", "no response owed"));
}

/* Who floods us with what deserves errors gets some, not all. */
static void
icmp_errors_are_limited(void)
{
	u32 n = 0;

	for (u32 i = 0; i < 500; i++)
		inject(0, packet4(ip4("30.1.2.3"), IPPROTO_UDP, 1, 100));
	for (u32 i = 0; i < 20000 && n_in_use() != rte_ring_count(from_port[0]); i++)
		usleep(100);
	n = rte_ring_count(from_port[0]);
	/* The burst that is allowed, less what the tests before took of it; all of them only if
	 * this took half a second. */
	CU_ASSERT(n >= 30);
	CU_ASSERT(n == 500 || says("show errors", "", "response rate limited"));
	flush_all();
	CU_ASSERT(wait_for_idle(0));
	/* 50 errors at 1000 a second: the tests after this one may have theirs again. */
	usleep(100000);
}

/* Each malformed packet is dropped for its reason. */
static void
malformed_packets_are_dropped_for_a_reason(void)
{
	static const struct {
		const char *reason;
		u32 offset; /* in the frame */
		u8 value;
		u8 is_sealed; /* the IP checksum is made right again */
		u16 n_bytes;  /* 0: all of them */
	} cases[] = {
		{ "l3 mac mismatch", 5, 0x77, 0, 0 },
		{ "unknown ethernet type", 13, 0x99, 0, 0 },
		{ "ip4 version != 4", 14, 0x65, 1, 0 },
		{ "ip4 version != 4", 14, 0x44, 1, 0 },
		{ "bad ip4 checksum", 24, 0x33, 0, 0 },
		{ "ip4 length > l2 length", 16, 0x33, 1, 0 },
		{ "ip4 ttl is zero", 22, 0, 1, 0 },
		{ "ip4 source is no host's", 26, 224, 1, 0 },
		{ "ip4 source is no host's", 26, 127, 1, 0 },
		{ "ip4 length < 20 bytes", 12, 8, 0, 30 },
		{ "frame too short", 6, 2, 0, 10 },
		{ "not an ARP of Ethernet and IPv4", 13, 6, 0, 0 },
	};

	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		struct rte_mbuf *m = packet4(ip4("30.1.2.3"), IPPROTO_UDP, 64, 40);

		must_say("clear errors", "");
		rte_pktmbuf_mtod(m, u8 *)[cases[i].offset] = cases[i].value;
		if (cases[i].is_sealed)
			seal(ip4_of(m));
		if (cases[i].n_bytes)
			rte_pktmbuf_trim(m, (u16)(m->data_len - cases[i].n_bytes));
		inject(0, m);
		CU_ASSERT(wait_for_idle(0));
		CU_ASSERT(says("show errors", "", cases[i].reason));
	}
}

/* IPv6: echo on a global and on the link-local address, ND for both, hop limit, unreachables. */
static void
icmp6_says_what_is_due(void)
{
	static const u8 ours[16] = { 0xfd, [15] = 1 }, far[16] = { 0xfd, 9, [15] = 1 };
	u8 link_local[16] = { 0xfe, 0x80 };
	const u8 *targets[] = { ours, link_local };
	struct rte_mbuf *m;
	u8 *icmp;

	/* Modified EUI-64 of the port's MAC. */
	memcpy(link_local + 8, port_mac[0].addr_bytes, 3);
	link_local[8] ^= 2;
	link_local[11] = 0xff;
	link_local[12] = 0xfe;
	memcpy(link_local + 13, port_mac[0].addr_bytes + 3, 3);

	for (u32 i = 0; i < 2; i++) {
		m = packet6(targets[i], IPPROTO_ICMPV6, 64, 60);
		icmp = (u8 *)(ip6_of(m) + 1);
		memset(icmp, 0, 8);
		icmp[0] = 128;
		icmp[7] = 9;
		*(u16 *)(icmp + 2) = rte_ipv6_udptcp_cksum(ip6_of(m), icmp);
		inject(0, m);
		m = receive(0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		icmp = (u8 *)(ip6_of(m) + 1);
		CU_ASSERT_EQUAL(icmp[0], 129);
		CU_ASSERT_EQUAL(icmp[7], 9);
		CU_ASSERT_EQUAL(memcmp(ip6_of(m)->src_addr, targets[i], 16), 0);
		CU_ASSERT_EQUAL(rte_ipv6_udptcp_cksum_verify(ip6_of(m), icmp), 0);
		give_back(m);

		m = packet6(targets[i], IPPROTO_ICMPV6, 255, 32);
		icmp = (u8 *)(ip6_of(m) + 1);
		memset(icmp, 0, 32);
		icmp[0] = 135;
		memcpy(icmp + 8, targets[i], 16);
		icmp[24] = 1;
		icmp[25] = 1;
		memcpy(icmp + 26, &peer_mac[0], 6);
		*(u16 *)(icmp + 2) = rte_ipv6_udptcp_cksum(ip6_of(m), icmp);
		inject(0, m);
		m = receive(0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		icmp = (u8 *)(ip6_of(m) + 1);
		CU_ASSERT_EQUAL(icmp[0], 136);
		CU_ASSERT_EQUAL(icmp[4], 0xe0);
		CU_ASSERT_EQUAL(memcmp(icmp + 8, targets[i], 16), 0);
		CU_ASSERT_EQUAL(icmp[24], 2);
		CU_ASSERT_EQUAL(memcmp(icmp + 26, &port_mac[0], 6), 0);
		CU_ASSERT_EQUAL(ip6_of(m)->hop_limits, 255);
		CU_ASSERT_EQUAL(rte_ipv6_udptcp_cksum_verify(ip6_of(m), icmp), 0);
		give_back(m);
	}
	inject(0, packet6(far, IPPROTO_UDP, 9, 20));
	m = receive(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	icmp = (u8 *)(ip6_of(m) + 1);
	CU_ASSERT_EQUAL(icmp[0], 1);
	CU_ASSERT_EQUAL(icmp[1], 0);
	CU_ASSERT_EQUAL(rte_ipv6_udptcp_cksum_verify(ip6_of(m), icmp), 0);
	give_back(m);
	inject(0, packet6(ours, IPPROTO_UDP, 9, 20));
	m = receive(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(((u8 *)(ip6_of(m) + 1))[1], 4);
	give_back(m);
	CU_ASSERT(wait_for_idle(0));
}

/* ---- routes against a model ---- */

typedef struct {
	u8 address[16];
	u8 len;
	u8 port;
} model_route_t;

static int
is_prefix(const model_route_t *r, const u8 *a)
{
	for (u32 i = 0; i < r->len; i++)
		if ((r->address[i / 8] ^ a[i / 8]) & (0x80 >> i % 8))
			return 0;
	return 1;
}

/* The longest prefix's port by a walk over all; 0 none, that port has no routes. */
static u32
model_lookup(const model_route_t *v, u32 n, const u8 *a)
{
	const model_route_t *best = NULL;

	for (u32 i = 0; i < n; i++)
		if (is_prefix(&v[i], a) && (!best || v[i].len > best->len))
			best = &v[i];
	return best ? best->port : 0;
}

/* Addresses of a small world, so that prefixes nest and collide. */
static void
random_address(u64 *state, int is_ip6, u8 *a)
{
	memset(a, 0, 16);
	a[0] = is_ip6 ? 0x20 : 20;
	for (u32 i = 1; i < (is_ip6 ? 16u : 4u); i++)
		a[i] = (u8)(unit_random_below(state, 4) * 85);
}

static void
mask(u8 *a, u32 len)
{
	for (u32 i = len; i < 128; i++)
		a[i / 8] &= (u8) ~(0x80 >> i % 8);
}

static void
say_route(const char *verb, int is_ip6, const model_route_t *r)
{
	char words[200];
	u8 *s = NULL;

	for (u32 i = 0; i < (is_ip6 ? 16u : 4u); i++)
		s = is_ip6 ? format(s, "%s%02x", i && i % 2 == 0 ? ":" : "", r->address[i])
			   : format(s, "%s%u", i ? "." : "", r->address[i]);
	s = format(s, "/%u via %s%u%s%c", r->len, is_ip6 ? "fd0" : "10.", r->port,
		   is_ip6 ? "::2" : ".0.2", 0);
	snprintf(words, sizeof(words), "%s", (char *)s);
	vec_free(s);
	must_say(verb, words);
}

/* Random routes come and go while random packets ask where they go; every one of them leaves by
 * the port that a walk over all prefixes says, or is answered as unreachable or dropped. */
static void
routes_match_the_model(int is_ip6, u64 *state, u64 n_rounds)
{
	model_route_t *v = NULL, r;
	u32 n_bits = is_ip6 ? 128 : 32;

	for (u64 round = 0; round < n_rounds; round++) {
		u8 to[24][16];
		u32 expected[24], n_expected[N_PORTS] = {}, k;

		r = (model_route_t){ .port = (u8)(1 + unit_random_below(state, N_PORTS - 1)),
				     .len = (u8)(8 + unit_random_below(state, n_bits - 7)) };
		random_address(state, is_ip6, r.address);
		mask(r.address, r.len);
		for (k = 0; k < vec_len(v); k++)
			if (v[k].len == r.len && !memcmp(v[k].address, r.address, 16))
				break;
		if (k < vec_len(v) || (vec_len(v) > 40 && unit_random_below(state, 2))) {
			k = k < vec_len(v) ? k : (u32)unit_random_below(state, vec_len(v));
			say_route("ip route del", is_ip6, &v[k]);
			v[k] = vec_end(v)[-1];
			_vec_len(v)--;
		} else {
			say_route("ip route add", is_ip6, &r);
			vec_add1(v, r);
		}
		for (u32 i = 0; i < ARRAY_LEN(to); i++) {
			struct rte_mbuf *m;

			random_address(state, is_ip6, to[i]);
			expected[i] = model_lookup(v, vec_len(v), to[i]);
			n_expected[expected[i]]++;
			m = is_ip6 ? packet6(to[i], IPPROTO_TCP, 9, 40)
				   : packet4(*(u32 *)to[i], IPPROTO_TCP, 9, 40);
			inject(0, m);
		}
		for (u32 p = 1; p < N_PORTS; p++) {
			for (u32 i = 0; i < n_expected[p]; i++) {
				struct rte_mbuf *m = receive(p);
				const u8 *a;

				CU_ASSERT_PTR_NOT_NULL_FATAL(m);
				a = is_ip6 ? ip6_of(m)->dst_addr : (u8 *)&ip4_of(m)->dst_addr;
				r = (model_route_t){};
				memcpy(r.address, a, is_ip6 ? 16 : 4);
				CU_ASSERT_EQUAL(model_lookup(v, vec_len(v), r.address), p);
				CU_ASSERT(rte_is_same_ether_addr(
					&rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->dst_addr,
					&peer_mac[p]));
				give_back(m);
			}
		}
		flush_all();
	}
	while (vec_len(v)) {
		say_route("ip route del", is_ip6, vec_end(v) - 1);
		_vec_len(v)--;
	}
	vec_free(v);
	CU_ASSERT(wait_for_idle(rte_ring_count(from_port[0])));
	flush_all();
	CU_ASSERT(wait_for_idle(0));
}

static void
lookups_match_a_walk_over_all_prefixes(void)
{
	static const char *const neighbors[] = {
		"one 10.1.0.2 02:00:00:00:00:11 static",   "two 10.2.0.2 02:00:00:00:00:12 static",
		"three 10.3.0.2 02:00:00:00:00:13 static", "one fd01::2 02:00:00:00:00:11 static",
		"two fd02::2 02:00:00:00:00:12 static",    "three fd03::2 02:00:00:00:00:13 static"
	};
	u64 state = unit_seed(), n = unit_n_ops(300);

	must_say("set interface ip address", "two 10.2.0.1/24");
	must_say("set interface ip address", "three 10.3.0.1/24");
	must_say("set interface ip address", "two fd02::1/64");
	must_say("set interface ip address", "three fd03::1/64");
	for (u32 i = 0; i < ARRAY_LEN(neighbors); i++)
		must_say("set ip neighbor", neighbors[i]);
	routes_match_the_model(0, &state, n);
	routes_match_the_model(1, &state, n);
}

/* Whatever arrives, no more goes out than came in and every buffer comes back. */
static void
garbage_does_no_harm(void)
{
	u64 state = unit_seed(), n = unit_n_ops(20000);
	static const u8 ours[16] = { 0xfd, [15] = 1 };

	for (u64 i = 0; i < n; i++) {
		u32 n_flips = 1 + (u32)unit_random_below(&state, 6);
		struct rte_mbuf *m;

		switch (unit_random_below(&state, 4)) {
		case 0:
			m = packet4(ip4("10.0.0.1"), IPPROTO_ICMP, 9, 40);
			break;
		case 1:
			m = packet6(ours, IPPROTO_ICMPV6, 255, 40);
			break;
		case 2:
			m = frame(0, RTE_ETHER_TYPE_ARP, 28);
			break;
		default:
			m = packet4(ip4("30.1.2.3"), IPPROTO_UDP, 2, 40);
			break;
		}
		for (u32 k = 0; k < n_flips; k++)
			rte_pktmbuf_mtod(m,
					 u8 *)[12 + unit_random_below(&state, m->data_len - 12)] =
				(u8)unit_random(&state);
		if (unit_random_below(&state, 2) && m->data_len >= 34)
			seal(ip4_of(m));
		if (!unit_random_below(&state, 4))
			rte_pktmbuf_trim(m, (u16)unit_random_below(&state, m->data_len));
		while (rte_ring_enqueue(to_port[0], m))
			flush_all();
		if (i % 64 == 0)
			flush_all();
	}
	for (u32 i = 0; i < 1000 && n_in_use(); i++) {
		flush_all();
		usleep(1000);
	}
	CU_ASSERT_EQUAL(n_in_use(), 0);
}

/* What is wrong with a command is said, and nothing is changed. */
static void
commands_refuse_what_makes_no_sense(void)
{
	u8 *before = format(0, "%s%c", run_command("show ip fib", "summary"), 0);
	static const struct {
		const char *path, *words, *says;
	} cases[] = {
		{ "ip route add", "10.0.0.0", "expected a prefix" },
		{ "ip route add", "10.0.0.0/33 via 10.0.0.2", "expected a prefix" },
		{ "ip route add", "50.0.0.1/8 via 10.0.0.2", "has bits beyond its length" },
		{ "ip route add", "50.0.0.0/8", "expected via A" },
		{ "ip route add", "50.0.0.0/8 via fd00::2", "not of the family" },
		{ "ip route add", "50.0.0.0/8 via 77.0.0.1", "on no port's link" },
		{ "ip route add", "50.0.0.0/8 via 10.0.0.2 nobody", "expected the name of a port" },
		{ "ip route add", "30.0.0.0/8 via 10.0.0.2", "it has a route already" },
		{ "ip route add", "10.0.0.0/24 drop", "it has a route already" },
		{ "ip route del", "31.0.0.0/8", "there is no such route of yours" },
		{ "ip route del", "10.0.0.0/24", "there is no such route of yours" },
		{ "set ip neighbor", "nobody 10.0.0.2 02:00:00:00:00:10", "name of a port" },
		{ "set ip neighbor", "one 10.1.0.9 01:00:00:00:00:10", "no neighbor has this MAC" },
		{ "set ip neighbor", "one 10.1.0.9 02:00:00", "expected a MAC address" },
		{ "set ip neighbor", "del one 10.1.0.99", "there is none" },
		{ "set interface ip address", "one 10.1.0.77/28", "is on one already" },
		{ "set interface ip address", "two 10.0.0.0/8", "already" },
		{ "set interface ip address", "two 224.0.0.1/8", "no address for a port" },
		{ "set interface ip address", "del one 10.9.0.1/24", "does not have" },
		{ "show ip fib", "nothing", "expected summary" },
		{ "trace add", "nobody 3", "name of a graph node" },
		{ "xconnect add", "one two", "as plugin ip asked" },
	};

	for (u32 i = 0; i < ARRAY_LEN(cases); i++)
		CU_ASSERT(says(cases[i].path, cases[i].words, cases[i].says));
	CU_ASSERT_STRING_EQUAL(run_command("show ip fib", "summary"), (char *)before);
	vec_free(before);
}

/* A trace tells a packet's way, node by node. */
static void
a_trace_tells_the_way(void)
{
	static const char *const way[] = { "ethdev-rx",  "ethernet-input", "ip4-input",
					   "ip4-lookup", "ip4-rewrite",    "ethdev-tx" };
	const char *text;
	struct rte_mbuf *m;

	must_say("trace add", "ethdev-rx 1");
	for (u32 i = 0; i < 3; i++)
		inject(0, packet4(ip4("30.1.2.3"), IPPROTO_UDP, 64, 100));
	for (u32 i = 0; i < 3; i++) {
		m = receive(1);
		CU_ASSERT_PTR_NOT_NULL(m);
		give_back(m);
	}
	text = run_command("show trace", "");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Packet 1"));
	CU_ASSERT_PTR_NULL(strstr(text, "Packet 2"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "UDP: 10.0.0.2 -> 30.1.2.3"));
	for (u32 i = 0; i < ARRAY_LEN(way) && text; i++) {
		text = strstr(text, way[i]);
		CU_ASSERT_PTR_NOT_NULL(text);
	}
	must_say("clear trace", "");
	CU_ASSERT(says("show trace", "", "No packets in trace buffer"));
	must_say("trace add", "ip4-local 2");
	inject(0, packet4(ip4("10.0.0.1"), IPPROTO_UDP, 64, 100));
	give_back(receive(0));
	CU_ASSERT(says("show trace", "", "ip4-icmp-error"));
	must_say("clear trace", "");
}

/* Without its last address a port is what it was before, and its routes are gone. */
static void
a_port_without_addresses_is_no_router(void)
{
	must_say("set interface ip address", "del two 10.2.0.1/24");
	CU_ASSERT_STRING_EQUAL(vmheap_port(port_ids[2])->rx_next, "ethernet-input");
	must_say("set interface ip address", "del two fd02::1/64");
	CU_ASSERT_STRING_EQUAL(vmheap_port(port_ids[2])->rx_next, "xconnect");
	CU_ASSERT_PTR_NULL(strstr(run_command("show ip neighbors", ""), "10.2.0.2"));
	CU_ASSERT_PTR_NULL(strstr(run_command("show ip fib", ""), "10.2."));
	must_say("set interface ip address", "two 10.2.0.1/24");
}

static void
everything_comes_back(void)
{
	char what[256] = "";

	flush_all();
	CU_ASSERT(wait_for_idle(0));
	vmheap_workers_stop();
	vmheap_graphs_destroy();
	must(vmheap_init_call(VMHEAP_EXIT));
	CU_ASSERT_EQUAL(mheap_elts(clib_mem_get_numa_heap(0)), 0);
	CU_ASSERT_EQUAL(mheap_check(clib_mem_get_numa_heap(0), what, sizeof(what)), 0);
}

static const unit_test_t story[] = {
	UNIT(a_stanza_is_checked),
	UNIT(ports_start),
	UNIT(a_packet_is_routed_once_its_neighbor_has_answered),
	UNIT(a_pool_that_is_used_up_still_asks),
	UNIT(arp_is_answered_for_our_addresses),
	UNIT(icmp4_says_what_is_due),
	UNIT(icmp4_is_silent_where_it_must),
	UNIT(icmp_errors_are_limited),
	UNIT(malformed_packets_are_dropped_for_a_reason),
	UNIT(icmp6_says_what_is_due),
	UNIT(lookups_match_a_walk_over_all_prefixes),
	UNIT(commands_refuse_what_makes_no_sense),
	UNIT(a_trace_tells_the_way),
	UNIT(garbage_does_no_harm),
	UNIT(a_port_without_addresses_is_no_router),
	UNIT(everything_comes_back),
};

int
main(void)
{
	clib_mem_setup_t setup = { .main_heap_bytes = MiB(64),
				   .numa_heap_bytes = MiB(64),
				   .numa_arena_bytes = MiB(256),
				   .flags = CLIB_MEM_SETUP_NO_HUGE };
	char what[200];
	int status;

	if (clib_mem_setup(&setup, what, sizeof(what))) {
		fprintf(stderr, "%s\n", what);
		return 1;
	}
	vmheap_log_set_function(log_line);
	/* Each family's table takes 32 MiB. */
	if (eal_up(1, 192, NULL))
		return 1;
	status = unit_run("ip", story, ARRAY_LEN(story));
	eal_down();
	return status;
}
