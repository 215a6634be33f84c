/* SPDX-License-Identifier: Apache-2.0 */
/* show kmem: object caches, and one of them figure by figure; show percpu; debugging and shrinking
 * caches by hand. */
#include <cli/commands.h>

#include <stdlib.h>
#include <vppinfra/kmem.h>
#define CLIB_PERCPU_RUN_TIME_ONLY
#include <vppinfra/percpu.h>
#include <vppinfra/vec.h>

/* Live objects that an answer lists: beyond, a count says how many there are. */
#define MAX_OBJECT_ROWS 64

/* ---- all caches ---- */

static int
add_stats(clib_kmem_cache_t *cache, void *arg)
{
	clib_kmem_stats_t **v = arg, s;

	clib_kmem_cache_get_stats(cache, &s);
	vec_add1(*v, s);
	return 0;
}

static clib_kmem_stats_t *
all_stats(void)
{
	clib_kmem_stats_t *v = 0;

	clib_kmem_foreach_cache(add_stats, &v);
	return v;
}

/* Those that take most memory first; of equals the name decides. */
static int
compare_memory(const void *a, const void *b)
{
	const clib_kmem_stats_t *x = a, *y = b;

	if (x->memory_bytes != y->memory_bytes)
		return x->memory_bytes > y->memory_bytes ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
show_caches(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "name", "Name", 20, CLI_LEFT },
		{ "object_bytes", "Size", 6, CLI_RIGHT },
		{ "live", "Live", 8, CLI_RIGHT },
		{ "cached", "Cached", 7, CLI_RIGHT },
		{ "slabs", "Slabs", 6, CLI_RIGHT },
		{ "slab_bytes", "Slab", 6, CLI_RIGHT },
		{ "memory_bytes", "Memory", 8, CLI_RIGHT },
		{ "full", "Full", 6, CLI_RIGHT },
		{ "partial", "Part", 5, CLI_RIGHT },
		{ "empty", "Empty", 5, CLI_RIGHT },
		{ "magazine_rounds", "Mag", 4, CLI_RIGHT },
		{ "depot_full", "Depot", 6, CLI_RIGHT },
		{ "contended", "Contended", 9, CLI_RIGHT },
		{ "fails", "Fails", 5, CLI_RIGHT },
		{ "colour", "Colour", 7, CLI_RIGHT },
		{ "source", "Source", 0, CLI_LEFT },
	};
	clib_kmem_stats_t *all = all_stats(), *s;
	cli_table_t *t = cli_table(out, "caches", columns, ARRAY_LEN(columns));

	if (all)
		qsort(all, vec_len(all), sizeof(all[0]), compare_memory);
	vec_foreach (s, all) {
		cli_row(t);
		cli_string(t, "%s", s->name);
		cli_u64(t, s->object_bytes);
		cli_u64(t, s->n_live);
		cli_u64(t, s->n_cached);
		cli_u64(t, s->n_slabs);
		cli_bytes(t, s->slab_bytes);
		cli_bytes(t, s->memory_bytes);
		cli_u64(t, s->n_full);
		cli_u64(t, s->n_partial);
		cli_u64(t, s->n_empty);
		cli_u64(t, s->magazine_rounds);
		cli_u64(t, s->n_depot_full);
		cli_u64(t, s->n_contended);
		cli_u64(t, s->n_fails);
		cli_u64(t, s->colour);
		cli_string(t, "%s", s->source);
	}
	if (!vec_len(all))
		cli_text(out, "no caches");
	vec_free(all);
}

/* ---- one cache ---- */

static const struct {
	u32 flag;
	const char *name;
} flag_names[] = {
	{ CLIB_KMEM_CHECKED, "checked" },       { CLIB_KMEM_REDZONE, "redzone" },
	{ CLIB_KMEM_POISON, "poison" },         { CLIB_KMEM_AUDIT, "audit" },
	{ CLIB_KMEM_NO_TOUCH, "no-touch" },     { CLIB_KMEM_NO_MAGAZINES, "no-magazines" },
	{ CLIB_KMEM_NO_DEBUG, "no-debug" },     { CLIB_KMEM_SLEEPS, "sleeps" },
	{ CLIB_KMEM_LINE_ALIGN, "line-align" },
};

