/* SPDX-License-Identifier: Apache-2.0 */
/* Routes are a vector that the main lcore walks: commands and neighbors that appear are its only
 * readers.  Workers read DPDK's tables and the dpos that those name. */
#include "ip.h"

/* Of 256 entries: for prefixes longer than 24 bits, and in IPv6 for each further byte. */
#define N_GROUPS4 1024
#define N_GROUPS6 8192

static struct {
	ip_route_t *routes; /* vector */
	u16 *free_dpos;     /* vector */
} rt;

static int
prefix_is_equal(const ip_prefix_t *a, const ip_prefix_t *b)
{
	return a->is_ip6 == b->is_ip6 && a->len == b->len &&
	       ip_address_is_equal(&a->address, &b->address);
}

static ip_route_t *
find(const ip_prefix_t *p)
{
	ip_route_t *r;

	vec_foreach (r, rt.routes)
		if (prefix_is_equal(&r->prefix, p))
			return r;
	return NULL;
}

int
ip_routes_init(void)
{
	ip_main_t *im = &ip_main;

	/* 0 is what a table says when it has nothing. */
	if (vec_validate_aligned(im->dpos, im->max_routes, CLIB_CACHE_LINE_BYTES))
		return -ENOMEM;
	for (u32 i = im->max_routes; i; i--)
		if (vec_add1(rt.free_dpos, (u16)i))
			return -ENOMEM;
	return 0;
}

void
ip_routes_exit(void)
{
	rte_fib_free(ip_main.fib4);
	rte_fib6_free(ip_main.fib6);
	ip_main.fib4 = NULL;
	ip_main.fib6 = NULL;
	vec_free(ip_main.dpos);
	vec_free(rt.free_dpos);
	vec_free(rt.routes);
}

clib_error_t *
ip_enable_family(int is_ip6)
{
	struct rte_fib_conf conf4 = { .type = RTE_FIB_DIR24_8,
				      .max_routes = (int)ip_main.max_routes,
				      .dir24_8 = { RTE_FIB_DIR24_8_2B, N_GROUPS4 } };
	struct rte_fib6_conf conf6 = { .type = RTE_FIB6_TRIE,
				       .max_routes = (int)ip_main.max_routes,
				       .trie = { RTE_FIB6_TRIE_2B, N_GROUPS6 } };

	if (is_ip6 && !ip_main.fib6)
		ip_main.fib6 = rte_fib6_create("vmheap-ip6", SOCKET_ID_ANY, &conf6);
	if (!is_ip6 && !ip_main.fib4)
		ip_main.fib4 = rte_fib_create("vmheap-ip4", SOCKET_ID_ANY, &conf4);
	if (is_ip6 ? (void *)ip_main.fib6 : (void *)ip_main.fib4)
		return NULL;
	return clib_error_return(0,
				 "the IPv%u table: DPDK has no %u MiB for it, see dpdk { "
				 "socket-mem }",
				 is_ip6 ? 6 : 4, is_ip6 ? 40 : 34);
}

/* ---- dpos ---- */

static void
fill_dpo(ip_dpo_t *d, const ip_route_t *r)
{
	const ip_port_t *port = &ip_main.ports[r->path.port_id];
	const ip_neighbor_t *n = NULL;
	const ip_interface_address_t *beside;
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)d->rewrite;

	memset(d, 0, sizeof(*d));
	d->kind = r->path.kind;
	d->is_ip6 = r->prefix.is_ip6;
	d->port_id = r->path.port_id;
	d->mtu = port->mtu;
	d->port_ordinal = port->ordinal;
	d->next_hop = r->path.next_hop;
	if (r->path.kind == IP_DPO_RESOLVE) {
		n = ip_neighbor(r->path.port_id, r->prefix.is_ip6, &r->path.next_hop);
		beside = ip_address_beside(r->path.port_id, r->prefix.is_ip6, &r->path.next_hop);
	} else
		beside = ip_address_beside(r->path.port_id, r->prefix.is_ip6, &r->prefix.address);
	if (beside)
		d->source = beside->prefix.address;
	if (r->path.kind == IP_DPO_LOCAL)
		d->source = r->prefix.address;
	if (!n)
		return;
	d->kind = IP_DPO_REWRITE;
	rte_ether_addr_copy(&n->mac, &eth->dst_addr);
	rte_ether_addr_copy(&port->mac, &eth->src_addr);
	eth->ether_type = rte_cpu_to_be_16(d->is_ip6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
}

static void
dpo_counts(u16 dpo, u64 *n_packets, u64 *n_bytes)
{
	ip_worker_t *w;

	vec_foreach (w, ip_main.workers) {
		*n_packets += atomic_load_explicit(&w->counts[dpo].n_packets, memory_order_relaxed);
		*n_bytes += atomic_load_explicit(&w->counts[dpo].n_bytes, memory_order_relaxed);
	}
}

/* No worker reads or counts for it any more. */
static void
release_dpo(ip_route_t *r, u16 dpo)
{
	ip_worker_t *w;

	if (r)
		dpo_counts(dpo, &r->n_packets, &r->n_bytes);
	vec_foreach (w, ip_main.workers)
		w->counts[dpo] = (ip_counts_t){};
	/* Room is there since init. */
	vec_add1(rt.free_dpos, dpo);
}

static int
table_set(const ip_prefix_t *p, u16 dpo)
{
	if (p->is_ip6)
		return rte_fib6_add(ip_main.fib6, p->address.b, p->len, dpo);
	return rte_fib_add(ip_main.fib4, rte_be_to_cpu_32(p->address.ip4), p->len, dpo);
}

