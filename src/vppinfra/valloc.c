/* SPDX-License-Identifier: Apache-2.0 */
/* The treap has all chunks, busy ones with a free size of 0, so it also answers which chunk lies
 * before an address.  Chunks are named by pool index: the pool moves when it grows.  What needs
 * memory is had before anything is changed. */
#include <vppinfra/valloc.h>

#include <stdarg.h>
#include <stdio.h>
#include <vppinfra/mem.h>

#define NONE (~(u32)0)

/* ---- treap ---- */

static uword
max_free_of(const clib_valloc_main_t *vam, u32 i)
{
	return i == NONE ? 0 : vam->chunks[i].max_free;
}

static uword
free_size(const clib_valloc_chunk_t *c)
{
	return c->flags & CLIB_VALLOC_BUSY ? 0 : c->size;
}

/* Recompute one node from its children. */
static void
update_node(clib_valloc_main_t *vam, u32 i)
{
	clib_valloc_chunk_t *c = vam->chunks + i;
	uword children = clib_max(max_free_of(vam, c->left), max_free_of(vam, c->right));

	c->max_free = clib_max(free_size(c), children);
}

/* A chunk's size or state changed, or something below it. */
static void
update_up(clib_valloc_main_t *vam, u32 i)
{
	for (; i != NONE; i = vam->chunks[i].parent)
		update_node(vam, i);
}

/* The link that points to node i. */
static u32 *
link_to(clib_valloc_main_t *vam, u32 i)
{
	u32 parent = vam->chunks[i].parent;

	if (parent == NONE)
		return &vam->root;
	return vam->chunks[parent].left == i ? &vam->chunks[parent].left
					     : &vam->chunks[parent].right;
}

/* Swap node i with its parent, order kept. */
static void
rotate_up(clib_valloc_main_t *vam, u32 i)
{
	clib_valloc_chunk_t *c = vam->chunks + i, *p = vam->chunks + c->parent;
	u32 parent = c->parent, inner;

	*link_to(vam, parent) = i;
	if (p->left == i) {
		inner = p->left = c->right;
		c->right = parent;
	} else {
		inner = p->right = c->left;
		c->left = parent;
	}
	if (inner != NONE)
		vam->chunks[inner].parent = parent;
	c->parent = p->parent;
	p->parent = i;
	update_node(vam, parent);
	update_node(vam, i);
}

static void
tree_insert(clib_valloc_main_t *vam, u32 i)
{
	clib_valloc_chunk_t *c = vam->chunks + i;
	u32 *link = &vam->root;

	c->left = c->right = c->parent = NONE;
	while (*link != NONE) {
		c->parent = *link;
		link = c->baseva < vam->chunks[*link].baseva ? &vam->chunks[*link].left
							     : &vam->chunks[*link].right;
	}
	*link = i;
	/* Marsaglia's xorshift, 2003. */
	vam->random_state ^= vam->random_state << 13;
	vam->random_state ^= vam->random_state >> 7;
	vam->random_state ^= vam->random_state << 17;
	c->priority = (u32)(vam->random_state >> 32);
	update_up(vam, i);
	while (c->parent != NONE && vam->chunks[c->parent].priority < c->priority)
		rotate_up(vam, i);
}

static void
tree_remove(clib_valloc_main_t *vam, u32 i)
{
	clib_valloc_chunk_t *c = vam->chunks + i;
	u32 parent;

	while (c->left != NONE || c->right != NONE) {
		if (c->left == NONE)
			rotate_up(vam, c->right);
		else if (c->right == NONE ||
			 vam->chunks[c->left].priority > vam->chunks[c->right].priority)
			rotate_up(vam, c->left);
		else
			rotate_up(vam, c->right);
	}
	parent = c->parent;
	*link_to(vam, i) = NONE;
	update_up(vam, parent);
}

/* The lowest free chunk of at least `size`, NONE if there is none. */
static u32
first_fit(const clib_valloc_main_t *vam, uword size)
{
	u32 i = vam->root;

	if (max_free_of(vam, i) < size)
		return NONE;
	for (;;) {
		const clib_valloc_chunk_t *c = vam->chunks + i;

		if (max_free_of(vam, c->left) >= size)
			i = c->left;
		else if (free_size(c) >= size)
			return i;
		else
			i = c->right;
	}
}

/* The last chunk that starts at or below an address, NONE if there is none. */
static u32
last_at_or_below(const clib_valloc_main_t *vam, uword address)
{
	u32 i = vam->root, best = NONE;

	while (i != NONE) {
		if (vam->chunks[i].baseva <= address) {
			best = i;
			i = vam->chunks[i].right;
		} else {
			i = vam->chunks[i].left;
		}
	}
	return best;
}

/* ---- chunks ---- */

