/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that are traced have a slot each, handed out by a counter that all workers share.  A
 * slot is written by the worker that has the packet at the time, so by one.  Slots go, all at
 * once, when the trace is cleared and every worker has been through its graph since. */
#include <plugins/framework/framework_impl.h>

#include <fnmatch.h>
#include <rte_cycles.h>
#include <rte_mbuf_dyn.h>
#include <plugins/framework/port.h>
#include <plugins/framework/trace.h>
#include <vppinfra/vec.h>

/* 24: a router's way is 8 nodes, an ICMP error's 13; what comes after is counted, not kept. */
#define MAX_RECORDS 24
/* 3.6 MiB a thousand. */
#define MAX_PACKETS 8192
#define MAX_NODES 4096
#define MAX_EDGES 256
/* Of one stream: the rest is taken down without a note. */
#define N_NOTED 128
/* VPP's default of `show trace`. */
#define N_SHOWN 50

typedef struct {
	u32 worker;            /* that saw it first */
	_Atomic u32 n_records; /* released by the writer, may be more than are kept */
	vmheap_trace_record_t records[MAX_RECORDS];
} packet_t;

_Atomic u32 framework_trace_is_on;

static struct {
	int field_offset;
	u64 flag; /* 0: no place in the mbuf, nothing can be traced */
	u64 start_tsc;
	vmheap_trace_format_t *formats, **formats_tail;

	/* Main lcore; slots below n_slots are seen by workers. */
	packet_t **blocks; /* vector: what each `trace add` allocated */
	packet_t *slots[MAX_PACKETS];
	_Atomic u32 n_slots;
	/* Which trace a mark belongs to: a packet that was in flight when it was cleared. */
	_Atomic u32 generation;

	/* Workers. */
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u32 next_slot;
	_Atomic i32 wanted[MAX_NODES]; /* by node: packets still to be marked */
} trace_main = { .field_offset = -1, .formats_tail = &trace_main.formats };

void
vmheap_trace_format_register(vmheap_trace_format_t *f)
{
	f->next = NULL;
	*trace_main.formats_tail = f;
	trace_main.formats_tail = &f->next;
}

static const vmheap_trace_format_t *
format_of_node(const char *name)
{
	const vmheap_trace_format_t *f = trace_main.formats;

	while (f && fnmatch(f->nodes, name, 0))
		f = f->next;
	return f;
}

/* ---- on the worker ---- */

/* 20 bits of slot, 12 of generation. */
static u32 *
mark_of(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, trace_main.field_offset, u32 *);
}

static packet_t *
packet_of(struct rte_mbuf *m)
{
	u32 mark, generation;

	if (!(m->ol_flags & trace_main.flag))
		return NULL;
	mark = *mark_of(m);
	generation = atomic_load_explicit(&trace_main.generation, memory_order_relaxed);
	if (mark >> 20 != (generation & 0xfff)) {
		m->ol_flags &= ~trace_main.flag;
		return NULL;
	}
	return trace_main.slots[mark & 0xfffff];
}

/* Marks a packet that is not traced yet, if node still wants one and there is a slot. */
static void
begin(struct rte_mbuf *m, rte_node_t node, u32 worker)
{
	u32 generation = atomic_load_explicit(&trace_main.generation, memory_order_relaxed);
	u32 slot;

	if (packet_of(m))
		return;
	if (atomic_fetch_sub_explicit(&trace_main.wanted[node], 1, memory_order_relaxed) <= 0) {
		atomic_store_explicit(&trace_main.wanted[node], 0, memory_order_relaxed);
		return;
	}
	slot = atomic_fetch_add_explicit(&trace_main.next_slot, 1, memory_order_relaxed);
	/* Acquire: the slots below, with the release of `trace add`. */
	if (slot >= atomic_load_explicit(&trace_main.n_slots, memory_order_acquire))
		return;
	trace_main.slots[slot]->worker = worker;
	*mark_of(m) = (generation & 0xfff) << 20 | slot;
	m->ol_flags |= trace_main.flag;
}

/* Takes down what a node is given; NULL when the packet is not traced or its slot is full.  Others
 * see it from publish() on. */
