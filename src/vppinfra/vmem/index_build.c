/* SPDX-License-Identifier: Apache-2.0 */
/* Where the trees' memory comes from, and how a tree comes to be beside a million segments.  An
 * operation enters a few, in address order, and what is behind the place reached is kept up like a
 * tree that is whole; whoever needs the tree meanwhile enters the rest, a few at a time as well,
 * and lets others have the arena between. */
#include "vmem_impl.h"

/* A chunk of nodes is a block; its first 64 bytes hold the link. */
#define CHUNK_BYTES VMEM_BLOCK_BYTES
#define N_NODES_PER_CHUNK ((CHUNK_BYTES - CLIB_CACHE_LINE_BYTES) / sizeof(vmem_index_node_t))

/* Chunks that vmem_prepare() fetches at once where so many will be needed: more than the blocks
 * that are there from the start. */
#define N_PREPARED_CHUNKS 12
/* Entries of a node that is filled in order. */
#define N_FEWEST_APPENDED (VMEM_INDEX_N - 1)

typedef vmem_index_node_t node_t;
typedef vmem_index_tree_t tree_t;

/* ---- memory ---- */

/* Arena locked. */
static void
add_chunk(vmem_index_stock_t *stock, void *chunk)
{
	node_t *node = (node_t *)((u8 *)chunk + CLIB_CACHE_LINE_BYTES);

	*(void **)chunk = stock->chunks;
	stock->chunks = chunk;
	stock->n_nodes += N_NODES_PER_CHUNK;
	for (u32 i = 0; i < N_NODES_PER_CHUNK; i++)
		vmem_index_node_put(stock, &node[i]);
}

