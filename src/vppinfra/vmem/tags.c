/* SPDX-License-Identifier: Apache-2.0 */
/* The common stock of tags, in parts.  Chunks of 511 tags come from vmem_seg_arena, which is
 * itself described by tags, as are the arenas it imports from (VMC_POPULATOR).  Theirs come from
 * chunks of their own: so a chunk that served other arenas holds no tag that describes a chunk,
 * and becomes wholly free when those arenas are done with it; and a reserve in that part, which
 * only the thread that fetches a chunk may touch, keeps it from ever beginning a second fetch.
 * Where there are several NUMA nodes, an arena that names one has its tags from a part whose chunks
 * lie there.
 *
 * In each part the chunks with free tags form a list whose wholly free members are at the end:
 * they are used last and can be given back. */
#include "vmem_impl.h"

#ifdef __x86_64__
#	include <cpuid.h>
#endif

#define NO_CHUNK (~0u)

uword vmem_chunks[VMEM_N_CHUNKS];
__thread u32 vmem_n_nested __attribute__((tls_model("initial-exec")));
__thread u32 vmem_is_populating __attribute__((tls_model("initial-exec")));
__thread u32 vmem_has_fetched __attribute__((tls_model("initial-exec")));
__thread u32 vmem_wants_tags __attribute__((tls_model("initial-exec")));

static vmem_seg_t vmem_seg0[VMEM_SEG_INITIAL];

typedef enum {
	STOCK_POPULATORS = 0, /* the static chunk is one of these */
	STOCK_OTHERS = 1,
	/* STOCK_NODE + n: those of arenas on node n. */
	STOCK_NODE = 2,
	N_STOCKS = STOCK_NODE + VMEM_N_NODES,
} stock_id_t;

/* In the place of a chunk's slot 0, so that a table of chunks need only say where they are. */
typedef struct {
	u32 free_head;  /* tags given back, through vs_anext */
	u16 n_free;     /* given back or never used */
	u16 n_touched;  /* slots from here on were never used, so they need no linking */
	u32 next, prev; /* chunks of the same stock with free tags */
	stock_id_t stock;
} __attribute__((may_alias)) chunk_t;

STATIC_ASSERT(sizeof(chunk_t) <= sizeof(vmem_seg_t), "lies in a slot");

typedef struct {
	u64 n_free;
	u32 head, tail; /* chunks with free tags */
} stock_t;

/* Under tags.lock, but for vmem_chunks[]: an entry is written before any number out of it is
 * handed out, and the number travels under a lock. */
static struct {
	vmem_lock_t lock;
	stock_t stocks[N_STOCKS];
	u32 n_ever, free_ids; /* ids given back, through id_link() */
	u64 n_chunks;
} tags = { .stocks = { [0 ... N_STOCKS - 1] = { 0, NO_CHUNK, NO_CHUNK } }, .free_ids = NO_CHUNK };

static pthread_mutex_t populate_lock = PTHREAD_MUTEX_INITIALIZER;

static chunk_t *
chunk_of(u32 id)
{
	return (chunk_t *)(void *)vmem_tag(id << VMEM_LOG2_TAGS_PER_CHUNK);
}

static u32
chunk_n_tags(u32 id)
{
	return (id == 0 ? VMEM_SEG_INITIAL : VMEM_TAGS_PER_CHUNK) - 1;
}

/* What stands in vmem_chunks[] for an id that was given back: the next of them, and odd, which no
 * address of a chunk is. */
static uword
id_link(u32 next)
{
	return (uword)next << 1 | 1;
}

static void
chunk_link(u32 id, bool at_head)
{
	chunk_t *c = chunk_of(id);
	stock_t *stock = &tags.stocks[c->stock];

	c->next = at_head ? stock->head : NO_CHUNK;
	c->prev = at_head ? NO_CHUNK : stock->tail;
	if (c->next == NO_CHUNK)
		stock->tail = id;
	else
		chunk_of(c->next)->prev = id;
	if (c->prev == NO_CHUNK)
		stock->head = id;
	else
		chunk_of(c->prev)->next = id;
}