static vmheap_trace_record_t *
take_down(struct rte_mbuf *m, rte_node_t node)
{
	packet_t *p = packet_of(m);
	vmheap_trace_record_t *r;
	u32 n;

	if (!p)
		return NULL;
	n = atomic_load_explicit(&p->n_records, memory_order_relaxed);
	if (n >= MAX_RECORDS) {
		atomic_store_explicit(&p->n_records, n + 1, memory_order_relaxed);
		return NULL;
	}
	r = &p->records[n];
	*r = (vmheap_trace_record_t){ .tsc = rte_rdtsc(),
				      .node = node,
				      .packet_bytes = m->pkt_len,
				      .data_offset = m->data_off,
				      .port = m->port,
				      .n_segments = m->nb_segs,
				      .n_data =
					      clib_min(m->data_len, (u16)VMHEAP_TRACE_DATA_BYTES) };
	memcpy(r->data, rte_pktmbuf_mtod(m, void *), r->n_data);
	return r;
}

static void
publish(struct rte_mbuf *m)
{
	packet_t *p = trace_main.slots[*mark_of(m) & 0xfffff];

	/* Release: the record, for the acquire in show. */
	atomic_store_explicit(&p->n_records,
			      atomic_load_explicit(&p->n_records, memory_order_relaxed) + 1,
			      memory_order_release);
}

static int
is_wanted(rte_node_t node)
{
	return node < MAX_NODES &&
	       atomic_load_explicit(&trace_main.wanted[node], memory_order_relaxed) > 0;
}

static u16
call(struct rte_graph *graph, struct rte_node *node)
{
	u64 start = rte_rdtsc();
	u16 n = node->process(graph, node, node->objs, node->idx);

	node->total_cycles += rte_rdtsc() - start;
	node->total_calls++;
	node->total_objs += n;
	return n;
}

/* What a source brought is found at the ends of its next nodes' streams. */
static void
call_source(struct rte_graph *graph, struct rte_node *node, u32 worker)
{
	u16 before[MAX_EDGES];
	u32 n_edges = clib_min((u32)node->nb_edges, (u32)MAX_EDGES);

	for (u32 e = 0; e < n_edges; e++)
		before[e] = node->nodes[e]->idx;
	call(graph, node);
	for (u32 e = 0; e < n_edges; e++) {
		struct rte_node *next = node->nodes[e];

		for (u32 i = before[e]; i < next->idx; i++) {
			struct rte_mbuf *m = next->objs[i];

			if (is_wanted(node->id))
				begin(m, node->id, worker);
			if (take_down(m, node->id))
				publish(m);
		}
	}
}

static void
call_noting(struct rte_graph *graph, struct rte_node *node, const vmheap_trace_format_t *f)
{
	struct rte_mbuf *mbufs[N_NOTED];
	vmheap_trace_record_t *records[N_NOTED];
	u32 n = 0;

	for (u32 i = 0; i < node->idx; i++) {
		struct rte_mbuf *m = node->objs[i];
		vmheap_trace_record_t *r = take_down(m, node->id);

		if (!r)
			continue;
		if (n == N_NOTED) {
			publish(m);
			continue;
		}
		mbufs[n] = m;
		records[n++] = r;
	}
	call(graph, node);
	for (u32 i = 0; i < n; i++) {
		records[i]->note = f->note(mbufs[i]);
		publish(mbufs[i]);
	}
}

static void
call_inner(struct rte_graph *graph, struct rte_node *node, u32 worker)
{
	const vmheap_trace_format_t *f = format_of_node(node->name);

	if (is_wanted(node->id))
		for (u32 i = 0; i < node->idx; i++)
			begin(node->objs[i], node->id, worker);
	if (f && f->note) {
		call_noting(graph, node, f);
		return;
	}
	for (u32 i = 0; i < node->idx; i++)
		if (take_down(node->objs[i], node->id))
			publish(node->objs[i]);
	call(graph, node);
}

/* rte_graph_walk(), with a look at the streams: sources have negative places in the circle. */
void
framework_traced_walk(struct rte_graph *graph, u32 worker)
{
	const rte_graph_off_t *circle = graph->cir_start;
	u32 mask = graph->cir_mask, head = graph->head;

	while (head != graph->tail) {
		int is_source = (i32)head < 0;
		struct rte_node *node = RTE_PTR_ADD(graph, circle[(i32)head++]);

		if (is_source)
			call_source(graph, node, worker);
		else
			call_inner(graph, node, worker);
		node->idx = 0;
		head = (i32)head > 0 ? head & mask : head;
	}
	graph->tail = 0;
}

/* ---- on the main lcore ---- */

