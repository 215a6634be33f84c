/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps, pages and bulks in words, and names made by format(): what mem.h declares and only a file
 * above format can do. */
#include "mem_impl.h"

#include <vppinfra/format.h>

/* ---- names ---- */

/* 64 KiB: any name, and what the functions of a %U take meanwhile. */
#define SCRATCH_BYTES KiB(64)

/* In the current heap; before there is one, in a heap that is gone afterwards, so that naming the
 * main heap does not make another. */
static void
make_name(char *name, uword n, const char *fmt, va_list *va)
{
	clib_mem_heap_t *scratch = NULL;
	u8 *s;

	/* Relaxed: only whether there is one. */
	if (!clib_mem_current_heap &&
	    !atomic_load_explicit(&clib_mem_main.main_heap, memory_order_relaxed))
		scratch = mheap_alloc(NULL, SCRATCH_BYTES);
	if (scratch)
		clib_mem_current_heap = scratch;
	s = va_format(NULL, fmt, va);
	if (n) {
		uword n_text = s ? vec_len64(s) : strlen(fmt);

		n_text = clib_min(n_text, n - 1);
		memcpy(name, s ? (const char *)s : fmt, n_text);
		name[n_text] = 0;
	}
	vec_free(s);
	if (scratch) {
		clib_mem_current_heap = NULL;
		mheap_destroy(scratch);
	}
}

__clib_constructor static void
install_name_function(void)
{
	clib_mem_set_name_function(make_name);
}

/* ---- pages ---- */

u8 *
format_clib_mem_page_stats(u8 *s, va_list *va)
{
	clib_mem_page_stats_t *stats = va_arg(*va, clib_mem_page_stats_t *);
	u32 indent = format_get_indent(s) + 2;

	s = format(s, "page stats: page-size %U, total %Lu, populated %Lu, not-populated %Lu",
		   format_log2_page_size, (int)stats->log2_page_sz, stats->total, stats->populated,
		   stats->not_populated);
	if (stats->unknown)
		s = format(s, ", unknown %Lu", stats->unknown);
	for (u32 node = 0; node < CLIB_MAX_NUMAS; node++)
		if (stats->per_numa[node])
			s = format(s, "\n%Unuma %u: %Lu pages, %U bytes", format_white_space,
				   indent, node, stats->per_numa[node], format_memory_size,
				   (uword)(stats->per_numa[node] << stats->log2_page_sz));
	return s;
}

/* ---- heaps ---- */

u8 *
format_clib_mem_usage(u8 *s, va_list *va)
{
	int verbose = va_arg(*va, int);

	return format(s, "%U", format_mheap, clib_mem_get_heap(), verbose);
}

/* (uword): 1023.99M. */
static u8 *
format_two_decimals(u8 *s, va_list *va)
{
	uword n = va_arg(*va, uword);

	if (n >= GiB(1))
		return format(s, "%.2fG", (f64)n / GiB(1));
	if (n >= MiB(1))
		return format(s, "%.2fM", (f64)n / MiB(1));
	if (n >= KiB(1))
		return format(s, "%.2fK", (f64)n / KiB(1));
	return format(s, "%Lu", n);
}

/* Only what the heap committed is asked after: the rest, perhaps terabytes, is not populated. */
static u8 *
format_heap_pages(u8 *s, clib_mem_heap_t *heap)
{
	const mheap_t *h = mheap_header(heap);
	clib_mem_page_sz_t log2 = clib_mem_get_heap_log2_page_size(heap);
	uword base = (uword)clib_mem_get_heap_base(heap), n_all, n_asked;
	clib_mem_page_stats_t stats;

	n_all = round_pow2(h->vm_alloc_size, 1ULL << log2) >> log2;
	n_asked = round_pow2((uword)heap + h->n_committed_bytes - base, 1ULL << log2) >> log2;
	n_asked = clib_min(n_asked, n_all);
	clib_mem_get_page_stats((void *)base, log2, n_asked, &stats);
	stats.total = n_all;
	stats.not_populated += n_all - n_asked;
	return format(s, "%U", format_clib_mem_page_stats, &stats);
}

u8 *
format_clib_mem_heap(u8 *s, va_list *va)
{
	clib_mem_heap_t *heap = va_arg(*va, clib_mem_heap_t *);
	int verbose = va_arg(*va, int);
	u32 indent = format_get_indent(s) + 2, flags;
	clib_mem_usage_t u;
	uword used;

	if (!heap)
		heap = clib_mem_get_heap();
	if (!heap)
		return format(s, "no heap");
	flags = clib_mem_get_heap_flags(heap);
	s = format(s, "base %p, size %U%s%s%s, name '%s'", clib_mem_get_heap_base(heap),
		   format_memory_size, (uword)mheap_header(heap)->vm_alloc_size,
		   flags & CLIB_MEM_HEAP_F_LOCKED ? ", locked" : "",
		   flags & CLIB_MEM_HEAP_F_TRACED ? ", traced" : "",
		   flags & CLIB_MEM_HEAP_F_UNMAP_ON_DESTROY ? ", unmap-on-destroy" : "",
		   clib_mem_get_heap_name(heap));
	s = format(s, "\n%U", format_white_space, indent);
	s = format_heap_pages(s, heap);
	mheap_usage(heap, &u);
	used = clib_min(u.bytes_max, u.bytes_used + u.bytes_overhead);
	s = format(s, "\n%Utotal: %U, used: %U, free: %U", format_white_space, indent,
		   format_two_decimals, u.bytes_max, format_two_decimals, used, format_two_decimals,
		   u.bytes_max - used);
	if (verbose > 0)
		s = format(s, "\n%U%U", format_white_space, indent, format_mheap, heap, verbose);
	return s;
}

u8 *
format_clib_mem_bulk(u8 *s, va_list *va)
{
	clib_mem_bulk_handle_t h = va_arg(*va, clib_mem_bulk_handle_t);
	u32 indent = format_get_indent(s) + 2;
	clib_mem_bulk_info_t b;

	if (!h)
		return format(s, "no bulk");
	clib_mem_bulk_get_info(h, &b);
	return format(s,
		      "%u bytes/elt, align %u, %u elts/chunk, chunk size %Lu bytes"
		      "\n%Ufull chunks: %u, avail chunks: %u, elts: %Lu",
		      b.elt_sz, b.align, b.n_per_chunk, b.chunk_bytes, format_white_space, indent,
		      b.n_full, b.n_chunks - b.n_full, b.n_elts);
}
