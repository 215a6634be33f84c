/* SPDX-License-Identifier: Apache-2.0 */
/* Workers hear from neighbors and tell the main lcore through a ring; a timer there believes it. */
#include "ip.h"

#include <time.h>
#include <rte_cycles.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#define N_LEARNED 1024
#define LEARN_PERIOD_MS 10 /* how long a first packet's answer may wait to be believed */
#define N_LEARNED_A_TURN 256
#define ASKS_PER_SECOND 4      /* for one neighbor, by one worker */
#define ERRORS_PER_SECOND 1000 /* by one worker, as Linux's icmp_msgs_per_sec */
#define ERROR_BURST 50         /* as Linux's icmp_msgs_burst */

static ip_neighbor_t *neighbors; /* vector */

f64
ip_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec + 1e-9 * (f64)t.tv_nsec;
}

static ip_neighbor_t *
find(u16 port_id, int is_ip6, const ip_address_t *a)
{
	ip_neighbor_t *n;

	vec_foreach (n, neighbors)
		if (n->port_id == port_id && n->is_ip6 == is_ip6 &&
		    ip_address_is_equal(&n->address, a))
			return n;
	return NULL;
}

const ip_neighbor_t *
ip_neighbor(u16 port_id, int is_ip6, const ip_address_t *a)
{
	return find(port_id, is_ip6, a);
}

const ip_neighbor_t *
ip_neighbors(void)
{
	return neighbors;
}

static ip_prefix_t
host_prefix(const ip_neighbor_t *n)
{
	return (ip_prefix_t){ .address = n->address,
			      .is_ip6 = n->is_ip6,
			      .len = n->is_ip6 ? 128 : 32 };
}

static int
is_link_local(int is_ip6, const ip_address_t *a)
{
	return is_ip6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

int
ip_neighbor_set(const ip_neighbor_t *wanted)
{
	ip_neighbor_t *n = find(wanted->port_id, wanted->is_ip6, &wanted->address);
	ip_prefix_t prefix = host_prefix(wanted);
	ip_path_t path = { .kind = IP_DPO_RESOLVE,
			   .port_id = wanted->port_id,
			   .next_hop = wanted->address };
	int is_new = !n, is_changed = 1;

	if (is_new) {
		if (vec_len(neighbors) >= IP_MAX_NEIGHBORS)
			return -ENOSPC;
		if (vec_add1(neighbors, *wanted))
			return -ENOMEM;
		n = vec_end(neighbors) - 1;
	} else if (n->is_static && !wanted->is_static) {
		return -EBUSY;
	} else {
		is_changed = !rte_is_same_ether_addr(&n->mac, &wanted->mac);
		*n = *wanted;
	}
	n->heard = ip_seconds();
	/* Link-local addresses mean something on their own link only. */
	if (is_new && !n->has_no_route && !is_link_local(n->is_ip6, &n->address)) {
		int rc = ip_route_add(&prefix, &path, IP_FROM_NEIGHBOR);

		if (rc && rc != -EEXIST) {
			_vec_len(neighbors)--;
			return rc;
		}
	}
	if (is_changed)
		ip_routes_by(wanted->port_id, wanted->is_ip6, &wanted->address);
	return 0;
}

int
ip_neighbor_del(u16 port_id, int is_ip6, const ip_address_t *a)
{
	ip_neighbor_t *n = find(port_id, is_ip6, a), gone;
	ip_prefix_t prefix;

	if (!n)
		return -ENOENT;
	gone = *n;
	*n = vec_end(neighbors)[-1];
	_vec_len(neighbors)--;
	prefix = host_prefix(&gone);
	(void)ip_route_del(&prefix, IP_FROM_NEIGHBOR);
	ip_routes_by(gone.port_id, gone.is_ip6, &gone.address);
	return 0;
}

/* Only who is on a link of ours, or is known and has moved. */
static void
believe(const ip_learned_t *l)
{
	const ip_neighbor_t *n = find(l->port_id, l->is_ip6, &l->address);
	ip_neighbor_t wanted = {
		.address = l->address, .mac = l->mac, .port_id = l->port_id, .is_ip6 = l->is_ip6
	};

	if (!vmheap_port(l->port_id) || (!n && l->is_update_only))
		return;
	if (!n && !is_link_local(l->is_ip6, &l->address) &&
	    !ip_address_beside(l->port_id, l->is_ip6, &l->address))
		return;
	if (n)
		wanted.has_no_route = n->has_no_route;
	(void)ip_neighbor_set(&wanted);
}

static void
hear(void *arg)
{
	ip_learned_t l;

	for (u32 i = 0; i < N_LEARNED_A_TURN; i++) {
		if (rte_ring_dequeue_elem(ip_main.learned, &l, sizeof(l)))
			return;
		believe(&l);
	}
}

int
ip_neighbors_init(void)
{
	ip_main.learned = rte_ring_create_elem("vmheap-ip-learned", sizeof(ip_learned_t), N_LEARNED,
					       SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (!ip_main.learned)
		return -ENOMEM;
	return vmheap_timer_add(LEARN_PERIOD_MS, hear, NULL);
}

void
ip_neighbors_exit(void)
{
	rte_ring_free(ip_main.learned);
	ip_main.learned = NULL;
	vec_free(neighbors);
}

/* ---- on workers ---- */

void
ip_learn(u16 port_id, int is_ip6, const ip_address_t *a, const struct rte_ether_addr *mac,
	 int is_update_only)
{
	const ip_dpo_t *d = is_ip6 ? ip6_dpo_of(a) : ip4_dpo_of(a->ip4);
	ip_learned_t l = { .address = *a,
			   .mac = *mac,
			   .port_id = port_id,
			   .is_ip6 = (u8)is_ip6,
			   .is_update_only = (u8)is_update_only };

	if (d->kind == IP_DPO_REWRITE && d->port_id == port_id &&
	    ip_address_is_equal(&d->next_hop, a) && !memcmp(d->rewrite, mac, sizeof(*mac)))
		return;
	/* When the ring is full we hear it again. */
	(void)rte_ring_enqueue_elem(ip_main.learned, &l, sizeof(l));
}

int
ip_may_ask(ip_worker_t *w, u16 port_id, const ip_address_t *a)
{
	u64 now = rte_rdtsc(), h = (a->u64[0] ^ a->u64[1] ^ port_id) * 0x9e3779b97f4a7c15ULL;
	u32 i = (u32)(h >> 56) % IP_N_THROTTLE;

	if (w->asked_port[i] == port_id && ip_address_is_equal(&w->asked[i], a) &&
	    now - w->asked_tsc[i] < ip_main.hz / ASKS_PER_SECOND)
		return 0;
	w->asked[i] = *a;
	w->asked_port[i] = port_id;
	w->asked_tsc[i] = now;
	return 1;
}

/* A bucket that leaks: error_tsc is when all errors so far would have been on time. */
int
ip_may_report(ip_worker_t *w)
{
	u64 now = rte_rdtsc(), step = ip_main.hz / ERRORS_PER_SECOND;

	if (w->error_tsc < now)
		w->error_tsc = now;
	if (w->error_tsc - now > ERROR_BURST * step)
		return 0;
	w->error_tsc += step;
	return 1;
}
