/* SPDX-License-Identifier: Apache-2.0 */
/* memory-trace, save memory-trace, test heap-validate: who holds what, and whether it is whole. */
#include <cli/commands.h>
#include <cli/heap_words.h>
#include <cli/json.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <vppinfra/backtrace.h>
#include <vppinfra/vec.h>

#define N_SITES_SHOWN 50  /* unless verbose, as in VPP */
#define N_MISUSES_SHOWN 4 /* the latest */

static clib_error_t *
unknown_heap_word(unformat_input_t *input, const char *other_words)
{
	u8 *expected = format(0, "one of: %U%s%c", format_cli_heap_words, other_words, 0);
	clib_error_t *error = vmheap_config_unknown(input, (char *)expected);

	vec_free(expected);
	return error;
}

/* ---- rows ---- */

static void
field_callers(cli_output_t *out, const char *key, const uword *callers)
{
	u32 n = mheap_trace_n_callers(callers);
	clib_symbol_t symbol;

	for (u32 i = 0; i < n; i++) {
		clib_symbolize(callers[i], &symbol);
		cli_list_item_begin(out, key);
		cli_field_string(out, "address", "0x%lx", callers[i]);
		cli_field_string(out, "object", "%s", symbol.object);
		cli_field_string(out, "function", "%s", symbol.function);
		cli_field_string(out, "offset", "0x%lx", symbol.offset);
		if (symbol.file[0]) {
			cli_field_string(out, "file", "%s", symbol.file);
			cli_field_u64(out, "line", symbol.line);
		}
		cli_end(out);
	}
}

static void
field_misuses(cli_output_t *out, clib_mem_heap_t *heap)
{
	mheap_trace_misuse_t misuses[N_MISUSES_SHOWN];
	u32 n = mheap_trace_misuses(heap, misuses, ARRAY_LEN(misuses));

	for (u32 i = 0; i < n; i++) {
		cli_list_item_begin(out, "wrong_puts");
		cli_field_string(out, "what", "%s", misuses[i].what);
		cli_field_string(out, "address", "0x%lx", (uword)heap + misuses[i].offset);
		field_callers(out, "put_by", misuses[i].put_callers);
		field_callers(out, "got_by", misuses[i].get_callers);
		field_callers(out, "put_first_by", misuses[i].free_callers);
		cli_end(out);
	}
}

void
cli_show_traces(cli_output_t *out, clib_mem_heap_t *heap, int is_verbose, int with_text)
{
	mheap_trace_t *traces, *t;
	mheap_trace_info_t info;

	mheap_trace_info(heap, &info);
	if (!info.is_on)
		return;
	if (with_text)
		cli_text(out, "\n  %U", format_mheap_trace, heap, is_verbose);
	cli_field_u64(out, "trace_sample_bytes", info.sample_bytes);
	cli_field_u64(out, "traced_objects", info.n_allocations);
	cli_field_u64(out, "traced_bytes", info.n_bytes);
	cli_field_u64(out, "traced_samples", info.n_samples);
	cli_field_u64(out, "trace_sites", info.n_sites);
	cli_field_u64(out, "untraced_objects", info.n_untraced);
	traces = mheap_trace_dup(heap);
	vec_foreach (t, traces) {
		if (!is_verbose && t - traces == N_SITES_SHOWN)
			break;
		cli_list_item_begin(out, "traces");
		cli_field_u64(out, "bytes", t->n_bytes);
		cli_field_u64(out, "count", t->n_allocations);
		cli_field_u64(out, "samples", t->n_samples);
		if (t->offset != ~(uword)0)
			cli_field_string(out, "sample", "0x%lx", (uword)heap + t->offset);
		field_callers(out, "traceback", t->callers);
		cli_end(out);
	}
	vec_free(traces);
	field_misuses(out, heap);
}

/* ---- memory-trace ---- */

typedef struct {
	clib_mem_heap_t **heaps; /* vector */
	u8 enable;
	uword sample_bytes;
} memory_trace_t;

static int
is_traced(clib_mem_heap_t *heap)
{
	mheap_trace_info_t info;

	mheap_trace_info(heap, &info);
	return info.is_on;
}

static clib_error_t *
parse_memory_trace(unformat_input_t *input, memory_trace_t *a)
{
	static const char options[] = ", sample BYTES";

	if (unformat(input, "on"))
		a->enable = 1;
	else if (!unformat(input, "off"))
		return vmheap_config_unknown(input, "on or off");
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (a->enable && !a->sample_bytes &&
		    unformat(input, "sample %U", unformat_memory_size, &a->sample_bytes)) {
			if (!a->sample_bytes)
				return clib_error_return(0,
							 "sample 0: one in how many bytes? "
							 "Without sample, every object is traced");
			continue;
		}
		if (!unformat(input, "%U", unformat_cli_heaps, &a->heaps))
			return unknown_heap_word(input, a->enable ? options : "");
	}
	if (!a->heaps && a->enable)
		return unknown_heap_word(input, options);
	return 0;
}

