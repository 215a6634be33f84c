/* SPDX-License-Identifier: Apache-2.0 */
/* The traces as a vector and in words: above vec and format, so for control threads. */
#include <stdarg.h>
#include <stdlib.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include "mheap_impl.h"

#define N_ROWS 50            /* of a table that is not verbose, as in VPP */
#define MIN_SHOWN_BYTES 1024 /* the same */
#define N_SHOWN_MISUSES 4    /* the latest */
/* Sites that may be new while the vector is made. */
#define N_MORE_SITES 64

static int
by_bytes_then_count(const void *a, const void *b)
{
	const mheap_trace_t *x = a, *y = b;

	if (x->n_bytes != y->n_bytes)
		return x->n_bytes < y->n_bytes ? 1 : -1;
	return x->n_allocations < y->n_allocations   ? 1
	       : x->n_allocations > y->n_allocations ? -1
						     : 0;
}

mheap_trace_t *
mheap_trace_dup(const void *v)
{
	int was_on = mheap_trace_thread_enable(0);
	mheap_trace_t *traces = NULL;
	mheap_trace_info_t info;
	u32 cursor = 0, n;

	mheap_trace_find_samples(v);
	mheap_trace_info(v, &info);
	if (info.n_sites)
		vec_validate(traces, info.n_sites + N_MORE_SITES - 1);
	mheap_trace_thread_enable(was_on);
	if (!traces)
		return NULL;
	n = mheap_trace_read(v, &cursor, traces, (u32)vec_len(traces));
	vec_set_len(traces, n);
	qsort(traces, n, sizeof(traces[0]), by_bytes_then_count);
	return traces;
}

/* One a line, under the first. */
static u8 *
format_callers(u8 *s, const uword *callers)
{
	u32 n = mheap_trace_n_callers(callers), column = format_get_indent(s);

	for (u32 i = 0; i < n; i++) {
		if (i)
			s = format(s, "\n%U", format_white_space, column);
		s = format(s, " %U", format_clib_symbol, callers[i]);
	}
	return s;
}

static u8 *
format_row(u8 *s, const void *v, const mheap_trace_t *t, u32 indent)
{
	s = format(s, "\n%U%9Lu%9Lu", format_white_space, indent, t->n_bytes, t->n_allocations);
	if (t->offset != ~(uword)0)
		s = format(s, " 0x%012wx ", (uword)v + t->offset);
	else
		s = format(s, " %14s ", "-");
	return format_callers(s, t->callers);
}

static u8 *
format_who(u8 *s, const char *what, const uword *callers, u32 indent)
{
	if (!callers[0])
		return s;
	s = format(s, "\n%U%-13s", format_white_space, indent, what);
	return format_callers(s, callers);
}

static u8 *
format_misuses(u8 *s, const void *v, u32 indent)
{
	mheap_trace_misuse_t misuses[N_SHOWN_MISUSES];
	u32 n = mheap_trace_misuses(v, misuses, ARRAY_LEN(misuses));

	for (u32 i = 0; i < n; i++) {
		s = format(s, "\n%U0x%wx: %s", format_white_space, indent,
			   (uword)v + misuses[i].offset, misuses[i].what);
		s = format_who(s, "put by", misuses[i].put_callers, indent + 2);
		s = format_who(s, "got by", misuses[i].get_callers, indent + 2);
		s = format_who(s, "put first by", misuses[i].free_callers, indent + 2);
	}
	return s;
}

static u8 *
format_sites(u8 *s, const void *v, const mheap_trace_t *traces, int verbose, u32 indent)
{
	const mheap_trace_t *t;
	u32 n_shown = 0;

	s = format(s, "%=9s%=9s%=15s %s", "Bytes", "Count", "Sample", "Traceback");
	vec_foreach (t, traces) {
		if (!verbose && (n_shown == N_ROWS || t->n_bytes < MIN_SHOWN_BYTES))
			break;
		s = format_row(s, v, t, indent);
		n_shown++;
	}
	if (n_shown < vec_len(traces))
		s = format(s, "\n%U%wd smaller sites", format_white_space, indent,
			   (uword)vec_len(traces) - n_shown);
	return s;
}

u8 *
format_mheap_trace(u8 *s, va_list *va)
{
	const void *v = va_arg(*va, void *);
	int verbose = va_arg(*va, int), was_on = mheap_trace_thread_enable(0);
	mheap_trace_t *traces = mheap_trace_dup(v);
	u32 indent = format_get_indent(s);
	mheap_trace_info_t info;

	mheap_trace_info(v, &info);
	if (info.sample_bytes)
		s = format(s, "sampled, one in %wd bytes: bytes and counts are estimates\n%U",
			   info.sample_bytes, format_white_space, indent);
	if (vec_len(traces)) {
		s = format_sites(s, v, traces, verbose, indent);
		s = format(s, "\n%U%Lu total traced objects", format_white_space, indent,
			   info.n_allocations);
	} else {
		s = format(s, "no traced allocations");
	}
	if (info.n_untraced)
		s = format(s, "\n%U%Lu objects untraced: no room for their sites",
			   format_white_space, indent, info.n_untraced);
	s = format_misuses(s, v, indent);
	vec_free(traces);
	mheap_trace_thread_enable(was_on);
	return s;
}
