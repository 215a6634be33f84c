/* SPDX-License-Identifier: Apache-2.0 */
/* A heap in words.  The text grows in the current heap, which may be the very heap that is shown:
 * so everything is copied out under the lock first, and written down after. */
#include <stdarg.h>
#include <sys/mman.h>
#include <vppinfra/format.h>
#include "mheap_impl.h"

#define N_MAP_ELTS 128 /* 16 rows of 8: what fits a screen */
#define N_MAP_COLUMNS 8
#define N_DUMPED_BYTES 64 /* of a corrupt element: its header and what it holds */

/* What is copied under the lock. */
typedef struct {
	clib_mem_usage_t usage;
	mheap_stats_t stats;
	char name[40];
	uword non_empty[MHEAP_N_BIN_WORDS];
	uword max_size, n_committed_bytes, page_bytes;
	u64 validate_serial;
	u32 flags, owner_cpu;
	int recursion_count, numa_node;
} snapshot_t;

/* Element offsets from the left, free ones with bit 0 set. */
typedef struct {
	u32 n;
	u64 n_more;
	uword uoffsets[N_MAP_ELTS];
} element_map_t;

typedef struct {
	u64 n_used[MHEAP_N_BINS], n_free[MHEAP_N_BINS], heads[MHEAP_N_BINS];
} histogram_t;

static void
take_snapshot(const void *v, snapshot_t *s)
{
	const mheap_t *h = mheap_header(v);
	int is_locked = mheap_lock_if_ours(h);
	mheap_front_usage_t fronts;

	mheap_usage(v, &s->usage);
	s->stats = h->stats;
	/* Fronts are what VPP calls its cache; their gets and puts are the heap's. */
	mheap_front_usage(v, &fronts);
	s->stats.n_small_object_cache_hits = fronts.n_gets;
	s->stats.n_small_object_cache_attempts = fronts.n_gets + s->stats.n_front_fills;
	s->stats.n_gets += fronts.n_gets;
	s->stats.n_puts += fronts.n_puts;
	memcpy(s->name, h->name, sizeof(s->name));
	s->name[sizeof(s->name) - 1] = 0;
	memcpy(s->non_empty, h->non_empty_free_elt_heads, sizeof(s->non_empty));
	s->max_size = h->max_size;
	s->n_committed_bytes = h->n_committed_bytes;
	s->page_bytes = h->page_bytes;
	s->validate_serial = h->validate_serial;
	s->flags = heap_flags(h);
	s->numa_node = h->numa_node;
	/* Our own lock is not the news. */
	s->owner_cpu =
		is_locked ? ~(u32)0 : atomic_load_explicit(&h->owner_cpu, memory_order_relaxed);
	s->recursion_count = is_locked ? 0 : h->recursion_count;
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
}

static void
take_histogram(const void *v, histogram_t *g)
{
	const mheap_t *h = mheap_header(v);
	int is_locked = mheap_lock_if_ours(h);

	mheap_bin_counts(v, g->n_used, g->n_free);
	memcpy(g->heads, h->first_free_elt_uoffset_by_bin, sizeof(g->heads));
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
}

static void
take_element_map(const void *v, element_map_t *m)
{
	const mheap_t *h = mheap_header(v);
	int is_locked = mheap_lock_if_ours(h);
	uword uo = MHEAP_ELT_OVERHEAD_BYTES;

	m->n = 0;
	m->n_more = 0;
	while (uo < vector_len(v)) {
		u64 word = hdr_load(&elt_words(v, uo)[1]);

		if (m->n < N_MAP_ELTS)
			m->uoffsets[m->n++] = uo | ((word & (HDR_FREE | HDR_CACHED)) != 0);
		else
			m->n_more++;
		uo += hdr_bytes(word) + MHEAP_ELT_OVERHEAD_BYTES;
	}
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
}

/* As VPP writes bytes: plain below 1024, whole kibibytes above. */
static u8 *
format_mheap_byte_count(u8 *s, va_list *va)
{
	uword n_bytes = va_arg(*va, uword);

	return n_bytes < 1024 ? format(s, "%wd", n_bytes) : format(s, "%wdk", n_bytes / 1024);
}

static f64
ratio(u64 n, u64 of)
{
	return of ? (f64)n / (f64)of : 0;
}

static u8 *
format_one_line(u8 *s, const clib_mem_usage_t *u)
{
	return format(
		s, "%wd objects, %U of %U used, %U free, %U reclaimed, %U overhead, %U capacity",
		u->object_count, format_mheap_byte_count, u->bytes_used, format_mheap_byte_count,
		u->bytes_total, format_mheap_byte_count, u->bytes_free, format_mheap_byte_count,
		u->bytes_free_reclaimed, format_mheap_byte_count, u->bytes_overhead,
		format_mheap_byte_count, u->bytes_max);
}