/* A free chunk in hash, list and tree, behind `prev`.  @return its index; NONE: no memory */
static u32
insert_chunk(clib_valloc_main_t *vam, uword baseva, uword size, u32 prev)
{
	clib_valloc_chunk_t *c;
	u32 i;

	if (pool_get_zero(vam->chunks, c))
		return NONE;
	i = (u32)(c - vam->chunks);
	if (hash_set(vam->chunk_index_by_baseva, baseva, i)) {
		pool_put_index(vam->chunks, i);
		return NONE;
	}
	c->baseva = baseva;
	c->size = size;
	c->prev = prev;
	c->next = prev == NONE ? vam->first_index : vam->chunks[prev].next;
	if (c->next != NONE)
		vam->chunks[c->next].prev = i;
	*(prev == NONE ? &vam->first_index : &vam->chunks[prev].next) = i;
	tree_insert(vam, i);
	return i;
}

static void
remove_chunk(clib_valloc_main_t *vam, u32 i)
{
	clib_valloc_chunk_t *c = vam->chunks + i;

	tree_remove(vam, i);
	*(c->prev == NONE ? &vam->first_index : &vam->chunks[c->prev].next) = c->next;
	if (c->next != NONE)
		vam->chunks[c->next].prev = c->prev;
	hash_unset(vam->chunk_index_by_baseva, c->baseva);
	pool_put_index(vam->chunks, i);
}

/* Whether chunk b begins where a ends, and both are free. */
static int
can_merge(const clib_valloc_main_t *vam, u32 a, u32 b)
{
	const clib_valloc_chunk_t *ca = vam->chunks + a, *cb = vam->chunks + b;

	return a != NONE && b != NONE && !((ca->flags | cb->flags) & CLIB_VALLOC_BUSY) &&
	       ca->baseva + ca->size == cb->baseva;
}

/* One chunk of the free chunk i and its free neighbours. */
static void
merge(clib_valloc_main_t *vam, u32 i)
{
	u32 prev = vam->chunks[i].prev, next = vam->chunks[i].next;

	if (can_merge(vam, i, next)) {
		vam->chunks[i].size += vam->chunks[next].size;
		remove_chunk(vam, next);
	}
	if (can_merge(vam, prev, i)) {
		vam->chunks[prev].size += vam->chunks[i].size;
		remove_chunk(vam, i);
		i = prev;
	}
	update_up(vam, i);
}

/* ---- public ---- */

int
clib_valloc_init(clib_valloc_main_t *vam, clib_valloc_chunk_t *template_chunk, int need_lock)
{
	int rv = 0;

	if (vam->flags & CLIB_VALLOC_INITIALIZED)
		return -EALREADY;
	memset(vam, 0, sizeof(*vam));
	vam->first_index = vam->root = NONE;
	vam->random_state = 0x9e3779b97f4a7c15ull;
	vam->flags = CLIB_VALLOC_INITIALIZED;
	/* Both remember their heap from here on. */
	vam->chunk_index_by_baseva = hash_create(0, sizeof(uword));
	if (!vam->chunk_index_by_baseva || pool_alloc(vam->chunks, 1) ||
	    (need_lock && clib_spinlock_init(&vam->lock)))
		rv = -ENOMEM;
	if (!rv && template_chunk)
		rv = clib_valloc_add_chunk(vam, template_chunk);
	if (rv)
		clib_valloc_destroy(vam);
	return rv;
}

void
clib_valloc_destroy(clib_valloc_main_t *vam)
{
	pool_free(vam->chunks);
	hash_free(vam->chunk_index_by_baseva);
	clib_spinlock_free(&vam->lock);
	memset(vam, 0, sizeof(*vam));
}

/* The place of a new chunk: the chunk before it, or an error. */
static int
find_place(const clib_valloc_main_t *vam, uword baseva, uword size, u32 *prev)
{
	uword end = baseva + size;
	u32 next;

	*prev = last_at_or_below(vam, baseva);
	next = *prev == NONE ? vam->first_index : vam->chunks[*prev].next;
	if (*prev != NONE && vam->chunks[*prev].baseva + vam->chunks[*prev].size > baseva)
		return -EEXIST;
	return next != NONE && vam->chunks[next].baseva < end ? -EEXIST : 0;
}

int
clib_valloc_add_chunk(clib_valloc_main_t *vam, clib_valloc_chunk_t *template_chunk)
{
	uword baseva = template_chunk->baseva, size = template_chunk->size;
	u32 prev, i;
	int rv;

	if (!baseva || !size || baseva + size < baseva)
		return -EINVAL;
	clib_spinlock_lock_if_init(&vam->lock);
	rv = find_place(vam, baseva, size, &prev);
	if (!rv) {
		i = insert_chunk(vam, baseva, size, prev);
		rv = i == NONE ? -ENOMEM : 0;
	}
	if (!rv) {
		vam->bytes_total += size;
		merge(vam, i);
	}
	clib_spinlock_unlock_if_init(&vam->lock);
	return rv;
}