static clib_error_t *
vmheap_trace_init(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "vmheap_dynfield_trace",
		.size = sizeof(u32),
		.align = sizeof(u32),
	};
	static const struct rte_mbuf_dynflag flag = { .name = "vmheap_dynflag_trace" };
	int bit;

	trace_main.start_tsc = rte_rdtsc();
	trace_main.field_offset = rte_mbuf_dynfield_register(&field);
	bit = trace_main.field_offset < 0 ? -1 : rte_mbuf_dynflag_register(&flag);
	if (bit < 0)
		vmheap_log("no room in the mbuf for marks: packets cannot be traced");
	else
		trace_main.flag = 1ull << bit;
	return NULL;
}
VMHEAP_INIT_FUNCTION(vmheap_trace_init);

static void
clear(void)
{
	atomic_store_explicit(&framework_trace_is_on, 0, memory_order_relaxed);
	for (u32 i = 0; i < MAX_NODES; i++)
		atomic_store_explicit(&trace_main.wanted[i], 0, memory_order_relaxed);
	vmheap_workers_synchronize();
	atomic_fetch_add_explicit(&trace_main.generation, 1, memory_order_relaxed);
	atomic_store_explicit(&trace_main.n_slots, 0, memory_order_relaxed);
	atomic_store_explicit(&trace_main.next_slot, 0, memory_order_relaxed);
	for (u32 i = 0; i < vec_len(trace_main.blocks); i++)
		vec_free(trace_main.blocks[i]);
	vec_free(trace_main.blocks);
}

static clib_error_t *
vmheap_trace_exit(void)
{
	clear();
	return NULL;
}
VMHEAP_EXIT_FUNCTION(vmheap_trace_exit);

static clib_error_t *
add_slots(u32 n)
{
	u32 n_slots = atomic_load_explicit(&trace_main.n_slots, memory_order_relaxed);
	/* Tries that found no slot are forgotten. */
	u32 next = atomic_load_explicit(&trace_main.next_slot, memory_order_relaxed);
	packet_t *block = NULL;

	if (n > MAX_PACKETS - n_slots)
		return clib_error_return(0,
					 "%u packets: %u can be traced at a time, %u are; clear "
					 "trace gives them back",
					 n, MAX_PACKETS, n_slots);
	vec_validate(block, n - 1);
	if (!block || vec_add1(trace_main.blocks, block)) {
		vec_free(block);
		return clib_error_return(0, "a trace of %u packets: no memory", n);
	}
	if (next > n_slots)
		atomic_compare_exchange_strong(&trace_main.next_slot, &next, n_slots);
	for (u32 i = 0; i < n; i++)
		trace_main.slots[n_slots + i] = &block[i];
	/* Release: slots, for the acquire in begin(). */
	atomic_store_explicit(&trace_main.n_slots, n_slots + n, memory_order_release);
	return NULL;
}

/* The node of that name, or else those that are its clones: ethdev-rx is all of ethdev-rx-P-Q. */
static u32
want(const char *name, u32 n_packets)
{
	uword n_name = strlen(name);
	u32 n = 0;

	for (rte_node_t id = 0; id < clib_min(rte_node_max_count(), (rte_node_t)MAX_NODES); id++) {
		const char *s = rte_node_id_to_name(id);
		const char *rest = s ? s + n_name : NULL;

		if (!s || strncmp(s, name, n_name) || (*rest && rest[strspn(rest, "0123456789-")]))
			continue;
		/* Each has its own count: the slots limit what they take together. */
		atomic_fetch_add_explicit(&trace_main.wanted[id], (i32)n_packets,
					  memory_order_relaxed);
		n++;
	}
	return n;
}

static clib_error_t *
trace_add_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error = NULL;
	u8 *name = NULL;
	uword at;
	u32 n;

	unformat_skip_white_space(input);
	at = input->index;
	if (!unformat(input, "%U", unformat_token, "a-zA-Z0-9_.:/-", &name))
		return vmheap_config_unknown(input, "the name of a graph node");
	vec_add1(name, 0);
	if (!unformat(input, "%u", &n))
		error = vmheap_config_unknown(input, "how many packets");
	else if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		error = vmheap_config_unknown(input, "no more words");
	else if (!trace_main.flag)
		error = clib_error_return(0, "the mbuf has no room for marks");
	else if (!n)
		error = clib_error_return(0, "0 packets: at least 1");
	else if (rte_node_from_name((char *)name) == RTE_NODE_ID_INVALID) {
		input->index = at;
		error = vmheap_config_unknown(input, "the name of a graph node");
	} else if (!(error = add_slots(n))) {
		want((char *)name, n);
		atomic_store_explicit(&framework_trace_is_on, 1, memory_order_relaxed);
		/* A walk that has begun without it may still bring packets. */
		vmheap_workers_synchronize();
	}
	vec_free(name);
	return error;
}
VMHEAP_CLI_COMMAND(trace_add) = {
	.path = "trace add",
	.short_help = "trace add NODE N",
	.long_help =
		"Trace the next N packets that a source node (ethdev-rx, for all ports) brings,\n"
		"or that arrive at any other node: show trace tells what became of them.",
	.function = trace_add_fn,
};