/* Without a name: all that are traced. */
static void
name_traced_heaps(memory_trace_t *a)
{
	clib_mem_heap_t **all = cli_all_heaps();

	for (uword i = 0; i < vec_len(all); i++)
		if (is_traced(all[i]))
			vec_add1(a->heaps, all[i]);
	vec_free(all);
}

static clib_error_t *
trace_heap(const memory_trace_t *a, clib_mem_heap_t *heap)
{
	mheap_trace_params_t params = { .sample_bytes = a->sample_bytes };
	const char *name = mheap_header(heap)->name;
	int rv = a->enable ? mheap_trace_enable(heap, &params) : mheap_trace_disable(heap);

	switch (rv) {
	case 0:
		return 0;
	case -EALREADY:
		return clib_error_return(0,
					 a->enable
						 ? "'%s' is traced already: memory-trace off first"
						 : "'%s' is not traced",
					 name);
	default:
		return clib_error_return(0, "tracing '%s': no address space for the tables", name);
	}
}

static clib_error_t *
memory_trace_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	memory_trace_t a = {};
	clib_error_t *error = parse_memory_trace(input, &a);

	if (!error && !a.heaps)
		name_traced_heaps(&a);
	if (!error && !a.heaps)
		cli_text(out, "no heap is traced");
	for (uword i = 0; i < vec_len(a.heaps) && !error; i++) {
		const char *name = mheap_header(a.heaps[i])->name;

		error = trace_heap(&a, a.heaps[i]);
		if (error)
			break;
		if (!a.enable)
			cli_text(out, "'%s': no longer traced", name);
		else if (a.sample_bytes)
			cli_text(out, "'%s': traced, one in %U bytes", name, format_memory_size,
				 a.sample_bytes);
		else
			cli_text(out, "'%s': traced, every object", name);
		cli_list_item_begin(out, "heaps");
		cli_field_string(out, "name", "%s", name);
		cli_field_bool(out, "traced", a.enable);
		cli_field_u64(out, "sample_bytes", a.sample_bytes);
		cli_end(out);
	}
	vec_free(a.heaps);
	return error;
}

VMHEAP_CLI_COMMAND(memory_trace) = {
	.path = "memory-trace",
	.short_help =
		"memory-trace on|off [main-heap] [numa-heaps] [numa-heap N] [NAME] [sample BYTES]",
	.long_help =
		"Remember who gets each object of a heap, until it is put: show memory then lists\n"
		"the stacks that hold most.  Several heaps may be traced.  sample: only one in "
		"BYTES\n"
		"bytes is remembered, and bytes and counts are estimates; cheap enough to stay "
		"on.\n"
		"off: the heaps named, or all; what was remembered is forgotten.",
	.words = "on off " CLI_HEAP_WORDS " sample",
	.function = memory_trace_fn,
};

/* ---- save memory-trace ---- */

static char save_folder[108] = "/tmp";

void
cli_set_save_folder(const char *file_in_it)
{
	const char *slash = strrchr(file_in_it, '/');
	uword n = slash ? (uword)(slash - file_in_it) : 0;

	if (n == 0 || n >= sizeof(save_folder))
		return;
	memcpy(save_folder, file_in_it, n);
	save_folder[n] = 0;
}

/* All bytes, or an errno. */
static int
write_file(const char *path, const u8 *text)
{
	/* Nothing that is there is overwritten or followed: the folder may be anybody's. */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), error = 0;
	uword at = 0;

	if (fd < 0)
		return errno;
	while (!error && at < vec_len(text)) {
		ssize_t n = write(fd, text + at, vec_len(text) - at);

		if (n >= 0)
			at += (uword)n;
		else if (errno != EINTR)
			error = errno;
	}
	if (close(fd) && !error)
		error = errno;
	if (error)
		unlink(path);
	return error;
}

static u8 *
traces_as_json(uword *n_heaps)
{
	cli_output_t *rows = cli_output_create();
	clib_mem_heap_t **all = cli_all_heaps();
	u8 *text = 0;

	for (uword i = 0; i < vec_len(all); i++) {
		if (!is_traced(all[i]))
			continue;
		cli_list_item_begin(rows, "heaps");
		cli_field_string(rows, "name", "%s", mheap_header(all[i])->name);
		cli_field_string(rows, "base", "0x%lx", (uword)clib_mem_get_heap_base(all[i]));
		cli_show_traces(rows, all[i], 1, 0);
		cli_end(rows);
		++*n_heaps;
	}
	if (*n_heaps && !cli_output_is_incomplete(rows))
		text = format(0, "%U", format_cli_output_json, rows);
	vec_free(all);
	cli_output_free(rows);
	return text;
}