static u8 *
format_flags(u8 *s, va_list *va)
{
	static const struct {
		u32 flag;
		const char *name;
	} names[] = {
		{ MHEAP_FLAG_TRACE, "trace" },
		{ MHEAP_FLAG_DISABLE_VM, "disable-vm" },
		{ MHEAP_FLAG_THREAD_SAFE, "thread-safe" },
		{ MHEAP_FLAG_SMALL_OBJECT_CACHE, "small-object-cache" },
		{ MHEAP_FLAG_VALIDATE, "validate" },
		{ MHEAP_FLAG_FRONTS, "fronts" },
		{ MHEAP_FLAG_CHECKED, "checked" },
	};
	u32 flags = va_arg(*va, u32), n = 0;

	for (u32 i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].flag)
			s = format(s, "%s%s", n++ ? " " : "", names[i].name);
	return n ? s : format(s, "none");
}

/* VPP's five lines, of which the first is about fronts here, then ours. */
static u8 *
format_counters(u8 *s, const snapshot_t *n, u32 indent)
{
	const mheap_stats_t *st = &n->stats;

	s = format(
		s,
		"\n%Ualloc. from small object cache: %Lu hits %Lu attempts (%.2f%%) replacements "
		"%Lu",
		format_white_space, indent, st->n_small_object_cache_hits,
		st->n_small_object_cache_attempts,
		100. * ratio(st->n_small_object_cache_hits, st->n_small_object_cache_attempts),
		st->n_front_drains);
	s = format(s,
		   "\n%Ualloc. from free-list: %Lu attempts, %Lu hits (%.2f%%), %Lu considered "
		   "(per-attempt %.2f)",
		   format_white_space, indent, st->free_list.n_search_attempts,
		   st->free_list.n_objects_found,
		   100 * ratio(st->free_list.n_objects_found, st->free_list.n_search_attempts),
		   st->free_list.n_objects_searched,
		   ratio(st->free_list.n_objects_searched, st->free_list.n_search_attempts));
	s = format(s, "\n%Ualloc. from vector-expand: %Lu", format_white_space, indent,
		   st->n_vector_expands);
	s = format(s, "\n%Uallocs: %Lu %.2f clocks/call", format_white_space, indent, st->n_gets,
		   ratio(st->n_clocks_get, st->n_timed_gets));
	s = format(s, "\n%Ufrees: %Lu %.2f clocks/call", format_white_space, indent, st->n_puts,
		   ratio(st->n_clocks_put, st->n_timed_puts));
	s = format(s, "\n%Utimed: %Lu allocs, %Lu frees (of those traced or validated)",
		   format_white_space, indent, st->n_timed_gets, st->n_timed_puts);
	s = format(s, "\n%Urefused: %Lu allocs, %Lu frees; %Lu lists lost to overwriting",
		   format_white_space, indent, st->n_get_failures, st->n_bad_puts,
		   st->n_corruptions);
	s = format(s,
		   "\n%Upages of %U: %U committed, %Lu commits, %Lu reclaims, %U returned so far",
		   format_white_space, indent, format_mheap_byte_count, n->page_bytes,
		   format_mheap_byte_count, n->n_committed_bytes - n->usage.bytes_free_reclaimed,
		   st->n_commits, st->n_reclaims, format_mheap_byte_count,
		   (uword)st->n_reclaimed_bytes);
	return s;
}

static u8 *
format_bins(u8 *s, const snapshot_t *n, u32 indent)
{
	uword n_non_empty = 0, largest = 0;

	for (uword i = 0; i < MHEAP_N_BIN_WORDS; i++) {
		n_non_empty += count_set_bits(n->non_empty[i]);
		if (n->non_empty[i])
			largest = i * 64 + min_log2(n->non_empty[i]);
	}
	s = format(s, "\n%Ubins: %wd of %d non-empty", format_white_space, indent, n_non_empty,
		   MHEAP_N_BINS);
	if (n_non_empty)
		s = format(s, ", the largest holds %U and up", format_mheap_byte_count,
			   mheap_bin_bytes(largest));
	s = format(s, "\n%Unon-empty bitmap:", format_white_space, indent);
	for (uword i = 0; i < MHEAP_N_BIN_WORDS; i++)
		s = format(s, " %016wx", n->non_empty[i]);
	return s;
}

static u8 *
format_state(u8 *s, const snapshot_t *n, u32 indent)
{
	s = format(s, "\n%Uflags: %U, validated %Lu times", format_white_space, indent,
		   format_flags, n->flags, n->validate_serial);
	if (n->numa_node >= 0)
		s = format(s, ", numa node %d", n->numa_node);
	if (n->owner_cpu != ~(u32)0)
		s = format(s, "\n%Ulocked by thread %u, %d deep", format_white_space, indent,
			   n->owner_cpu, n->recursion_count);
	return s;
}

/* Only bins that have anything: the smallest size a bin holds, its used objects and their part of
 * all, its free elements and where their list begins. */