static u8 *
format_kmem_flags(u8 *s, va_list *va)
{
	u32 flags = va_arg(*va, u32);
	uword n = vec_len(s);

	for (u32 i = 0; i < ARRAY_LEN(flag_names); i++)
		if (flags & flag_names[i].flag)
			s = format(s, "%s%s", vec_len(s) > n ? " " : "", flag_names[i].name);
	return vec_len(s) > n ? s : format(s, "none");
}

static void
show_flags(cli_output_t *out, u32 flags)
{
	cli_text(out, "  %-24s %U", "flags", format_kmem_flags, flags);
	cli_field_string(out, "flags", "%U", format_kmem_flags, flags);
}

static void
show_cache(cli_output_t *out, clib_kmem_cache_t *cache)
{
	clib_kmem_stats_t s;

	clib_kmem_cache_get_stats(cache, &s);
	cli_text(out, "cache '%s'", s.name);
	cli_field_string(out, "name", "%s", s.name);
	show_flags(out, s.flags);
	cli_show_string(out, "source", s.source);
	cli_show_u64(out, "object_bytes", s.object_bytes);
	cli_show_u64(out, "chunk_bytes", s.chunk_bytes);
	cli_show_u64(out, "align", s.align);
	cli_show_u64(out, "slab_bytes", s.slab_bytes);
	cli_show_u64(out, "objects_per_slab", s.n_objects_per_slab);
	cli_show_u64(out, "waste_bytes", s.waste_bytes);
	cli_show_string(out, "bookkeeping", s.is_off_slab ? "off-slab" : "on-slab");
	cli_show_u64(out, "colour_bytes", s.colour_bytes);
	cli_show_u64(out, "colours", s.n_colours);
	cli_show_u64(out, "colour", s.colour);
	cli_show_u64(out, "live", s.n_live);
	cli_show_u64(out, "cached", s.n_cached);
	cli_show_u64(out, "slabs", s.n_slabs);
	cli_show_u64(out, "full", s.n_full);
	cli_show_u64(out, "partial", s.n_partial);
	cli_show_u64(out, "empty", s.n_empty);
	cli_show_u64(out, "memory_bytes", s.memory_bytes);
	cli_show_u64(out, "metadata_bytes", s.metadata_bytes);
	cli_show_u64(out, "allocs", s.n_allocs);
	cli_show_u64(out, "frees", s.n_frees);
	cli_show_u64(out, "fails", s.n_fails);
	cli_show_u64(out, "slabs_created", s.n_slabs_created);
	cli_show_u64(out, "slabs_destroyed", s.n_slabs_destroyed);
	cli_show_u64(out, "magazine_rounds", s.magazine_rounds);
	cli_show_u64(out, "magazine_resizes", s.n_magazine_resizes);
	cli_show_u64(out, "depot_full", s.n_depot_full);
	cli_show_u64(out, "depot_empty", s.n_depot_empty);
	cli_show_u64(out, "depot_gets", s.n_depot_gets);
	cli_show_u64(out, "depot_misses", s.n_depot_misses);
	cli_show_u64(out, "contended", s.n_contended);
	cli_show_u64(out, "claims", s.n_claims);
	cli_show_u64(out, "sleepers", s.n_sleepers);
	cli_show_u64(out, "sleeps", s.n_sleeps);
	cli_show_u64(out, "sleep_timeouts", s.n_timeouts);
	cli_show_u64(out, "sleep_ns_max", s.sleep_ns_max);
	cli_show_u64(out, "bad_frees", s.n_bad_frees);
	cli_show_u64(out, "errors", s.n_errors);
}

typedef struct {
	const void *objects[MAX_OBJECT_ROWS];
	u32 n;
} live_list_t;

static int
note_object(const void *object, void *arg)
{
	live_list_t *live = arg;

	live->objects[live->n++] = object;
	return live->n == MAX_OBJECT_ROWS;
}

