/* SPDX-License-Identifier: Apache-2.0 */
#include <plugins/framework/drop.h>

#include <plugins/framework/framework_impl.h>

/* 4: a burst's headers are mostly in the cache already, this covers the tail of long vectors. */
#define PREFETCH_AHEAD 4

int vmheap_drop_field_offset = -1;
u64 vmheap_drop_flag;

static const char *const drop_reasons[] = { "dropped" };
static vmheap_error_strings_t drop_errors = { .node = VMHEAP_DROP_NODE,
					      .reasons = drop_reasons,
					      .n_reasons = ARRAY_LEN(drop_reasons) };

/* The counter of a packet's reason; the plain one when it has none. */
static u32
reason_counter(struct rte_mbuf *m, u64 flag, u32 plain)
{
	u32 counter;

	if (!(m->ol_flags & flag))
		return plain;
	counter = *RTE_MBUF_DYNFIELD(m, vmheap_drop_field_offset, u32 *);
	/* Who holds another reference must not find the mark. */
	m->ol_flags &= ~flag;
	return counter < FRAMEWORK_MAX_ERROR_COUNTERS ? counter : plain;
}

/* Packets for the same reason come in runs: one count a run. */
static u16
drop_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	struct rte_mbuf **mbufs = (struct rte_mbuf **)objs;
	u32 plain = drop_errors.first_index, counter = plain, n_run = 0;
	u64 flag = vmheap_drop_flag;

	for (u32 i = 0; i < n; i++) {
		u32 c;

		/* Both lines of the header: the reason, and freeing, are in the second. */
		if (i + PREFETCH_AHEAD < n) {
			rte_mbuf_prefetch_part1(mbufs[i + PREFETCH_AHEAD]);
			rte_mbuf_prefetch_part2(mbufs[i + PREFETCH_AHEAD]);
		}
		c = reason_counter(mbufs[i], flag, plain);
		if (c != counter) {
			framework_error_count_index(counter, n_run);
			counter = c;
			n_run = 0;
		}
		n_run++;
	}
	framework_error_count_index(counter, n_run);
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static struct rte_node_register drop_node = {
	.name = VMHEAP_DROP_NODE,
	.process = drop_process,
};
RTE_NODE_REGISTER(drop_node)

static clib_error_t *
vmheap_drop_init(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "vmheap_dynfield_drop_reason",
		.size = sizeof(u32),
		.align = sizeof(u32),
	};
	static const struct rte_mbuf_dynflag flag = { .name = "vmheap_dynflag_drop_reason" };
	int bit, error = vmheap_errors_register(&drop_errors);

	if (error)
		return clib_error_return_code(0, error, 0, "counters of node drop: %s",
					      strerror(-error));
	vmheap_drop_field_offset = rte_mbuf_dynfield_register(&field);
	bit = vmheap_drop_field_offset < 0 ? -1 : rte_mbuf_dynflag_register(&flag);
	if (bit < 0)
		vmheap_log("no room in the mbuf for drop reasons: all count as 'dropped'");
	else
		vmheap_drop_flag = 1ull << bit;
	return NULL;
}

VMHEAP_INIT_FUNCTION(vmheap_drop_init);