/* The lock is held.  0: it cannot be had. */
static uword
take(clib_valloc_main_t *vam, uword size)
{
	u32 i = size ? first_fit(vam, size) : NONE;
	clib_valloc_chunk_t *c;

	if (i == NONE)
		return 0;
	c = vam->chunks + i;
	if (c->size > size) {
		if (insert_chunk(vam, c->baseva + size, c->size - size, i) == NONE)
			return 0;
		/* The pool may have moved. */
		c = vam->chunks + i;
		c->size = size;
	}
	c->flags |= CLIB_VALLOC_BUSY;
	update_up(vam, i);
	vam->bytes_busy += size;
	return c->baseva;
}

uword
clib_valloc_alloc(clib_valloc_main_t *vam, uword size, int os_out_of_memory_on_failure)
{
	uword baseva;

	do {
		clib_spinlock_lock_if_init(&vam->lock);
		baseva = take(vam, size);
		vam->n_failures += !baseva;
		clib_spinlock_unlock_if_init(&vam->lock);
	} while (!baseva && size && os_out_of_memory_on_failure &&
		 clib_mem_out_of_memory(NULL, size));
	return baseva;
}

uword
clib_valloc_free(clib_valloc_main_t *vam, uword baseva)
{
	uword *p, size = 0;

	clib_spinlock_lock_if_init(&vam->lock);
	p = hash_get(vam->chunk_index_by_baseva, baseva);
	if (p && (vam->chunks[*p].flags & CLIB_VALLOC_BUSY)) {
		u32 i = (u32)*p;

		size = vam->chunks[i].size;
		vam->chunks[i].flags &= (u16)~CLIB_VALLOC_BUSY;
		vam->bytes_busy -= size;
		merge(vam, i);
	}
	clib_spinlock_unlock_if_init(&vam->lock);
	if (!size)
		mheap_report("valloc: free of what starts no busy chunk", NULL, baseva,
			     __builtin_return_address(0));
	return size;
}

/* ---- looking ---- */

/* NULL, or what is wrong with chunk i, the successor of prev; the tree around it included. */
static const char *
fault_of(const clib_valloc_main_t *vam, u32 i, u32 prev)
{
	const clib_valloc_chunk_t *c = vam->chunks + i;
	uword *p = hash_get(vam->chunk_index_by_baseva, c->baseva), expected;

	if (pool_is_free_index(vam->chunks, i) || !c->size)
		return "not a chunk";
	if (!p || *p != i)
		return "not in the hash";
	if (c->prev != prev ||
	    (prev != NONE && vam->chunks[prev].baseva + vam->chunks[prev].size > c->baseva))
		return "out of order";
	if (can_merge(vam, prev, i))
		return "not merged with its neighbour";
	if (last_at_or_below(vam, c->baseva) != i)
		return "not in the tree";
	if (c->parent != NONE && vam->chunks[c->parent].priority < c->priority)
		return "above its parent in the tree";
	expected = clib_max(max_free_of(vam, c->left), max_free_of(vam, c->right));
	return c->max_free != clib_max(expected, free_size(c)) ? "wrong free size in the tree"
							       : NULL;
}

int
clib_valloc_check(clib_valloc_main_t *vam, char *what, uword n_what)
{
	uword n = 0, total = 0, busy = 0;
	const char *fault = NULL;
	u32 i, prev = NONE;

	clib_spinlock_lock_if_init(&vam->lock);
	for (i = vam->first_index; i != NONE && !fault; prev = i, i = vam->chunks[i].next) {
		fault = fault_of(vam, i, prev);
		total += vam->chunks[i].size;
		busy += vam->chunks[i].size - free_size(vam->chunks + i);
		n++;
	}
	if (!fault && (n != pool_elts(vam->chunks) || n != hash_elts(vam->chunk_index_by_baseva)))
		fault = "the list, the pool and the hash differ in length";
	if (!fault && (total != vam->bytes_total || busy != vam->bytes_busy))
		fault = "the sums are wrong";
	clib_spinlock_unlock_if_init(&vam->lock);
	if (fault && what)
		snprintf(what, n_what, "chunk %u: %s", prev, fault);
	return fault ? -EUCLEAN : 0;
}

u8 *
format_valloc(u8 *s, va_list *va)
{
	clib_valloc_main_t *vam = va_arg(*va, clib_valloc_main_t *);
	int verbose = va_arg(*va, int);

	clib_spinlock_lock_if_init(&vam->lock);
	s = format(s, "%wu chunks, first index %d, %Lu of %Lu busy\n", pool_elts(vam->chunks),
		   vam->first_index, vam->bytes_busy, vam->bytes_total);
	for (u32 i = vam->first_index; verbose && i != NONE; i = vam->chunks[i].next) {
		const clib_valloc_chunk_t *c = vam->chunks + i;

		s = format(s, "[%u] base %Lx size %Lx (%Lu) prev %d %s\n", i, c->baseva, c->size,
			   c->size, c->prev, c->flags & CLIB_VALLOC_BUSY ? "busy" : "free");
	}
	clib_spinlock_unlock_if_init(&vam->lock);
	return s;
}