/* ---- show ---- */

u8 *
format_trace_default(u8 *s, va_list *va)
{
	const vmheap_trace_record_t *r = va_arg(*va, const vmheap_trace_record_t *);
	const vmheap_port_t *port = vmheap_port(r->port);

	return format(s, "  %u bytes in %u segments, from %s, data at %u", r->packet_bytes,
		      r->n_segments, port ? port->name : "no port", r->data_offset);
}

static u8 *
format_record(u8 *s, va_list *va)
{
	const vmheap_trace_record_t *r = va_arg(*va, const vmheap_trace_record_t *);
	const vmheap_trace_format_t *f = format_of_node(rte_node_id_to_name(r->node));

	return format(s, "%U", f ? f->format : format_trace_default, r);
}

static f64
seconds_of(const vmheap_trace_record_t *r)
{
	return (f64)(r->tsc - trace_main.start_tsc) / (f64)rte_get_tsc_hz();
}

static void
show_packet(cli_output_t *out, packet_t *p, u32 number)
{
	/* Acquire: the records, with the release of their writer. */
	u32 n = atomic_load_explicit(&p->n_records, memory_order_acquire);

	cli_text(out, "Packet %u\n", number);
	cli_list_item_begin(out, "packets");
	cli_field_u64(out, "packet", number);
	cli_field_u64(out, "thread", p->worker + 1);
	for (u32 i = 0; i < clib_min(n, (u32)MAX_RECORDS); i++) {
		const vmheap_trace_record_t *r = &p->records[i];
		u8 *detail = format(NULL, "%U", format_record, r);

		cli_text(out, "%U: %s", format_time_interval, "h:m:s:u", seconds_of(r),
			 rte_node_id_to_name(r->node));
		cli_text(out, "%v", detail);
		cli_list_item_begin(out, "nodes");
		cli_field_f64(out, "seconds", seconds_of(r));
		cli_field_string(out, "node", "%s", rte_node_id_to_name(r->node));
		cli_field_u64(out, "bytes", r->packet_bytes);
		cli_field_string(out, "detail", "%v", detail);
		cli_end(out);
		vec_free(detail);
	}
	if (n > MAX_RECORDS)
		cli_text(out, "  and %u more nodes", n - MAX_RECORDS);
	cli_text(out, "");
	cli_end(out);
}

static void
show_worker(cli_output_t *out, u32 worker, u32 n_max)
{
	u32 n_slots = clib_min(atomic_load_explicit(&trace_main.next_slot, memory_order_relaxed),
			       atomic_load_explicit(&trace_main.n_slots, memory_order_relaxed));
	u32 n = 0, n_more = 0;

	cli_text(out, "------------------- Start of thread %u %s -------------------", worker + 1,
		 framework_worker(worker)->name);
	for (u32 i = 0; i < n_slots; i++) {
		packet_t *p = trace_main.slots[i];

		if (!atomic_load_explicit(&p->n_records, memory_order_acquire) ||
		    p->worker != worker)
			continue;
		if (n < n_max)
			show_packet(out, p, ++n);
		else
			n_more++;
	}
	if (!n)
		cli_text(out, "No packets in trace buffer");
	if (n_more)
		cli_text(out, "Limiting display to %u packets. To display more specify max.", n);
}

static clib_error_t *
show_trace_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u32 n_max = N_SHOWN, n_workers = vmheap_n_workers();

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		if (!unformat(input, "max %u", &n_max))
			return vmheap_config_unknown(input, "max N");
	for (u32 w = 0; w < n_workers; w++)
		show_worker(out, w, n_max);
	return NULL;
}
VMHEAP_CLI_COMMAND(show_trace) = {
	.path = "show trace",
	.short_help = "show trace [max N]",
	.long_help =
		"Traced packets by worker: each node on a packet's way, when it was called and\n"
		"what it was given.  max: more or fewer than 50 a worker.",
	.words = "max",
	.function = show_trace_fn,
};

static clib_error_t *
clear_trace_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "no more words");
	clear();
	return NULL;
}
VMHEAP_CLI_COMMAND(clear_trace) = {
	.path = "clear trace",
	.short_help = "clear trace",
	.long_help = "Forget traced packets and trace no more.",
	.function = clear_trace_fn,
};
