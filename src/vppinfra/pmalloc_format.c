/* SPDX-License-Identifier: Apache-2.0 */
/* pmalloc in words. */
#include "pmalloc_impl.h"

#include <stdarg.h>

void
clib_pmalloc_foreach_piece(clib_pmalloc_main_t *pm,
			   int (*fn)(const clib_pmalloc_piece_t *piece, void *arg), void *arg)
{
	uword page_bytes = clib_pmalloc_page_bytes(pm);
	clib_pmalloc_page_t *p;

	vec_foreach (p, pm->pages) {
		u8 *page = pm->base + p->index * page_bytes;
		clib_pmalloc_piece_t piece = { .arena = pm->arenas + p->arena_index };

		for (uword at = 0; p->chunks && at < page_bytes; at += piece.n_bytes) {
			uword step = 1ULL << pm->lookup_log2_page_sz;

			piece.va = page + at;
			piece.pa = clib_pmalloc_get_pa(pm, piece.va);
			piece.n_bytes = step;
			while (at + piece.n_bytes < page_bytes &&
			       clib_pmalloc_get_pa(pm, page + at + piece.n_bytes) ==
				       (piece.pa ? piece.pa + piece.n_bytes : 0))
				piece.n_bytes += step;
			if (fn(&piece, arg))
				return;
		}
	}
}

u32
clib_pmalloc_n_linear_pages(clib_pmalloc_main_t *pm)
{
	uword page_bytes = clib_pmalloc_page_bytes(pm), pa, before = 0;
	u32 n = 0;

	for (u32 i = 0; i < vec_len(pm->pages); i++, before = pa) {
		pa = clib_pmalloc_get_pa(pm, pm->base + i * page_bytes);
		n += pa && before && before + page_bytes == pa;
	}
	return n;
}

/* (clib_pmalloc_page_t *, int verbose) */
static u8 *
format_page(u8 *s, va_list *va)
{
	clib_pmalloc_page_t *p = va_arg(*va, clib_pmalloc_page_t *);
	int verbose = va_arg(*va, int);
	u32 indent = format_get_indent(s), i;

	s = format(s, "free %Lu chunks %wu free-chunks %u",
		   (u64)p->n_free_blocks << PMALLOC_LOG2_BLOCK_SZ, pool_elts(p->chunks),
		   p->n_free_chunks);
	if (verbose < 2)
		return s;
	s = format(s, "\n%U%12s%12s%8s%8s%8s%8s", format_white_space, indent + 2, "chunk offset",
		   "size", "used", "index", "prev", "next");
	for (i = p->first_chunk_index; i != PMALLOC_NONE; i = p->chunks[i].next) {
		const clib_pmalloc_chunk_t *c = p->chunks + i;

		s = format(s, "\n%U%12Lu%12Lu%8s%8u%8d%8d", format_white_space, indent + 2,
			   (u64)c->start << PMALLOC_LOG2_BLOCK_SZ,
			   (u64)c->size << PMALLOC_LOG2_BLOCK_SZ, c->used ? "yes" : "no", i,
			   c->prev, c->next);
	}
	return s;
}

static u8 *
format_arena(u8 *s, clib_pmalloc_main_t *pm, const clib_pmalloc_arena_t *a, u32 indent, int verbose)
{
	s = format(s, "\n%Uarena '%s' pages %u subpage-size %U numa-node %u", format_white_space,
		   indent, a->name, a->n_pages, format_log2_page_size, (int)a->log2_subpage_sz,
		   a->numa_node);
	if (a->flags & CLIB_PMALLOC_ARENA_F_SHARED_MEM)
		s = format(s, " shared fd %d", a->fd);
	if (a->fallback)
		s = format(s, "\n%Ufallback: %s", format_white_space, indent + 2, a->fallback);
	for (u32 i = 0; verbose > 0 && i < vec_len(a->page_indices); i++)
		s = format(s, "\n%U%U", format_white_space, indent + 2, format_page,
			   pm->pages + a->page_indices[i], verbose);
	return s;
}

u8 *
format_pmalloc(u8 *s, va_list *va)
{
	clib_pmalloc_main_t *pm = va_arg(*va, clib_pmalloc_main_t *);
	int verbose = va_arg(*va, int);
	u32 indent = format_get_indent(s) + 2;
	clib_pmalloc_arena_t *a;

	s = format(s,
		   "used-pages %u reserved-pages %u default-page-size %U lookup-page-size %U%s "
		   "linear-pa %u",
		   pm->n_committed_pages, pm->max_pages, format_log2_page_size,
		   (int)pm->def_log2_page_sz, format_log2_page_size, (int)pm->lookup_log2_page_sz,
		   pm->flags & CLIB_PMALLOC_F_NO_PAGEMAP ? " no-pagemap" : "",
		   clib_pmalloc_n_linear_pages(pm));
	if (verbose >= 2)
		s = format(s, " va-start %p", pm->base);
	if (pm->error)
		s = format(s, "\n%Ulast-error: %U", format_white_space, indent, format_clib_error,
			   pm->error);
	pool_foreach (a, pm->arenas)
		s = format_arena(s, pm, a, indent, verbose);
	return s;
}

static int
add_piece(const clib_pmalloc_piece_t *piece, void *arg)
{
	u8 **s = arg, *pa = 0;

	if (piece->pa)
		pa = format(0, "0x%Lx", piece->pa);
	else
		pa = format(0, "unknown");
	*s = format(*s, "\n%-24s%4u%18p%18v%9U", piece->arena->name, piece->arena->numa_node,
		    piece->va, pa, format_memory_size, piece->n_bytes);
	vec_free(pa);
	return 0;
}

u8 *
format_pmalloc_map(u8 *s, va_list *va)
{
	clib_pmalloc_main_t *pm = va_arg(*va, clib_pmalloc_main_t *);

	s = format(s, "%-24s%4s%18s%18s%9s", "Arena", "NUMA", "Virtual address", "Physical address",
		   "Size");
	clib_pmalloc_foreach_piece(pm, add_piece, &s);
	return s;
}
