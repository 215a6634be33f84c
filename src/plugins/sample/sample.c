/* SPDX-License-Identifier: Apache-2.0 */
/* sample: how a plugin is written.  It hands out numbers from a range and has a graph node where
 * packets end; it is small enough to copy and start from.
 *
 *   startup.conf:  sample { ids 100 - 199 }
 *   vmheapctl:     sample id alloc | sample id free 100 | sample id show */
#include <plugins/framework/drop.h>
#include <vppinfra/vec.h>
#include <vppinfra/vmem.h>
#include <rte_graph_worker.h>

/* 1. The note.  It is read from the file before any code here runs. */
VMHEAP_PLUGIN_REGISTER(.name = "sample", .version = VMHEAP_VERSION,
		       .description = "hands out ids: how a plugin is written");

/* 2. State of the plugin: one struct, main lcore only. */
static struct {
	u32 first, last; /* both are handed out */
	vmem_t *ids;     /* an arena manages any integers, not only memory */
	u8 *is_taken;    /* vector, by id - first: what people type is checked against it */
} sample = { .first = 1, .last = 4094 };

/* 3. Configuration: the words of our stanza.  Runs before init, and only if the stanza is there. */
static clib_error_t *
sample_config(unformat_input_t *input)
{
	u32 first, last;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (!unformat(input, "ids %u - %u", &first, &last))
			return vmheap_config_unknown(input, "ids FIRST - LAST");
		/* vmem_alloc() says NULL when nothing is left, so 0 cannot be an id. */
		if (first < 1 || last < first || last - first >= 65536)
			return clib_error_return(0,
						 "ids %u - %u: at least 1, ascending, at most "
						 "65536 of them",
						 first, last);
		sample.first = first;
		sample.last = last;
	}
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(sample_config, "sample");

/* 4. Counters: why our node drops packets.  `show errors` prints them. */
enum { SAMPLE_EVEN, SAMPLE_ODD };
static const char *const sample_reasons[] = { "even length", "odd length" };
static vmheap_error_strings_t sample_errors = { .node = "sample-sink",
						.reasons = sample_reasons,
						.n_reasons = ARRAY_LEN(sample_reasons) };

/* 5. Init: EAL is up and the configuration read.  An error here disables this plugin alone. */
static clib_error_t *
sample_init(void)
{
	int error = vmheap_errors_register(&sample_errors);

	if (error)
		return clib_error_return_code(0, error, 0, "counters: %s", strerror(-error));
	if (vec_validate(sample.is_taken, sample.last - sample.first))
		return clib_error_return(0, "a table of %u ids: no memory",
					 sample.last - sample.first + 1);
	sample.ids = vmem_create("sample-ids", (void *)(uword)sample.first,
				 sample.last - sample.first + 1, 1, NULL, NULL, NULL, 0,
				 VM_NOSLEEP | VMC_IDENTIFIER);
	if (sample.ids)
		return NULL;
	/* The exit function gives the table back: it is called after a failure too. */
	return clib_error_return(0, "the arena of ids: no memory");
}
VMHEAP_INIT_FUNCTION(sample_init);

/* Workers have stopped.  All goes back, so that what is missing later is a leak. */
static clib_error_t *
sample_exit(void)
{
	for (u32 i = 0; i < vec_len(sample.is_taken); i++)
		if (sample.is_taken[i])
			vmem_free(sample.ids, (void *)(uword)(sample.first + i), 1);
	if (sample.ids)
		vmem_destroy(sample.ids);
	vec_free(sample.is_taken);
	return NULL;
}
VMHEAP_EXIT_FUNCTION(sample_exit);

/* 6. A command: parse words, fill rows, return.  Text and JSON both come from the rows. */
static clib_error_t *
sample_id_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = { { "first", "First", 8, CLI_RIGHT },
						{ "last", "Last", 8, CLI_RIGHT },
						{ "used", "Used", 8, CLI_RIGHT } };
	cli_table_t *t;
	u32 id;

	if (unformat(input, "alloc")) {
		id = (u32)(uword)vmem_alloc(sample.ids, 1, VM_NOSLEEP | VM_FIRSTFIT);
		if (!id)
			return clib_error_return(0, "all ids from %u to %u are taken", sample.first,
						 sample.last);
		sample.is_taken[id - sample.first] = 1;
		cli_text(out, "id %u", id);
		cli_field_u64(out, "id", id);
	} else if (unformat(input, "free %u", &id)) {
		if (id < sample.first || id > sample.last || !sample.is_taken[id - sample.first])
			return clib_error_return(0, "id %u is not taken", id);
		sample.is_taken[id - sample.first] = 0;
		vmem_free(sample.ids, (void *)(uword)id, 1);
	} else if (unformat(input, "show")) {
		t = cli_table(out, "ids", columns, ARRAY_LEN(columns));
		cli_row(t);
		cli_u64(t, sample.first);
		cli_u64(t, sample.last);
		cli_u64(t, vmem_size(sample.ids, VMEM_ALLOC));
	} else
		return vmheap_config_unknown(input, "alloc, free N or show");
	return NULL;
}
VMHEAP_CLI_COMMAND(sample_id) = {
	.path = "sample id",
	.short_help = "sample id alloc|free N|show",
	.words = "alloc free show",
	.function = sample_id_fn,
};

/* 7. A graph node, on the workers: here packets end.  It is in a graph when another node has an
 * edge to "sample-sink". */
static u16
sample_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	for (u32 i = 0; i < n; i++) {
		struct rte_mbuf *m = objs[i];

		vmheap_drop_set_reason(m, &sample_errors,
				       m->pkt_len & 1 ? SAMPLE_ODD : SAMPLE_EVEN);
	}
	rte_node_next_stream_move(graph, node, 0);
	return n;
}

static struct rte_node_register sample_sink = {
	.name = "sample-sink",
	.process = sample_process,
	.nb_edges = 1,
	.next_nodes = { VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(sample_sink)
