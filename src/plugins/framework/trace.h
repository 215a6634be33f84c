/* SPDX-License-Identifier: Apache-2.0 */
/* trace: the way of single packets through the graph.
 *
 *   trace add NODE N     the next N packets that a source brings, or that arrive at another node
 *   show trace           for each what every node on its way was given, and when
 *
 * No node does anything for it.  While a trace is wanted a worker walks its graph by a walk of our
 * own, which looks at each stream before its node is called: a packet that is marked gets one
 * record a node, with the first bytes of what the node was given.  Otherwise DPDK's walk runs, and
 * all this costs a load a walk.
 *
 * The mark is a dynamic mbuf flag beside a dynamic field that says which packet it is; both travel
 * to other workers.  A plugin says how its nodes' records are to be read. */
#ifndef included_framework_trace_h
#define included_framework_trace_h

#include <plugins/plugin.h>
#include <rte_graph.h>
#include <rte_mbuf.h>

/** Enough for Ethernet, IPv6, ICMPv6 and the start of what an ICMP error quotes. */
#define VMHEAP_TRACE_DATA_BYTES 112

/** What a node was given.  Constant once it can be seen. */
typedef struct {
	u64 tsc;
	rte_node_t node;
	u32 packet_bytes;
	u32 note; /* what the node's plugin has noted, 0 */
	u16 data_offset;
	u16 port; /* that received it */
	u16 n_segments;
	u16 n_data; /* valid bytes of data[], from where the packet began then */
	u8 data[VMHEAP_TRACE_DATA_BYTES];
} vmheap_trace_record_t;

/** How records of some nodes are read.  Lives as long as the process. */
typedef struct vmheap_trace_format {
	struct vmheap_trace_format *next;
	const char *nodes; /* shell pattern, "ip4-*"; the one registered first counts */
	/* const vmheap_trace_record_t *; lines, indented by 2, no newline at the end. */
	format_function_t *format;
	/* What the node found out, when it has been called; NULL: it may have freed the packet. */
	u32 (*note)(const struct rte_mbuf *m);
} vmheap_trace_format_t;

/** Threads: the main lcore, at init. */
CLIB_EXPORT void vmheap_trace_format_register(vmheap_trace_format_t *f);

#endif
