/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over all of a cache: what does not agree is a bug of ours, or somebody else's stray
 * write.  Other threads are held off their magazines meanwhile, and slabs and depot are locked. */
#include "kmem_impl.h"

#include <stdarg.h>

typedef struct {
	kmem_t *k;
	char *what;
	size_t n_what;
	int error;
	/* Addresses found in magazines; NULL when there was no memory for them. */
	uword *found;
	u64 n_found, n_room;
} check_t;

static void __attribute__((format(printf, 2, 3))) fault(check_t *c, const char *format, ...)
{
	va_list va;

	if (c->error)
		return;
	c->error = -EUCLEAN;
	if (c->what == NULL)
		return;
	va_start(va, format);
	vsnprintf(c->what, c->n_what, format, va);
	va_end(va);
}

/* ---- slabs ---- */

static void
check_free_object(check_t *c, kmem_slab_t *s, u32 i)
{
	kmem_t *k = c->k;
	const u8 *object = (const u8 *)kmem_object_at(k, s, i);
	word offset;

	if (s->states && kmem_load(&s->states[i]))
		fault(c, "object %p is in its slab and with a caller", (const void *)object);
	if (!(k->flags & CLIB_KMEM_POISON))
		return;
	offset = kmem_debug_check_poison(k, object);
	if (offset != KMEM_NO_FAULT)
		fault(c, "object %p: written after free at byte %lld", (const void *)object,
		      (long long)offset);
}

static void
check_redzones(check_t *c, kmem_slab_t *s, u32 i)
{
	const u8 *object = (const u8 *)kmem_object_at(c->k, s, i);
	word left = kmem_debug_check_left(c->k, object);
	word right = kmem_debug_check_right(c->k, object);

	if (left != KMEM_NO_FAULT || right != KMEM_NO_FAULT)
		fault(c, "object %p: red zone written at byte %lld", (const void *)object,
		      (long long)(left != KMEM_NO_FAULT ? left : right));
}

static void
check_slab(check_t *c, kmem_slab_t *s, u32 list)
{
	kmem_t *k = c->k;
	u32 n_free = 0, first_word = k->n_words;

	for (u32 w = 0; w < k->n_words; w++) {
		n_free += (u32)count_set_bits(s->free_bits[w]);
		if (s->free_bits[w] && first_word == k->n_words)
			first_word = w;
	}
	if (s->list != list)
		fault(c, "slab %p is in list %u and says %u", (void *)s->start, list, s->list);
	if (s->n_inuse + n_free != s->n_objects)
		fault(c, "slab %p: %u in use and %u free of %u", (void *)s->start, s->n_inuse,
		      n_free, s->n_objects);
	if (s->hint > first_word)
		fault(c, "slab %p: first free object is before the hint", (void *)s->start);
	if (list != (s->n_inuse == 0              ? KMEM_LIST_EMPTY
		     : s->n_inuse == s->n_objects ? KMEM_LIST_FULL
						  : KMEM_LIST_PARTIAL))
		fault(c, "slab %p: wrong list for %u in use", (void *)s->start, s->n_inuse);
	if (s->base < s->start ||
	    s->base + s->n_objects * k->chunk_bytes - s->start > k->slab_bytes)
		fault(c, "slab %p: objects do not lie inside", (void *)s->start);
	if (kmem_hash_lookup(k, s->start >> k->log2_slab_align) != s)
		fault(c, "slab %p is not in the table", (void *)s->start);
	for (u32 i = 0; i < s->n_objects; i++) {
		if (s->free_bits[i / 64] >> (i % 64) & 1)
			check_free_object(c, s, i);
		if (k->flags & CLIB_KMEM_REDZONE)
			check_redzones(c, s, i);
	}
}

static void
check_slabs(check_t *c)
{
	kmem_t *k = c->k;
	u64 n_taken = 0;

	for (u32 list = 0; list < KMEM_N_LISTS; list++) {
		kmem_slab_t *prev = NULL;
		u64 n = 0;

		for (kmem_slab_t *s = k->lists[list]; s; prev = s, s = s->next, n++) {
			if (s->prev != prev) {
				fault(c, "slab %p: links disagree", (void *)s->start);
				return;
			}
			check_slab(c, s, list);
			n_taken += s->n_inuse;
		}
		if (n != kmem_load(&k->n_slabs[list]))
			fault(c, "list %u has %llu slabs, counted %llu", list,
			      (unsigned long long)n,
			      (unsigned long long)kmem_load(&k->n_slabs[list]));
	}
	if (n_taken != kmem_load(&k->n_taken))
		fault(c, "%llu objects out of slabs, counted %llu", (unsigned long long)n_taken,
		      (unsigned long long)kmem_load(&k->n_taken));
}

/* ---- magazines ---- */