/* No lock held. */
static void *
fetch_chunk(void)
{
	vmem_request_t request = { .size = CHUNK_BYTES,
				   .max = ~(uword)0,
				   .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	uword addr = 0;
	void *chunk;
	int error;

	/* vmem's own arenas walk: an index of theirs would be made of themselves. */
	if (vmem_n_nested || vmem_internal_arena == NULL)
		return NULL;
	chunk = vmem_block_take(VMEM_BLOCK_INDEX);
	if (chunk)
		return chunk;
	request.align = clib_max(vmem_internal_arena->vm_quantum, (size_t)CLIB_CACHE_LINE_BYTES);
	vmem_n_nested++;
	error = vmem_core_alloc(vmem_internal_arena, &request, &addr);
	vmem_n_nested--;
	return error ? NULL : uword_to_pointer(addr, void *);
}

void
vmem_index_free_chunk(void *chunk)
{
	if (vmem_internal_arena == NULL || vmem_block_keep_static(chunk))
		return;
	vmem_n_nested++;
	vmem_core_free(vmem_internal_arena, pointer_to_uword(chunk), CHUNK_BYTES, VMEM_REQUEST_X,
		       NULL);
	vmem_n_nested--;
}

void
vmem_index_free(vmem_index_stock_t *dead)
{
	while (dead) {
		vmem_index_stock_t *next = dead->next_dead;
		void *chunk = dead->chunks;

		/* The stock itself lies in the chunk that was linked first. */
		while (chunk) {
			void *after = *(void **)chunk;

			vmem_index_free_chunk(chunk);
			chunk = after;
		}
		dead = next;
	}
}

uword
vmem_index_trim(void)
{
	uword n_bytes = 0;
	void *chunk;

	while ((chunk = vmem_block_take_kept(VMEM_BLOCK_INDEX)) != NULL) {
		vmem_index_free_chunk(chunk);
		n_bytes += CHUNK_BYTES;
	}
	return n_bytes;
}

void *
vmem_index_dead_chunk(vmem_t *vmp)
{
	vmem_index_stock_t *dead = vmp->vm_index_dead;
	void *chunk = dead ? dead->chunks : NULL;

	if (dead == NULL)
		return NULL;
	/* The stock itself lies in the last. */
	if (*(void **)chunk)
		dead->chunks = *(void **)chunk;
	else
		vmp->vm_index_dead = dead->next_dead;
	return chunk;
}

/* ---- build ---- */

/* The place in the ring is no longer needed. */
static void
end_building(vmem_t *vmp, vmem_index_t *index)
{
	struct vmem_walker **link = &vmp->vm_walkers;

	if (!index->is_building)
		return;
	index->is_building = 0;
	while (*link && *link != &index->place)
		link = &(*link)->next;
	if (*link)
		*link = index->place.next;
}

static void
put_dead(vmem_index_stock_t *stock, vmem_index_stock_t **dead)
{
	stock->next_dead = *dead;
	*dead = stock;
}

void
vmem_index_detach_ranges(vmem_t *vmp, vmem_index_stock_t **dead)
{
	vmem_index_t *index = vmp->vm_index;

	if (index == NULL || index->ranges == NULL)
		return;
	put_dead(&index->ranges->stock, dead);
	index->ranges = NULL;
	index->wanted &= VMEM_INDEX_BOTH;
	/* Where nothing else is being built, whatever is to be after it is next. */
	if (index->is_building && !index->tree[VMEM_INDEX_BY_ADDR].is_partial &&
	    !index->tree[VMEM_INDEX_BY_SIZE].is_partial) {
		end_building(vmp, index);
		vmem_index_start_building(vmp, 0);
	}
}

void
vmem_index_detach(vmem_t *vmp, vmem_index_stock_t **dead)
{
	vmem_index_t *index = vmp->vm_index;

	if (index == NULL)
		return;
	end_building(vmp, index);
	vmp->vm_index = NULL;
	if (index->ranges)
		put_dead(&index->ranges->stock, dead);
	put_dead(&index->stock, dead);
}

/* A stock that lives where its first chunk's first nodes would be, with what it is the first of. */
static void *
start_stock(void *chunk)
{
	vmem_index_stock_t *stock = (vmem_index_stock_t *)((u8 *)chunk + CLIB_CACHE_LINE_BYTES);
	node_t *node = (node_t *)stock;

	memset(stock, 0, VMEM_INDEX_N_OWN * sizeof(*node));
	stock->chunks = chunk;
	*(void **)chunk = NULL;
	for (u32 i = VMEM_INDEX_N_OWN; i < N_NODES_PER_CHUNK; i++)
		vmem_index_node_put(stock, &node[i]);
	stock->n_nodes = N_NODES_PER_CHUNK - VMEM_INDEX_N_OWN;
	return stock;
}

/* Spans whose places are looked at one by one; of more it is taken that they lie side by side. */
#define N_SPANS_SEEN 64

/* Arena locked. */
static void
start_ranges(vmem_t *vmp, void *chunk)
{
	vmem_ranges_t *ranges = vmp->vm_index->ranges = start_stock(chunk);
	u32 span = vmem_span_next(vmp, 0);

	STATIC_ASSERT(sizeof(vmem_ranges_t) <= VMEM_INDEX_N_OWN * sizeof(node_t), "fits");
	vmem_range_init(ranges, (u32)vmp->vm_qshift);
	if (span == 0)
		return;
	for (u32 i = 0; span && i < N_SPANS_SEEN; i++, span = vmem_span_next(vmp, span)) {
		const vmem_seg_t *t = vmem_tag(span);

		vmem_range_widen(ranges, t->vs_start, t->vs_start + vmem_span_bytes(t) - 1);
	}
	/* The last tag is an END. */
	if (span)
		vmem_range_widen(ranges, ranges->first,
				 vmem_tag(vmem_tag(vmp->vm_seg0)->vs_aprev)->vs_start - 1);
}

/* Arena locked. */
static void
start_index(vmem_t *vmp, void *chunk)
{
	vmem_index_t *index = vmp->vm_index = start_stock(chunk);

	STATIC_ASSERT(sizeof(vmem_index_t) <= VMEM_INDEX_N_OWN * sizeof(node_t), "fits");
	index->tree[VMEM_INDEX_BY_SIZE].order = VMEM_INDEX_BY_SIZE;
}

static u32
kept_orders(const vmem_index_t *index)
{
	return (u32)index->tree[VMEM_INDEX_BY_ADDR].is_kept << VMEM_INDEX_BY_ADDR |
	       (u32)index->tree[VMEM_INDEX_BY_SIZE].is_kept << VMEM_INDEX_BY_SIZE |
	       (u32)(index->ranges && index->ranges->is_kept) << VMEM_INDEX_RANGES;
}

/* From the anchor on, with those of the trees that are not there.  What is wanted while another is
 * being built comes after it. */
void
vmem_index_start_building(vmem_t *vmp, u32 orders)
{
	vmem_index_t *index = vmp->vm_index;

	if (index->ranges == NULL)
		orders &= VMEM_INDEX_BOTH;
	index->wanted = (u8)((index->wanted | orders) & ~kept_orders(index));
	if (index->is_building || index->wanted == 0)
		return;
	for (u32 order = 0; order < 2; order++)
		index->tree[order].is_partial = index->wanted >> order & 1;
	if (index->wanted >> VMEM_INDEX_RANGES & 1)
		vmem_range_start_building(index->ranges);
	index->is_building = 1;
	index->place.next = vmp->vm_walkers;
	vmp->vm_walkers = &index->place;
	index->place.hint = vmp->vm_seg0;
	index->has_begun = 0;
	vmem_index_set_reserve(index);
}

static void
finish_building(vmem_t *vmp)
{
	vmem_index_t *index = vmp->vm_index;

	end_building(vmp, index);
	for (u32 order = 0; order < 2; order++) {
		if (index->tree[order].is_partial) {
			index->tree[order].is_partial = 0;
			index->tree[order].is_kept = 1;
		}
	}
	if (index->ranges)
		vmem_range_finish_building(index->ranges);
	VMEM_COUNT(vmp->vm_kstat.vk_index_builds, 1);
	vmem_index_start_building(vmp, 0);
}

/* How many of a slice's segments one counts as: a slice is as long however many trees it enters
 * them into, counted in pairs. */
static u32
weight(const vmem_index_t *index)
{
	u32 n = (u32)index->tree[VMEM_INDEX_BY_ADDR].is_partial +
		index->tree[VMEM_INDEX_BY_SIZE].is_partial;

	if (index->ranges)
		n += vmem_range_n_partial(index->ranges);
	return clib_max(n / 2, 1u);
}

static void
enter_partial(vmem_index_t *index, u64 start, u64 size, u32 tag)
{
	vmem_ranges_t *ranges = index->ranges;

	for (u32 order = 0; order < 2; order++) {
		if (index->tree[order].is_partial)
			vmem_index_enter(index, &index->tree[order], start, size, tag);
	}
	for (u32 i = 0; ranges && i < ranges->n_scales; i++) {
		if (ranges->tree[i].is_partial)
			vmem_range_insert(ranges, &ranges->tree[i], start, size);
	}
}

void
vmem_index_absorb(vmem_t *vmp, u32 n, u32 n_steps)
{
	vmem_index_t *index = vmp->vm_index;
	u32 n_each = weight(index);

	while (n && n_steps-- && index->is_building && vmem_index_may_absorb(index)) {
		u32 i = vmem_tag(index->place.hint)->vs_anext;
		const vmem_seg_t *t = vmem_tag(i);
		vmem_tag_type_t type;
		u64 start, size;

		if (i == vmp->vm_seg0) {
			finish_building(vmp);
			return;
		}
		/* Not to rest between a SPAN and its first segment: a span that comes to lie before
		 * it would be behind the place and beyond built_last. */
		if (vmem_tag_type(t) == VMEM_TAG_SPAN) {
			i = t->vs_anext;
			t = vmem_tag(i);
		}
		type = vmem_tag_type(t);
		start = t->vs_start;
		index->place.hint = i;
		/* Behind the place: it came or grew since, and was entered then. */
		if ((type != VMEM_TAG_FREE && type != VMEM_TAG_ALLOC) ||
		    (index->has_begun && start <= index->built_last))
			continue;
		size = vmem_seg_bytes(t);
		index->has_begun = 1;
		index->built_last = start + size - 1;
		if (type == VMEM_TAG_ALLOC)
			continue;
		n -= clib_min(n, n_each);
		enter_partial(index, start, size, i);
	}
}

/* Where a chunk is needed most.  Arena locked. */
static void
place_chunk(vmem_t *vmp, void *chunk, u32 orders)
{
	vmem_index_t *index = vmp->vm_index;

	if (index == NULL)
		start_index(vmp, chunk);
	else if (index->ranges == NULL && orders >> VMEM_INDEX_RANGES & 1)
		start_ranges(vmp, chunk);
	else if (index->ranges && !vmem_index_stock_is_short(&index->stock) &&
		 (vmem_index_stock_is_short(&index->ranges->stock) ||
		  vmem_index_stock_may_absorb(&index->stock)))
		add_chunk(&index->ranges->stock, chunk);
	else
		add_chunk(&index->stock, chunk);
}

void
vmem_index_restock(vmem_t *vmp)
{
	void *chunk = fetch_chunk();

	if (chunk == NULL)
		return;
	vmem_lock(&vmp->vm_lock);
	if (vmem_index_is_short(vmp)) {
		place_chunk(vmp, chunk, 0);
		chunk = NULL;
	}
	vmem_unlock(&vmp->vm_lock);
	if (chunk)
		vmem_block_keep(VMEM_BLOCK_INDEX, chunk);
}

/* Fetch a chunk.  Arena locked, dropped meanwhile: another thread may have been as quick, and then
 * there are a few nodes more than needed.  Value: whether there was one. */
static bool
fetch_nodes(vmem_t *vmp, u32 orders)
{
	void *chunk;

	vmem_unlock(&vmp->vm_lock);
	chunk = fetch_chunk();
	vmem_has_fetched |= chunk != NULL;
	vmem_lock(&vmp->vm_lock);
	if (chunk)
		place_chunk(vmp, chunk, orders);
	return chunk != NULL;
}

static bool
lacks_ranges(const vmem_t *vmp, u32 orders)
{
	return vmp->vm_index && vmp->vm_index->ranges == NULL && orders >> VMEM_INDEX_RANGES & 1;
}

int
vmem_index_begin(vmem_t *vmp, u32 orders)
{
	if (vmem_n_nested)
		return -ENOMEM;
	if (vmp->vm_index == NULL)
		fetch_nodes(vmp, orders);
	if (lacks_ranges(vmp, orders))
		fetch_nodes(vmp, orders);
	if (vmp->vm_index)
		vmem_index_start_building(vmp, orders);
	while (vmp->vm_index && vmp->vm_index->is_building &&
	       !vmem_index_may_absorb(vmp->vm_index)) {
		if (!fetch_nodes(vmp, orders))
			return -ENOMEM;
	}
	/* It may have been given up while the lock was dropped. */
	if (vmp->vm_index == NULL || lacks_ranges(vmp, orders))
		return -ENOMEM;
	vmem_index_start_building(vmp, orders);
	vmp->vm_index->is_used = 1;
	if (orders >> VMEM_INDEX_RANGES & 1)
		vmp->vm_index->ranges->is_used = 1;
	vmem_index_absorb(vmp, VMEM_INDEX_N_ABSORB, VMEM_INDEX_N_ABSORB_STEPS);
	return orders & ~kept_orders(vmp->vm_index) ? -EAGAIN : 0;
}

static int
prepare(vmem_t *vmp, u32 orders)
{
	int error;

	vmem_lock(&vmp->vm_lock);
	error = vmem_index_begin(vmp, orders);
	/* The first fetch after a long time costs the system many times those that follow, so it
	 * is ours and not the next operation's. */
	for (u32 i = 0; error == -EAGAIN && i < N_PREPARED_CHUNKS &&
			vmp->vm_index->stock.n_free_nodes < 2 * vmp->vm_n_free / N_FEWEST_APPENDED;
	     i++) {
		fetch_nodes(vmp, orders);
		error = vmem_index_begin(vmp, orders);
	}
	vmem_unlock(&vmp->vm_lock);
	return error == -EAGAIN ? 0 : error;
}

int
vmem_prepare(vmem_t *vmp)
{
	return prepare(vmp, VMEM_INDEX_BOTH);
}

int
vmem_prepare_ranges(vmem_t *vmp)
{
	return prepare(vmp, VMEM_INDEX_ALL);
}

int
vmem_index_build(vmem_t *vmp, u32 orders)
{
	int error;

	while ((error = vmem_index_begin(vmp, orders)) == -EAGAIN) {
		vmp->vm_index->has_builder = 1;
		VMEM_COUNT(vmp->vm_kstat.vk_index_slices, 1);
		vmem_lock_yield(&vmp->vm_lock);
	}
	if (vmp->vm_index)
		vmp->vm_index->has_builder = 0;
	return error;
}