/* By whom: the functions, innermost first. */
static u8 *
format_kmem_site(u8 *s, va_list *va)
{
	const clib_kmem_site_t *site = va_arg(*va, const clib_kmem_site_t *);

	for (u32 i = 0; i < site->n_frames; i++)
		s = format(s, "%s%U", i ? " < " : "", format_clib_symbol,
			   pointer_to_uword(site->frames[i]));
	return s;
}

/* Live objects, with who allocated them where audits know. */
static void
show_objects(cli_output_t *out, clib_kmem_cache_t *cache)
{
	static const cli_column_t columns[] = {
		{ "object", "Object", 18, CLI_RIGHT },
		{ "thread", "Thread", 6, CLI_RIGHT },
		{ "allocated_by", "Allocated by", 0, CLI_LEFT },
	};
	cli_table_t *t = cli_table(out, "objects", columns, ARRAY_LEN(columns));
	clib_kmem_site_t alloc_site, free_site;
	clib_kmem_stats_t s;
	live_list_t live = { .n = 0 };
	char what[128];
	int error;

	clib_kmem_cache_foreach_live(cache, note_object, &live);
	for (u32 i = 0; i < live.n; i++) {
		cli_row(t);
		cli_hex(t, pointer_to_uword(live.objects[i]));
		if (clib_kmem_cache_audit(cache, live.objects[i], &alloc_site, &free_site))
			continue;
		cli_u64(t, alloc_site.thread);
		cli_string(t, "%U", format_kmem_site, &alloc_site);
	}
	clib_kmem_cache_get_stats(cache, &s);
	if (live.n == MAX_OBJECT_ROWS && s.n_live > live.n) {
		cli_text(out, "and %Lu more", s.n_live - live.n);
		cli_field_u64(out, "objects_not_shown", s.n_live - live.n);
	}
	error = clib_kmem_cache_check(cache, what, sizeof(what));
	cli_text(out, "check: %s",
		 error == 0          ? "ok"
		 : error == -EUCLEAN ? what
				     : "not now, a thread is inside");
	cli_field_string(out, "check", "%s", error == 0 ? "ok" : error == -EUCLEAN ? what : "busy");
}

static uword
unformat_kmem_cache(unformat_input_t *input, va_list *va)
{
	clib_kmem_cache_t **cache = va_arg(*va, clib_kmem_cache_t **);
	u8 *name = 0;
	int found;

	if (!unformat(input, "%s", &name))
		return 0;
	*cache = clib_kmem_cache_by_name((char *)name);
	found = *cache != 0;
	vec_free(name);
	return found;
}

static clib_error_t *
show_kmem_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_kmem_cache_t *cache = 0;
	u8 verbose = 0;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (!verbose && unformat(input, "verbose"))
			verbose = 1;
		else if (cache || !unformat(input, "%U", unformat_kmem_cache, &cache))
			return vmheap_config_unknown(input, "the name of a cache or verbose");
	}
	if (!cache) {
		clib_kmem_stats_t *all, *s;

		show_caches(out);
		if (!verbose)
			return 0;
		all = all_stats();
		vec_foreach (s, all) {
			cache = clib_kmem_cache_by_name(s->name);
			if (!cache)
				continue;
			cli_text(out, "");
			cli_list_item_begin(out, "details");
			show_cache(out, cache);
			cli_end(out);
		}
		vec_free(all);
		return 0;
	}
	show_cache(out, cache);
	if (verbose)
		show_objects(out, cache);
	return 0;
}

VMHEAP_CLI_COMMAND(show_kmem) = {
	.path = "show kmem",
	.short_help = "show kmem [NAME] [verbose]",
	.long_help =
		"Object caches, those that take most memory first: objects live and cached in "
		"magazines,\nslabs by state, and how often the depot was contended.  With a NAME "
		"every figure of that\ncache; verbose adds its live objects, with who allocated "
		"them where it is audited, and\nthe cache's own check.",
	.words = "verbose",
	.function = show_kmem_fn,
};

/* ---- kmem debug ---- */