static void
chunk_unlink(u32 id)
{
	chunk_t *c = chunk_of(id);
	stock_t *stock = &tags.stocks[c->stock];

	if (c->next == NO_CHUNK)
		stock->tail = c->prev;
	else
		chunk_of(c->next)->prev = c->prev;
	if (c->prev == NO_CHUNK)
		stock->head = c->next;
	else
		chunk_of(c->prev)->next = c->next;
}

/* Stocks locked; this one has a free tag. */
static u32
stock_take(stock_t *stock)
{
	u32 id = stock->head, slot;
	chunk_t *c = chunk_of(id);

	if (c->free_head) {
		slot = c->free_head & (VMEM_TAGS_PER_CHUNK - 1);
		c->free_head = vmem_tag(c->free_head)->vs_anext;
	} else {
		slot = c->n_touched++;
	}
	stock->n_free--;
	if (--c->n_free == 0)
		chunk_unlink(id);
	return id << VMEM_LOG2_TAGS_PER_CHUNK | slot;
}

static void
stock_give(u32 index)
{
	u32 id = index >> VMEM_LOG2_TAGS_PER_CHUNK;
	chunk_t *c = chunk_of(id);

	vmem_tag(index)->vs_anext = c->free_head;
	c->free_head = index;
	tags.stocks[c->stock].n_free++;
	if (c->n_free++ == 0) {
		chunk_link(id, true);
	} else if (c->n_free == chunk_n_tags(id)) {
		chunk_unlink(id);
		chunk_link(id, false);
	}
}

/* Stocks locked. */
static void
stock_add_chunk(stock_id_t stock, u32 id, vmem_seg_t *memory)
{
	chunk_t *c;

	vmem_chunks[id] = pointer_to_uword(memory) - (uword)id * VMEM_CHUNK_BYTES;
	c = chunk_of(id);
	c->free_head = 0;
	c->n_touched = 1;
	c->n_free = (u16)chunk_n_tags(id);
	c->stock = stock;
	tags.stocks[stock].n_free += c->n_free;
	tags.n_chunks++;
	chunk_link(id, true);
}

#if defined(__x86_64__) && !defined(__LZCNT__)
u8 vmem_has_lzcnt;

static void __attribute__((constructor)) look_for_lzcnt(void)
{
	u32 eax, ebx, ecx, edx;

	vmem_has_lzcnt = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & bit_LZCNT;
}
#endif

void
vmem_tags_init(void)
{
	vmem_lock(&tags.lock);
	tags.n_ever = 1;
	stock_add_chunk(STOCK_POPULATORS, 0, vmem_seg0);
	vmem_unlock(&tags.lock);
}

void
vmem_tags_lock(void)
{
	vmem_lock(&tags.lock);
}

void
vmem_tags_unlock(void)
{
	vmem_unlock(&tags.lock);
}

void
vmem_populate_lock(void)
{
	pthread_mutex_lock(&populate_lock);
}

void
vmem_populate_unlock(void)
{
	pthread_mutex_unlock(&populate_lock);
}

void
vmem_tags_counts(u64 *n_free, u64 *n_chunks)
{
	vmem_lock(&tags.lock);
	*n_free = 0;
	for (u32 i = 0; i < N_STOCKS; i++)
		*n_free += tags.stocks[i].n_free;
	*n_chunks = tags.n_chunks;
	vmem_unlock(&tags.lock);
}

/* Where an arena's tags come from now, and how many must stay.  While vmem_init() builds the
 * first arenas there is nowhere to fetch from: they may use all of the static chunk. */
