/* SPDX-License-Identifier: Apache-2.0 */
#include <plugins/framework/drop.h>

#include <plugins/framework/framework_impl.h>

int vmheap_drop_field_offset = -1;
u64 vmheap_drop_flag;

static const char *const drop_reasons[] = { "dropped" };
static vmheap_error_strings_t drop_errors = { .node = VMHEAP_DROP_NODE,
					      .reasons = drop_reasons,
					      .n_reasons = ARRAY_LEN(drop_reasons) };

static u16
drop_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	struct rte_mbuf **mbufs = (struct rte_mbuf **)objs;
	u64 flag = vmheap_drop_flag;
	u32 n_plain = 0;

	for (u32 i = 0; i < n; i++) {
		u32 counter;

		if (!(mbufs[i]->ol_flags & flag)) {
			n_plain++;
			continue;
		}
		counter = *RTE_MBUF_DYNFIELD(mbufs[i], vmheap_drop_field_offset, u32 *);
		if (PREDICT_TRUE(counter < FRAMEWORK_MAX_ERROR_COUNTERS))
			framework_error_count_index(counter, 1);
		else
			n_plain++;
		/* Who holds another reference must not find the mark. */
		mbufs[i]->ol_flags &= ~flag;
	}
	if (n_plain)
		vmheap_error_count(&drop_errors, 0, n_plain);
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