static clib_error_t *
check_file_name(const u8 *name)
{
	if (vec_len(name) < 2)
		return clib_error_return(0, "save memory-trace: a file name is missing");
	if (strchr((char *)name, '/') || strstr((char *)name, ".."))
		return clib_error_return(0, "'%s': a name without / and .., it is saved in %s",
					 name, save_folder);
	return 0;
}

static clib_error_t *
save_memory_trace_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	uword was_traced = clib_mem_trace_enable_disable(0), n_heaps = 0;
	u8 *name = 0, *path = 0, *text = 0;
	clib_error_t *error = 0;
	int rv;

	if (!unformat(input, "%s", &name))
		error = vmheap_config_unknown(input, "a file name");
	else
		error = check_file_name(name);
	if (!error && unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		error = vmheap_config_unknown(input, "no more words");
	if (!error) {
		text = traces_as_json(&n_heaps);
		if (!n_heaps)
			error = clib_error_return(0, "no heap is traced: memory-trace on");
		else if (!text)
			error = clib_error_return(0, "no memory for the text");
	}
	if (!error) {
		path = format(0, "%s/%s%c", save_folder, name, 0);
		rv = write_file((char *)path, text);
		if (rv)
			error = clib_error_return(0, "%s: %s", path, strerror(rv));
	}
	if (!error) {
		cli_text(out, "%wd heap%s saved in %s", n_heaps, n_heaps == 1 ? "" : "s", path);
		cli_field_string(out, "file", "%s", path);
		cli_field_u64(out, "heaps", n_heaps);
	}
	vec_free(text);
	vec_free(path);
	vec_free(name);
	clib_mem_trace_enable_disable(was_traced);
	return error;
}

VMHEAP_CLI_COMMAND(save_memory_trace) = {
	.path = "save memory-trace",
	.short_help = "save memory-trace FILE",
	.long_help = "Write what show memory lists of all traced heaps, every site, as JSON into "
		     "FILE, a\n"
		     "new file beside the socket of this command line.",
	.function = save_memory_trace_fn,
};

/* ---- test heap-validate ---- */

static clib_error_t *
check_heap(cli_output_t *out, clib_mem_heap_t *heap)
{
	const char *name = mheap_header(heap)->name;
	char what[128];
	int rv = mheap_check(heap, what, sizeof(what));

	cli_list_item_begin(out, "heaps");
	cli_field_string(out, "name", "%s", name);
	cli_field_bool(out, "whole", rv == 0);
	cli_field_u64(out, "objects", mheap_elts(heap));
	if (rv)
		cli_field_string(out, "fault", "%s", what);
	cli_end(out);
	if (rv)
		return clib_error_return(0, "heap '%s': %s", name, what);
	cli_text(out, "'%s': whole, %wd objects", name, mheap_elts(heap));
	return 0;
}

static clib_error_t *
test_heap_validate_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	enum { ON, OFF, NOW } what;
	clib_mem_heap_t **heaps = 0;
	clib_error_t *error = 0;

	if (unformat(input, "on"))
		what = ON;
	else if (unformat(input, "off"))
		what = OFF;
	else if (unformat(input, "now"))
		what = NOW;
	else
		return vmheap_config_unknown(input, "on, off or now");
	while (!error && unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		if (!unformat(input, "%U", unformat_cli_heaps, &heaps))
			error = unknown_heap_word(input, "");
	if (!error && !heaps)
		heaps = cli_all_heaps();
	for (uword i = 0; i < vec_len(heaps) && !error; i++) {
		if (what == NOW) {
			error = check_heap(out, heaps[i]);
			continue;
		}
		mheap_set_flags(heaps[i], what == ON ? MHEAP_FLAG_VALIDATE : 0,
				what == ON ? 0 : MHEAP_FLAG_VALIDATE);
		cli_text(out, "'%s': %s", mheap_header(heaps[i])->name,
			 what == ON ? "validated around each get and put" : "no longer validated");
	}
	vec_free(heaps);
	return error;
}

VMHEAP_CLI_COMMAND(test_heap_validate) = {
	.path = "test heap-validate",
	.short_help = "test heap-validate on|off|now [main-heap] [numa-heaps] [numa-heap N] [NAME]",
	.long_help =
		"Compare everything in the heaps named, or in all, with everything else: now, and\n"
		"the first fault found is the answer; or from now on around each get and put, "
		"which\n"
		"is slow and stops the daemon at the first fault.",
	.words = "on off now " CLI_HEAP_WORDS,
	.function = test_heap_validate_fn,
};
