/* SPDX-License-Identifier: Apache-2.0 */
/* A session table on a pool, as a program of 18.07 keeps one: objects named by index, loops with
 * their body as an argument, the header's own fields looked at, a fixed pool for what must not
 * move.
 *
 *   test_pool [sessions N] [rounds N] [seed N] [fixed N] [verbose] */
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>

#ifdef __KERNEL__
#	include <linux/unistd.h>
#else
#	include <unistd.h>
#endif

typedef struct {
	u32 index;
	u32 generation;
	u64 cookie;
	u32 *packets;
} session_t;

typedef struct {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	u32 thread;
	u64 counters[9];
} worker_t;

typedef struct {
	session_t *sessions;
	worker_t *workers;
	u32 *order;
	u32 seed;
	u32 n_sessions;
	u32 n_rounds;
	u32 n_fixed;
	int verbose;
} main_t;

static main_t main_data;

#define SEPARATE(truth)                                                                            \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			clib_warning("not so: %s", #truth);                                        \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static session_t *
session_add(main_t *m)
{
	session_t *s;

	pool_get(m->sessions, s);
	memset(s, 0, sizeof(s[0]));
	s->index = s - m->sessions;
	s->cookie = s->index * 0x9e3779b97f4a7c15ULL;
	vec_add1(s->packets, s->index);
	return s;
}

static void
session_del(main_t *m, session_t *s)
{
	vec_free(s->packets);
	pool_put(m->sessions, s);
}

static u8 *
format_session(u8 *s, va_list *va)
{
	session_t *session = va_arg(*va, session_t *);

	return format(s, "[%d] generation %d cookie %016llx packets %U", session->index,
		      session->generation, session->cookie, format_vec32, session->packets, "%d");
}

/* The pool, its bitmap and its stack say the same. */
static void
check_sessions(main_t *m)
{
	uword n = 0, n_by_index = 0, n_by_region = 0, n_by_next = 0, i, lo, hi, next;
	session_t *s;

	pool_validate(m->sessions);
	/* *INDENT-OFF* */
	pool_foreach (s, m->sessions, ({
			      u32 expected[2] = { s->index, s->generation }, *p;

			      SEPARATE(s == pool_elt_at_index(m->sessions, s->index));
			      SEPARATE(!pool_is_free(m->sessions, s));
			      vec_foreach (p, s->packets)
				      SEPARATE(p[0] == expected[0]);
			      if (s->index % 2)
				      continue;
			      n++;
		      }))
		;
	pool_foreach (s, m->sessions, ({ n += s->index % 2; }))
		;
	pool_foreach_index (i, m->sessions, ({
				    SEPARATE(!pool_is_free_index(m->sessions, i));
				    n_by_index++;
			    }))
		;
	pool_foreach_region(lo, hi, m->sessions, ({
				    SEPARATE(lo < hi && hi <= pool_len(m->sessions));
				    SEPARATE(lo == 0 || pool_is_free_index(m->sessions, lo - 1));
				    n_by_region += hi - lo;
			    }));
	/* *INDENT-ON* */
	next = ~0;
	while ((next = pool_next_index(m->sessions, next)) != ~0)
		n_by_next++;
	SEPARATE(n == pool_elts(m->sessions));
	SEPARATE(n == n_by_index && n == n_by_region && n == n_by_next);
	if (m->sessions) {
		pool_header_t *h = pool_header(m->sessions);

		SEPARATE(clib_bitmap_count_set_bits(h->free_bitmap) == vec_len(h->free_indices));
		SEPARATE(pool_len(m->sessions) == n + vec_len(h->free_indices));
		SEPARATE(pool_free_elts(m->sessions) >= vec_len(h->free_indices));
	}
}

static void
churn(main_t *m)
{
	session_t *s;
	u32 i, round, n_victims, last, *victims = 0, *v;
	int expand;

	for (round = 0; round < m->n_rounds; round++) {
		while (pool_elts(m->sessions) < m->n_sessions) {
			pool_get_will_expand(m->sessions, expand);
			i = m->sessions ? pool_len(m->sessions) : 0;
			s = session_add(m);
			s->generation = round;
			/* A free index is used before a new one, and then nothing expands. */
			SEPARATE(!expand || s->index == i);
		}
		check_sessions(m);

		n_victims = 1 + random_u32(&m->seed) % m->n_sessions;
		vec_reset_length(victims);
		/* *INDENT-OFF* */
		pool_foreach (s, m->sessions, ({
				      if ((random_u32(&m->seed) >> 16) % m->n_sessions < n_victims)
					      vec_add1(victims, s->index);
			      }))
			;
		/* *INDENT-ON* */
		vec_foreach (v, victims) {
			s = pool_elt_at_index(m->sessions, *v);
			pool_put_will_expand(m->sessions, s, expand);
			SEPARATE(expand == 0 || expand == 1);
			session_del(m, s);
			SEPARATE(pool_is_free_index(m->sessions, *v));
		}
		check_sessions(m);
		/* Last in, first out. */
		if (vec_len(victims)) {
			last = victims[vec_len(victims) - 1];
			s = session_add(m);
			SEPARATE(s->index == last);
		}
		if (m->verbose)
			fformat(stdout, "round %d: %d freed, %d live, %d bytes\n", round,
				vec_len(victims), pool_elts(m->sessions), pool_bytes(m->sessions));
	}
	vec_free(victims);
}

