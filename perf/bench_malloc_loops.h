/* SPDX-License-Identifier: Apache-2.0 */
/* The timed loops for one allocator.  Included once for each, after
 *
 *   LOOPS(name)            the names here, made this allocator's own
 *   START, TRIM            functions of bench_loops_t
 *   ALLOC(n)               an object of n bytes, NULL when refused
 *   FREE(p)
 *   RESIZE(p, n_old, n)    p with at least n bytes, moved if need be; p may be NULL
 *
 * and, where the allocator has such calls, ALLOC_BURST(n_bytes, n, pointers), which returns how
 * many it got, and FREE_BURST(n, pointers).  The first word of each object is written: memory that
 * nobody touches is not what an allocator is for. */

static void
LOOPS(pair)(bench_work_t *w, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t *p = ALLOC(BENCH_PAIR_BYTES);

		if (__builtin_expect(!p, 0)) {
			w->n_refused++;
			continue;
		}
		*p = i;
		bench_keep(p);
		FREE(p);
	}
}

static void
LOOPS(burst)(bench_work_t *w, uint64_t n)
{
	uint64_t *p[BENCH_BURST];

	for (uint64_t i = 0; i < n; i += BENCH_BURST) {
#ifdef ALLOC_BURST
		if (ALLOC_BURST(BENCH_BURST_BYTES, BENCH_BURST, (void **)p) != BENCH_BURST) {
			w->n_refused++;
			continue;
		}
		for (uint32_t j = 0; j < BENCH_BURST; j++)
			*p[j] = i;
		bench_keep(p);
		FREE_BURST(BENCH_BURST, (void **)p);
#else
		for (uint32_t j = 0; j < BENCH_BURST; j++) {
			p[j] = ALLOC(BENCH_BURST_BYTES);
			if (__builtin_expect(!p[j], 0)) {
				w->n_refused++;
				continue;
			}
			*p[j] = i;
			bench_keep(p[j]);
		}
		for (uint32_t j = 0; j < BENCH_BURST; j++)
			FREE(p[j]);
#endif
	}
}

static void
LOOPS(replace)(bench_work_t *w, uint64_t n)
{
	void **objects = w->objects;

	for (uint64_t i = 0; i < n; i++) {
		bench_choice_t c = w->choices[i];
		uint64_t *p;

		FREE(objects[c.slot]);
		p = ALLOC(c.n_bytes);
		objects[c.slot] = p;
		if (__builtin_expect(!p, 0))
			w->n_refused++;
		else
			*p = i;
	}
}

static void
LOOPS(latency)(bench_work_t *w, uint64_t n)
{
	bench_histogram_t *h = w->histogram;
	void **objects = w->objects;

	for (uint64_t i = 0; i < n; i++) {
		bench_choice_t c = w->choices[i];
		uint64_t *p, before, clocks;

		FREE(objects[c.slot]);
		before = bench_clock_start();
		p = ALLOC(c.n_bytes);
		clocks = bench_clock_stop() - before;
		objects[c.slot] = p;
		if (__builtin_expect(!p, 0))
			w->n_refused++;
		else
			*p = i;
		h->n[bench_histogram_bin(clocks)]++;
		if (clocks > h->greatest)
			h->greatest = clocks;
	}
}

static void
LOOPS(produce)(bench_work_t *w, uint64_t n)
{
	bench_ring_t *r = w->ring;
	uint32_t head = r->head;

	for (uint64_t i = 0; i < n; i += BENCH_BURST) {
		bench_wait_while(head - atomic_load_explicit(&r->tail, memory_order_acquire) >
				 BENCH_RING_SLOTS - BENCH_BURST);
		for (uint32_t j = 0; j < BENCH_BURST; j++) {
			uint64_t *p = ALLOC(BENCH_BURST_BYTES);

			if (__builtin_expect(!p, 0))
				w->n_refused++;
			else
				*p = 1;
			r->slots[head++ % BENCH_RING_SLOTS] = p;
		}
		/* Release: the objects and slots above, for consume()'s acquire. */
		atomic_store_explicit(&r->head, head, memory_order_release);
	}
}

static void
LOOPS(consume)(bench_work_t *w, uint64_t n)
{
	bench_ring_t *r = w->ring;
	uint32_t tail = r->tail;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i += BENCH_BURST) {
		bench_wait_while(atomic_load_explicit(&r->head, memory_order_acquire) - tail <
				 BENCH_BURST);
		for (uint32_t j = 0; j < BENCH_BURST; j++) {
			uint64_t *p = r->slots[tail++ % BENCH_RING_SLOTS];

			if (__builtin_expect(!p, 0))
				continue;
			sum += *p;
			FREE(p);
		}
		/* Release: the slots have been read; produce() acquires. */
		atomic_store_explicit(&r->tail, tail, memory_order_release);
	}
	bench_keep(sum);
}

static void
LOOPS(push)(bench_work_t *w, uint64_t n)
{
	uint32_t n_vectors = w->n_vectors;

	for (uint64_t i = 0; i < n; i += n_vectors) {
		for (uint32_t k = 0; k < n_vectors; k++) {
			bench_vector_t *v = &w->vectors[k];

			if (__builtin_expect(v->len == v->capacity, 0)) {
				uint32_t more = v->capacity + v->capacity / 2 + 8;
				void *p = RESIZE(v->data, v->capacity * sizeof(v->data[0]),
						 more * sizeof(v->data[0]));

				if (!p) {
					w->n_refused++;
					continue;
				}
				v->data = p;
				v->capacity = more;
			}
			v->data[v->len++] = i;
		}
	}
}

static void *
LOOPS(alloc)(size_t n_bytes)
{
	return ALLOC(n_bytes);
}

static void
LOOPS(free)(void *p)
{
	FREE(p);
}

static const bench_loops_t LOOPS(loops) = {
	.start = START,
	.trim = TRIM,
	.alloc = LOOPS(alloc),
	.free = LOOPS(free),
	.pair = LOOPS(pair),
	.burst = LOOPS(burst),
	.replace = LOOPS(replace),
	.latency = LOOPS(latency),
	.produce = LOOPS(produce),
	.consume = LOOPS(consume),
	.push = LOOPS(push),
};

#undef LOOPS
#undef START
#undef TRIM
#undef ALLOC
#undef FREE
#undef RESIZE
#undef ALLOC_BURST
#undef FREE_BURST