static void
check_round(check_t *c, uword addr)
{
	kmem_slab_t *s;
	u32 i;

	if (kmem_slab_find(c->k, addr, &s, &i) != CLIB_KMEM_N_ERRORS)
		fault(c, "0x%llx in a magazine is no object", (unsigned long long)addr);
	else if (s->free_bits[i / 64] >> (i % 64) & 1)
		fault(c, "object 0x%llx is in its slab and in a magazine",
		      (unsigned long long)addr);
	else if (s->states && kmem_load(&s->states[i]))
		fault(c, "object 0x%llx is with a caller and in a magazine",
		      (unsigned long long)addr);
	if (c->found && c->n_found < c->n_room)
		c->found[c->n_found] = addr;
	c->n_found++;
}

static void
check_magazine(check_t *c, const kmem_magazine_t *m, u32 n)
{
	if (n > kmem_magazine_capacity(m->class))
		fault(c, "a magazine with %u rounds has room for %u", n,
		      kmem_magazine_capacity(m->class));
	for (u32 i = 0; i < n && !c->error; i++)
		check_round(c, (uword)m->rounds[i]);
}

static void
check_thread(check_t *c, const clib_kmem_cpu_t *cpu)
{
	u32 n = kmem_load(&cpu->state) & 0xffff;

	if (cpu->loaded)
		check_magazine(c, cpu->loaded, n);
	else if (n)
		fault(c, "%u rounds without a magazine", n);
	if (cpu->previous) {
		check_magazine(c, cpu->previous, cpu->previous->n);
		if (kmem_load(&cpu->n_previous) != cpu->previous->n)
			fault(c, "previous magazine has %u rounds, counted %u", cpu->previous->n,
			      kmem_load(&cpu->n_previous));
	}
}

static void
check_depot(check_t *c)
{
	kmem_t *k = c->k;
	u64 n_full = 0, n_empty = 0, n_objects = 0;

	for (kmem_magazine_t *m = k->full; m; m = m->next) {
		n_full++;
		n_objects += m->n;
		check_magazine(c, m, m->n);
	}
	for (kmem_magazine_t *m = k->empty; m; m = m->next, n_empty++)
		if (m->n)
			fault(c, "an empty magazine has %u rounds", m->n);
	if (n_full != kmem_load(&k->n_full) || n_empty != kmem_load(&k->n_empty) ||
	    n_objects != kmem_load(&k->n_depot_objects))
		fault(c, "depot has %llu full, %llu empty, %llu objects; counted otherwise",
		      (unsigned long long)n_full, (unsigned long long)n_empty,
		      (unsigned long long)n_objects);
}

/* Heapsort: in place, no recursion (Williams, 1964). */
static void
sift_down(uword *v, u64 i, u64 n)
{
	for (u64 child; (child = 2 * i + 1) < n; i = child) {
		uword x = v[i];

		if (child + 1 < n && v[child + 1] > v[child])
			child++;
		if (x >= v[child])
			return;
		v[i] = v[child];
		v[child] = x;
	}
}

static void
check_no_duplicates(check_t *c)
{
	u64 n = c->found ? clib_min(c->n_found, c->n_room) : 0;

	for (u64 i = n / 2; i-- > 0;)
		sift_down(c->found, i, n);
	for (u64 i = n; i-- > 1;) {
		uword x = c->found[0];

		c->found[0] = c->found[i];
		c->found[i] = x;
		sift_down(c->found, 0, i);
	}
	for (u64 i = 1; i < n; i++)
		if (c->found[i] == c->found[i - 1])
			fault(c, "object 0x%llx is in two magazines",
			      (unsigned long long)c->found[i]);
}

int
clib_kmem_cache_check(clib_kmem_cache_t *cache, char *what, size_t n_what)
{
	u32 limit = clib_thread_index_limit();
	check_t c = { .k = kmem_of(cache), .what = what, .n_what = n_what };
	kmem_t *k = c.k;
	uword n_bytes;

	/* Room for what is cached now, and as much again. */
	c.n_room = 2 * (kmem_n_in_threads(k) + kmem_load(&k->n_depot_objects)) + 1024;
	n_bytes = c.n_room * sizeof(uword);
	c.found = kmem_meta_alloc(n_bytes, false);

	kmem_depot_lock(k);
	if (k->cpu_offset && kmem_claim(k, false))
		c.error = -EAGAIN;
	kmem_slab_lock(k);
	if (!c.error) {
		check_slabs(&c);
		for (u32 i = 0; i < limit; i++)
			if (kmem_part(k, i))
				check_thread(&c, kmem_part(k, i));
		check_depot(&c);
		if (c.n_found > kmem_load(&k->n_taken))
			fault(&c, "%llu objects in magazines, %llu out of slabs",
			      (unsigned long long)c.n_found,
			      (unsigned long long)kmem_load(&k->n_taken));
	}
	kmem_slab_unlock(k);
	kmem_unclaim(k);
	kmem_unlock(&k->depot_lock);

	if (!c.error)
		check_no_duplicates(&c);
	if (c.found)
		kmem_meta_free(c.found, n_bytes);
	return c.error;
}