/* Objects may be put while the loop is at them. */
static void
delete_while_walking(main_t *m)
{
	session_t *s;
	u32 n = pool_elts(m->sessions), n_gone = 0;

	/* *INDENT-OFF* */
	pool_foreach (s, m->sessions, ({
			      if (s->index % 3 == 0) {
				      session_del(m, s);
				      n_gone++;
			      }
		      }))
		;
	/* *INDENT-ON* */
	SEPARATE(pool_elts(m->sessions) == n - n_gone);
	check_sessions(m);
	pool_flush(s, m->sessions, ({ vec_free(s->packets); }));
	SEPARATE(pool_elts(m->sessions) == 0);
	check_sessions(m);
	pool_free(m->sessions);
	SEPARATE(m->sessions == 0);
}

static void
aligned_workers(main_t *m)
{
	worker_t *w, *copy, *c;
	int i, expand;

	for (i = 0; i < 100; i++) {
		pool_get_aligned_will_expand(m->workers, expand, CLIB_CACHE_LINE_BYTES);
		SEPARATE(i || expand);
		pool_get_aligned(m->workers, w, CLIB_CACHE_LINE_BYTES);
		SEPARATE(((uword)w & (CLIB_CACHE_LINE_BYTES - 1)) == 0);
		w->thread = i;
		w->counters[8] = i * i;
	}
	for (i = 0; i < 100; i += 7)
		pool_put_index(m->workers, i);
	copy = pool_dup(m->workers);
	SEPARATE(pool_elts(copy) == pool_elts(m->workers));
	/* *INDENT-OFF* */
	pool_foreach (w, m->workers, ({
			      c = pool_elt_at_index(copy, w - m->workers);
			      SEPARATE(c->thread == w->thread && c->counters[8] == w->counters[8]);
		      }))
		;
	/* *INDENT-ON* */
	pool_free(copy);
	pool_free(m->workers);
}

static void
fixed(main_t *m)
{
	session_t *pool = 0, *s, *first;
	int i, j;

	pool_init_fixed(pool, m->n_fixed);
	SEPARATE(pool_header(pool)->max_elts == m->n_fixed);
	first = pool;
	for (j = 0; j < 3; j++) {
		for (i = 0; i < m->n_fixed; i++) {
			pool_get(pool, s);
			SEPARATE(s != 0 && s - pool < m->n_fixed);
			s->index = s - pool;
		}
		SEPARATE(pool == first && pool_elts(pool) == m->n_fixed);
		for (i = m->n_fixed - 1; i >= 0; i--)
			pool_put_index(pool, i);
		SEPARATE(pool_elts(pool) == 0);
	}
	pool_free(pool);
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	main_t *m = &main_data;
	unformat_input_t input;
	clib_error_t *error;
	session_t *s;
	u8 *text = 0;

	clib_mem_init(0, 64ULL << 20);
	m->seed = 1;
	m->n_sessions = 300;
	m->n_rounds = 20;
	m->n_fixed = 1000;
	unformat_init_command_line(&input, argv);
	while (unformat_check_input(&input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(&input, "sessions %d", &m->n_sessions))
			;
		else if (unformat(&input, "rounds %d", &m->n_rounds))
			;
		else if (unformat(&input, "seed %d", &m->seed))
			;
		else if (unformat(&input, "fixed %d", &m->n_fixed))
			;
		else if (unformat(&input, "verbose"))
			m->verbose = 1;
		else {
			error = clib_error_return(0, "unknown input `%U'", format_unformat_error,
						  &input);
			clib_error_report(error);
			return 1;
		}
	}
	unformat_free(&input);

	check_sessions(m);
	churn(m);
	s = pool_elt_at_index(m->sessions, pool_next_index(m->sessions, ~0));
	text = format(text, "%U%c", format_session, s, 0);
	SEPARATE(!strncmp((char *)text, "[", 1) && strstr((char *)text, "packets "));
	vec_free(text);
	delete_while_walking(m);
	aligned_workers(m);
	fixed(m);
	clib_mem_validate();
	return 0;
}
#endif
