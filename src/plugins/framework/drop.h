/* SPDX-License-Identifier: Apache-2.0 */
/* drop: the graph node "drop", next node of everybody for packets that end here.
 *
 * It frees what it gets, whole chains, and counts each packet for the reason that the sending
 * node wrote on it, or as "drop: dropped" when there is none.  The reason travels in a dynamic
 * mbuf field that is valid while a dynamic flag is set: flags are cleared when a buffer is
 * allocated or received, fields are not. */
#ifndef included_framework_drop_h
#define included_framework_drop_h

#include <plugins/plugin.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#define VMHEAP_DROP_NODE "drop"

/* Set by the init function vmheap_drop_init, constant after; < 0 and 0: no reasons travel. */
CLIB_EXPORT_EXTERN int vmheap_drop_field_offset;
CLIB_EXPORT_EXTERN u64 vmheap_drop_flag;

/** Say why a packet goes to drop: reason i of a registered set.  Cost: two stores. */
always_inline void
vmheap_drop_set_reason(struct rte_mbuf *m, const vmheap_error_strings_t *e, u32 i)
{
	if (PREDICT_FALSE(!vmheap_drop_flag))
		return;
	*RTE_MBUF_DYNFIELD(m, vmheap_drop_field_offset, u32 *) = e->first_index + i;
	m->ol_flags |= vmheap_drop_flag;
}

#endif