static u8 *
format_histogram(u8 *s, const void *v, u32 indent)
{
	histogram_t *g;
	u64 n_used = 0;

	/* Not from the heap that is counted, and too large for a stack. */
	g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g == MAP_FAILED)
		return format(s, "\n%Uno memory for a histogram", format_white_space, indent);
	take_histogram(v, g);
	for (uword bin = 0; bin < MHEAP_N_BINS; bin++)
		n_used += g->n_used[bin];
	s = format(s, "\n%U%=12s%=12s%=16s%=12s%=16s", format_white_space, indent, "Size", "Count",
		   "Fraction", "Free", "First free");
	for (uword bin = 0; bin < MHEAP_N_BINS; bin++) {
		if (!g->n_used[bin] && !g->n_free[bin])
			continue;
		s = format(s, "\n%U%12wd%12Lu%16.4f%12Lu", format_white_space, indent,
			   mheap_bin_bytes(bin), g->n_used[bin], ratio(g->n_used[bin], n_used),
			   g->n_free[bin]);
		if (g->heads[bin] != MHEAP_GROUNDED)
			s = format(s, "%4s0x%Lx", "", g->heads[bin]);
	}
	munmap(g, sizeof(*g));
	return s;
}

static u8 *
format_element_map(u8 *s, const void *v, u32 indent)
{
	element_map_t m;

	take_element_map(v, &m);
	s = format(s, "\n%Uelements, free ones in parentheses:", format_white_space, indent);
	for (u32 i = 0; i < m.n; i++) {
		if (i % N_MAP_COLUMNS == 0)
			s = format(s, "\n%U", format_white_space, indent + 1);
		if (m.uoffsets[i] & 1)
			s = format(s, " (0x%wx)", m.uoffsets[i] - 1);
		else
			s = format(s, " 0x%wx", m.uoffsets[i]);
	}
	if (m.n_more)
		s = format(s, "\n%Uand %Lu more", format_white_space, indent + 2, m.n_more);
	return s;
}

/* The first element that is not as it should be, with the bytes from its header on. */
typedef struct {
	uword uoffset; /* ~0: none */
	uword n_elt_bytes;
	u32 n;
	u8 bytes[N_DUMPED_BYTES];
} corrupt_t;

static void
take_first_corrupt(const void *v, corrupt_t *c)
{
	const mheap_t *h = mheap_header(v);
	int is_locked = mheap_lock_if_ours(h);
	uword page_end;

	memset(c, 0, sizeof(*c));
	c->uoffset = mheap_first_corrupt(v);
	if (c->uoffset != ~(uword)0) {
		u8 *p = (u8 *)elt_words(v, c->uoffset);

		c->n_elt_bytes = hdr_bytes(elt_words(v, c->uoffset)[1]);
		/* The page that the header ends in is there; the next may have been given back. */
		page_end = round_pow2((uword)v + c->uoffset, h->page_bytes);
		c->n = (u32)clib_min(sizeof(c->bytes), page_end - (uword)p);
		memcpy(c->bytes, p, c->n);
	}
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
}

u8 *
format_mheap(u8 *s, va_list *va)
{
	void *v = va_arg(*va, void *);
	int verbose = va_arg(*va, int);
	u32 indent = format_get_indent(s) + 2;
	snapshot_t n;
	corrupt_t corrupt = { .uoffset = ~(uword)0 };
	int is_walkable = 0;

	if (!v)
		return format(s, "no heap");
	take_snapshot(v, &n);
	s = format_one_line(s, &n.usage);
	if (verbose >= 1) {
		take_first_corrupt(v, &corrupt);
		/* A walk over all elements is for a heap that has been walked. */
		is_walkable = verbose >= 2 && corrupt.uoffset == ~(uword)0;
		if (is_walkable)
			s = format_histogram(s, v, indent);
		s = format_counters(s, &n, indent);
		s = format_bins(s, &n, indent);
		s = format_state(s, &n, indent);
	}
	if (n.flags & MHEAP_FLAG_TRACE && mheap_region_of(mheap_header(v)))
		s = format(s, "\n\n%U%U", format_white_space, indent, format_mheap_trace, v,
			   verbose);
	if (corrupt.uoffset != ~(uword)0)
		s = format(s, "\n%Ufirst corrupt object: 0x%wx, size %wd\n%U%U", format_white_space,
			   indent, (uword)v + corrupt.uoffset, corrupt.n_elt_bytes,
			   format_white_space, indent + 2, format_hex_bytes, corrupt.bytes,
			   (int)corrupt.n);
	if (is_walkable)
		s = format_element_map(s, v, indent);
	return s;
}

void
mheap_dump(void *v)
{
	fformat(stderr, "%U\n", format_mheap, v, 1);
}

/* For `call dmh(v)` in a debugger: there, though nobody calls it. */
#undef dmh
__attribute__((used)) static void
dmh(void *v)
{
	mheap_dump(v);
}