static clib_error_t *
kmem_debug_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u32 flags = 0, n_changed, n_busy, n_words = 0;
	u8 *pattern = 0, is_off = 0;
	clib_error_t *error = 0;
	int rv;

	if (!unformat(input, "%s", &pattern))
		return vmheap_config_unknown(input, "NAME, the name of a cache or a pattern");
	vec_add1(pattern, 0);
	while (!error && unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		n_words++;
		if (unformat(input, "redzone"))
			flags |= CLIB_KMEM_REDZONE;
		else if (unformat(input, "poison"))
			flags |= CLIB_KMEM_POISON;
		else if (unformat(input, "audit"))
			flags |= CLIB_KMEM_AUDIT;
		else if (unformat(input, "off"))
			is_off = 1;
		else
			error = vmheap_config_unknown(input, "redzone, poison, audit or off");
	}
	if (!error && is_off && flags)
		error = clib_error_return(0, "off goes with nothing else");
	if (!error) {
		/* The name alone asks for all of it, as KMEM_DEBUG does. */
		if (n_words == 0)
			flags = CLIB_KMEM_DEBUG;
		rv = clib_kmem_debug((char *)pattern, flags, &n_changed, &n_busy);
		if (rv)
			error = clib_error_return(0, "debugging '%s': %s", pattern,
						  rv == -ENOMEM ? "there are 32 patterns already"
								: "a name has 1 to 63 bytes");
	}
	vec_free(pattern);
	if (error)
		return error;
	cli_text(out, "%u caches switched, %u have live objects and stay as they are", n_changed,
		 n_busy);
	cli_field_u64(out, "switched", n_changed);
	cli_field_u64(out, "busy", n_busy);
	return 0;
}

VMHEAP_CLI_COMMAND(kmem_debug) = {
	.path = "kmem debug",
	.short_help = "kmem debug NAME [redzone] [poison] [audit] [off]",
	.long_help =
		"Debug object caches whose name matches NAME (a pattern of fnmatch): all three "
		"kinds when\nnone is named.  Reaches caches made from now on, and those that are "
		"empty.",
	.words = "redzone poison audit off",
	.function = kmem_debug_fn,
};

/* ---- kmem shrink ---- */

static int
shrink(clib_kmem_cache_t *cache, void *arg)
{
	*(uword *)arg += clib_kmem_cache_shrink(cache);
	return 0;
}

static clib_error_t *
kmem_shrink_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_kmem_cache_t *cache = 0;
	uword n_bytes = 0;

	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT &&
	    !unformat(input, "%U", unformat_kmem_cache, &cache))
		return vmheap_config_unknown(input, "the name of a cache");
	if (cache)
		shrink(cache, &n_bytes);
	else
		clib_kmem_foreach_cache(shrink, &n_bytes);
	cli_text(out, "%U given back", format_memory_size, n_bytes);
	cli_field_u64(out, "bytes", n_bytes);
	return 0;
}

VMHEAP_CLI_COMMAND(kmem_shrink) = {
	.path = "kmem shrink",
	.short_help = "kmem shrink [NAME]",
	.long_help = "Give back all that is not live, of one cache or of all: magazines, those of "
		     "other threads\ntoo, and empty slabs.",
	.function = kmem_shrink_fn,
};

/* ---- show percpu ---- */

static clib_error_t *
show_percpu_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_percpu_info_t i;

	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "nothing more");
	clib_percpu_get_info(&i);
	cli_show_u64(out, "units", i.n_units);
	cli_show_u64(out, "unit_bytes", i.unit_bytes);
	cli_show_u64(out, "static_bytes", i.n_static_bytes);
	cli_show_u64(out, "dynamic_bytes", i.n_dynamic_bytes);
	cli_show_u64(out, "committed_bytes", i.committed_bytes);
	cli_show_u64(out, "fails", i.n_fails);
	return 0;
}

VMHEAP_CLI_COMMAND(show_percpu) = {
	.path = "show percpu",
	.short_help = "show percpu",
	.long_help =
		"Variables with a copy a thread: units that exist (one a thread that ever used "
		"any, and the\nshared one), what of a unit static and run-time variables take, and "
		"what all units have\ncommitted.",
	.function = show_percpu_fn,
};