static void
table_unset(const ip_prefix_t *p)
{
	if (p->is_ip6)
		rte_fib6_delete(ip_main.fib6, p->address.b, p->len);
	else
		rte_fib_delete(ip_main.fib4, rte_be_to_cpu_32(p->address.ip4), p->len);
}

/* Leads a route to a fresh dpo; the old one is in *old, to be released after a wait. */
static int
lead(ip_route_t *r, u16 *old)
{
	u32 n = vec_len(rt.free_dpos);
	u16 dpo;
	int rc;

	if (!n)
		return -ENOSPC;
	dpo = rt.free_dpos[n - 1];
	fill_dpo(&ip_main.dpos[dpo], r);
	/* Release: the dpo is whole when a table names it; DPDK's store is a plain one. */
	atomic_thread_fence(memory_order_release);
	rc = table_set(&r->prefix, dpo);
	if (rc)
		return rc == -ENOSPC || rc == -ENOMEM ? -ENOMEM : rc;
	_vec_len(rt.free_dpos)--;
	*old = r->dpo;
	r->dpo = dpo;
	return 0;
}

/* ---- routes ---- */

static int
path_is_equal(const ip_path_t *a, const ip_path_t *b)
{
	return a->kind == b->kind && a->port_id == b->port_id &&
	       ip_address_is_equal(&a->next_hop, &b->next_hop);
}

int
ip_route_add(const ip_prefix_t *p, const ip_path_t *path, ip_route_source_t source)
{
	ip_route_t *r = find(p), fresh = { .prefix = *p }, before;
	u16 old = 0;
	int rc;

	if (r && (r->source < source || (r->source == source && !path_is_equal(&r->path, path))))
		return -EEXIST;
	if (r && r->source == source)
		return 0;
	if (!r) {
		if (vec_len(rt.routes) >= ip_main.max_routes)
			return -ENOSPC;
		if (vec_add1(rt.routes, fresh))
			return -ENOMEM;
		r = vec_end(rt.routes) - 1;
	}
	before = *r;
	r->path = *path;
	r->source = (u8)source;
	rc = lead(r, &old);
	if (rc) {
		*r = before;
		if (!before.dpo)
			_vec_len(rt.routes)--;
		return rc;
	}
	vmheap_workers_synchronize();
	if (old)
		release_dpo(r, old);
	return 0;
}

int
ip_route_del(const ip_prefix_t *p, ip_route_source_t source)
{
	ip_route_t *r = find(p);
	ip_prefix_t prefix = *p;
	const ip_neighbor_t *n;
	u16 dpo;

	if (!r || r->source != source)
		return -ENOENT;
	dpo = r->dpo;
	table_unset(&prefix);
	*r = vec_end(rt.routes)[-1];
	_vec_len(rt.routes)--;
	vmheap_workers_synchronize();
	release_dpo(NULL, dpo);
	if (source == IP_FROM_NEIGHBOR || prefix.len != (prefix.is_ip6 ? 128 : 32))
		return 0;
	/* A neighbor that the route stood in front of gets its own. */
	vec_foreach (n, ip_neighbors()) {
		ip_path_t path = { .kind = IP_DPO_RESOLVE,
				   .port_id = n->port_id,
				   .next_hop = n->address };

		if (n->is_ip6 != prefix.is_ip6 || n->has_no_route ||
		    !ip_address_is_equal(&n->address, &prefix.address))
			continue;
		(void)ip_route_add(&prefix, &path, IP_FROM_NEIGHBOR);
		break;
	}
	return 0;
}

void
ip_routes_by(u16 port_id, int is_ip6, const ip_address_t *next_hop)
{
	u32 n = vec_len(rt.routes);

	/* One wait for all of them: old dpos are remembered beside. */
	u16 *old = NULL;

	vec_validate(old, n ? n - 1 : 0);
	if (!old)
		return;
	for (u32 i = 0; i < n; i++) {
		ip_route_t *r = &rt.routes[i];

		if (r->path.kind == IP_DPO_RESOLVE && r->path.port_id == port_id &&
		    r->prefix.is_ip6 == is_ip6 && ip_address_is_equal(&r->path.next_hop, next_hop))
			(void)lead(r, &old[i]);
	}
	vmheap_workers_synchronize();
	for (u32 i = 0; i < n; i++)
		if (old[i])
			release_dpo(&rt.routes[i], old[i]);
	vec_free(old);
}

const ip_route_t *
ip_route_lookup(int is_ip6, const ip_address_t *a)
{
	const ip_route_t *r, *best = NULL;

	vec_foreach (r, rt.routes)
		if (r->prefix.is_ip6 == is_ip6 && ip_prefix_contains(&r->prefix, a) &&
		    (!best || r->prefix.len > best->prefix.len))
			best = r;
	return best;
}

static int
compare_routes(const void *a, const void *b)
{
	const ip_route_t *x = a, *y = b;
	int order = memcmp(x->prefix.address.b, y->prefix.address.b, sizeof(ip_address_t));

	return order ? order : (int)x->prefix.len - (int)y->prefix.len;
}

ip_route_t *
ip_routes_sorted(int is_ip6)
{
	ip_route_t *v = NULL, *r;

	vec_foreach (r, rt.routes)
		if (r->prefix.is_ip6 == is_ip6 && vec_add1(v, *r))
			break;
	if (v)
		qsort(v, vec_len(v), sizeof(*v), compare_routes);
	return v;
}

void
ip_route_counts(const ip_route_t *r, u64 *n_packets, u64 *n_bytes)
{
	*n_packets = r->n_packets;
	*n_bytes = r->n_bytes;
	dpo_counts(r->dpo, n_packets, n_bytes);
}