static stock_t *
stock_of(const vmem_t *vmp, u64 *n_stay)
{
	bool is_free_for_all = vmem_is_populating || !vmem_is_ready();

	*n_stay = 0;
	if (!is_free_for_all && !(vmp->vm_cflags & VMC_POPULATOR))
		return &tags.stocks[vmp->vm_node < 0 ? STOCK_OTHERS : STOCK_NODE + vmp->vm_node];
	*n_stay = is_free_for_all ? 0 : VMEM_TAGS_RESERVE;
	return &tags.stocks[STOCK_POPULATORS];
}

/* Arena locked.  A populating thread takes just what it needs, so that the reserve lasts. */
static bool
take_from_stock(vmem_t *vmp)
{
	u64 n_stay;
	stock_t *stock = stock_of(vmp, &n_stay);
	ssize_t n_wanted =
		vmem_is_populating || !vmem_is_ready() ? VMEM_TAGS_PER_OP : VMEM_TAGS_BATCH;

	vmem_lock(&tags.lock);
	while (vmp->vm_nsegfree < n_wanted && stock->n_free > n_stay) {
		u32 index = stock_take(stock);

		vmem_tag_put(vmp, vmem_tag(index), index);
	}
	if (stock->n_free < n_stay + VMEM_TAGS_LOW && !vmem_is_populating)
		vmem_wants_tags = 1;
	vmem_unlock(&tags.lock);
	return vmp->vm_nsegfree >= VMEM_TAGS_PER_OP;
}

/* Which stock needs a chunk, to have n_least tags to spare: the populators' first, since they are
 * needed to fetch one.  Value: whether any does. */
static bool
is_chunk_needed(const vmem_t *vmp, u32 n_least, stock_id_t *id)
{
	u64 n_stay, n_populators;
	stock_t *stock = stock_of(vmp, &n_stay);
	bool is_needed;

	vmem_lock(&tags.lock);
	n_populators = tags.stocks[STOCK_POPULATORS].n_free;
	is_needed = stock->n_free < n_stay + n_least;
	*id = (stock_id_t)(stock - tags.stocks);
	if (n_least == VMEM_TAGS_LOW && n_populators < VMEM_TAGS_RESERVE + VMEM_TAGS_LOW) {
		*id = STOCK_POPULATORS;
		is_needed = true;
	} else if (n_populators < VMEM_TAGS_RESERVE) {
		*id = STOCK_POPULATORS;
	}
	vmem_unlock(&tags.lock);
	return is_needed;
}

/* A number for a new chunk; NO_CHUNK when 2^28 tags exist. */
static u32
new_chunk_id(void)
{
	u32 id;

	vmem_lock(&tags.lock);
	id = tags.free_ids;
	if (id != NO_CHUNK)
		tags.free_ids = (u32)(vmem_chunks[id] >> 1);
	else if (tags.n_ever < VMEM_N_CHUNKS)
		id = tags.n_ever++;
	vmem_unlock(&tags.lock);
	return id;
}

/* No lock held; fetches one chunk unless there are n_least tags, since somebody else just did. */
static int
fetch_chunk(vmem_t *vmp, u32 n_least)
{
	static const vmem_request_t request = { .size = VMEM_CHUNK_BYTES,
						.max = ~(uword)0,
						.flags = VMEM_REQUEST_NOSLEEP };
	stock_id_t stock;
	uword memory;
	int error;
	u32 id;

	if (vmem_is_populating || !vmem_is_ready() || vmem_seg_arena == NULL)
		return -ENOMEM;
	if (pthread_mutex_trylock(&populate_lock)) {
		pthread_mutex_lock(&populate_lock);
		vmem_lock(&vmp->vm_lock);
		VMEM_COUNT(vmp->vm_kstat.vk_populate_wait, 1);
		vmem_unlock(&vmp->vm_lock);
	}
	if (!is_chunk_needed(vmp, n_least, &stock)) {
		pthread_mutex_unlock(&populate_lock);
		return 0;
	}
	vmem_is_populating = 1;
	vmem_n_nested++;
	error = vmem_core_alloc(vmem_seg_arena, &request, &memory);
	if (!error) {
		id = new_chunk_id();
		if (id == NO_CHUNK) {
			vmem_core_free(vmem_seg_arena, memory, VMEM_CHUNK_BYTES, 0, NULL);
			error = -ENOMEM;
		} else {
			if (stock >= STOCK_NODE)
				vmem_bind(memory, VMEM_CHUNK_BYTES, (int)(stock - STOCK_NODE));
			vmem_lock(&tags.lock);
			stock_add_chunk(stock, id, uword_to_pointer(memory, vmem_seg_t *));
			vmem_unlock(&tags.lock);
		}
	}
	vmem_n_nested--;
	vmem_is_populating = 0;
	vmem_has_fetched = 1;
	pthread_mutex_unlock(&populate_lock);
	return error ? -ENOMEM : 0;
}

void
vmem_tags_restock(vmem_t *vmp)
{
	/* What there is suffices for now; and when no longer, who needs it says so. */
	fetch_chunk(vmp, VMEM_TAGS_LOW);
}

int
vmem_populate_slow(vmem_t *vmp)
{
	while (vmp->vm_nsegfree < VMEM_TAGS_PER_OP && !take_from_stock(vmp)) {
		int error;

		vmem_unlock(&vmp->vm_lock);
		error = fetch_chunk(vmp, VMEM_TAGS_PER_OP);
		vmem_lock(&vmp->vm_lock);
		if (error) {
			VMEM_COUNT(vmp->vm_kstat.vk_populate_fail, 1);
			return error;
		}
	}
	return 0;
}

void
vmem_tags_give(vmem_t *vmp, ssize_t n_keep)
{
	vmem_lock(&tags.lock);
	for (u32 n = 1; vmp->vm_nsegfree > n_keep; n++) {
		stock_give(vmem_tag_get(vmp));
		/* An arena that is destroyed gives all it had, and others want some meanwhile. */
		if (n % VMEM_TAGS_MAX == 0)
			vmem_lock_yield(&tags.lock);
	}
	vmem_unlock(&tags.lock);
}

/* A wholly free chunk that its stock can do without, taken out of it; NULL for none. */
static vmem_seg_t *
take_free_chunk(stock_id_t stock_id)
{
	stock_t *stock = &tags.stocks[stock_id];
	u64 n_stay = stock_id == STOCK_POPULATORS ? VMEM_TAGS_RESERVE : 0;
	vmem_seg_t *memory = NULL;
	u32 id;

	vmem_lock(&tags.lock);
	id = stock->tail;
	if (id == 0) /* static */
		id = chunk_of(id)->prev;
	if (id != NO_CHUNK && chunk_of(id)->n_free == chunk_n_tags(id) &&
	    stock->n_free >= chunk_n_tags(id) + n_stay) {
		memory = vmem_tag(id << VMEM_LOG2_TAGS_PER_CHUNK);
		chunk_unlink(id);
		stock->n_free -= chunk_n_tags(id);
		tags.n_chunks--;
		vmem_chunks[id] = id_link(tags.free_ids);
		tags.free_ids = id;
	}
	vmem_unlock(&tags.lock);
	return memory;
}

uword
vmem_tags_trim(void)
{
	uword n_bytes = 0;
	vmem_seg_t *memory;

	/* The populators' last: giving chunks back is what frees their tags. */
	for (int stock = N_STOCKS - 1; stock >= STOCK_POPULATORS; stock--) {
		while (vmem_seg_arena && (memory = take_free_chunk((stock_id_t)stock))) {
			vmem_core_free(vmem_seg_arena, pointer_to_uword(memory), VMEM_CHUNK_BYTES,
				       0, NULL);
			n_bytes += VMEM_CHUNK_BYTES;
		}
	}
	return n_bytes;
}
