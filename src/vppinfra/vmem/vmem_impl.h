/* SPDX-License-Identifier: Apache-2.0 */
/* vmem_impl: the neutral core, for the faces in this folder and their tests.
 *
 * A face turns its own signature into a vmem_request_t; the core answers with an errno and an
 * address, 0 being an address like any other and every bound inclusive, so that the last byte of
 * the address space is no special case.
 *
 * Tags.  An arena is a ring of tags in address order, closed by an anchor (vm_seg0):
 *
 *   anchor | SPAN  ALLOC  FREE  ALLOC  END | SPAN  FREE  END | anchor
 *            |<----- sizes: next start - start ----->|
 *
 * Every span begins with a SPAN tag and ends with an END tag, so the size of a segment is always
 * the next tag's start minus its own and need not be stored.  vs_knext is the kin list: the hash
 * chain of an ALLOC tag, the free list of a FREE one, a child of a SPAN, the SPAN of an END.
 * Tags are named by number, chunk << 9 | slot; slot 0 is the chunk's own, number 0 nobody.
 *
 *   ALLOC  knext: hash chain   slack: rounded size - asked size      flag: came by xalloc
 *   FREE   knext, kprev: free list of floor(log2(size))
 *   SPAN   knext: left child   kprev: its END                        flag: imported
 *   END    knext: its SPAN     kprev: right child (of the tree of spans, span_tree.c)
 *   UNUSED kprev: the next in the arena's stock
 *   ROTOR  start: where next fit goes on   anext: a tag that begins at or before that address
 *   anchor knext: root of the tree of spans
 *
 * 24 bytes a tag and 4 in the hash (which comes in blocks of 8 KiB) make 28 bytes for each
 * allocated segment of an arena at its fullest; a free segment costs another tag.
 *
 * Locks, outermost first: list, populate, one arena at a time, tags.  No arena's lock is held
 * across an import, an export, the error hook, or a call of a reentrant walk. */
#ifndef included_vppinfra_vmem_impl_h
#define included_vppinfra_vmem_impl_h

#include <pthread.h>
#include <vppinfra/vmem.h>
#include <vppinfra/vmem/index.h>
#include <vppinfra/vmem/vmem_lock.h>

/** A counter under the arena's lock that readers look at without it.  One instruction, which no
 *  reader sees half of: as an atomic store of a sum it is three, and some ten are counted in each
 *  operation. */
#ifdef __x86_64__
#	define VMEM_COUNT(counter, n)                                                             \
		do {                                                                               \
			if (sizeof(counter) == sizeof(u64))                                        \
				asm("addq %1, %0" : "+m"(counter) : "er"((i64)(n)));               \
			else                                                                       \
				asm("addl %1, %0" : "+m"(counter) : "ir"((i32)(n)));               \
		} while (0)
#else
#	define VMEM_COUNT(counter, n)                                                             \
		__atomic_store_n(&(counter), (counter) + (n), __ATOMIC_RELAXED)
#endif
#define VMEM_READ(counter) __atomic_load_n(&(counter), __ATOMIC_RELAXED)

/* ---- tags ---- */

struct vmem_seg {
	u64 vs_start;
	union {
		struct {
			u32 vs_anext, vs_aprev;
		};
		u64 vs_ring; /* both, see vmem_pair() */
	};
	union {
		struct {
			u32 vs_knext_type; /* 28 bits of number, then type and flag */
			union {
				u32 vs_kprev;
				u32 vs_slack;
			};
		};
		u64 vs_kin; /* both */
	};
};

STATIC_ASSERT_SIZEOF(struct vmem_seg, 24);

/* 12 KiB: three pages, which is what an operation waits for that finds the stock low. */
#define VMEM_LOG2_TAGS_PER_CHUNK 9
#define VMEM_TAGS_PER_CHUNK (1u << VMEM_LOG2_TAGS_PER_CHUNK)
#define VMEM_CHUNK_BYTES (VMEM_TAGS_PER_CHUNK * sizeof(vmem_seg_t))
#define VMEM_TAG_BITS 28
#define VMEM_TAG_MASK ((1u << VMEM_TAG_BITS) - 1)
#define VMEM_N_CHUNKS (1u << (VMEM_TAG_BITS - VMEM_LOG2_TAGS_PER_CHUNK))

typedef enum {
	VMEM_TAG_UNUSED = 0,
	VMEM_TAG_ALLOC = 1,
	VMEM_TAG_SPAN = 2,
	VMEM_TAG_END = 3,
	VMEM_TAG_FREE = 4, /* in the ring one bit tells it from all others */
	VMEM_TAG_ROTOR = 5,
} vmem_tag_type_t;

#define VMEM_TAG_TYPE(type) ((u32)(type) << VMEM_TAG_BITS)
#define VMEM_TAG_TYPE_MASK (7u << VMEM_TAG_BITS)
#define VMEM_TAG_FLAG (1u << 31)

/* One import makes a span: SPAN, FREE, END; one allocation in the middle of a segment makes two
 * tags more.  An arena owns this many before any work begins under its lock. */
#define VMEM_TAGS_PER_SPAN 3
#define VMEM_TAGS_PER_OP (VMEM_TAGS_PER_SPAN + 2)
/* What an arena takes from the common stock at once, and where it gives some back. */
#define VMEM_TAGS_BATCH 32
#define VMEM_TAGS_MAX 96
/* Kept for the thread that is fetching a chunk of tags: a chain of eight arenas that all have to
 * import, one operation each. */
#define VMEM_TAGS_RESERVE (8 * VMEM_TAGS_PER_OP)
/* Left in the common stock when an operation fetches a chunk ahead of need: a batch for each arena
 * that a block of buckets or nodes comes through, so that fetching one does not fetch tags, too. */
#define VMEM_TAGS_LOW (5 * VMEM_TAGS_BATCH)

/* Where a chunk's tag number 0 would lie if numbers counted on from one chunk to the next; 0 or
 * odd: no chunk.  So a tag is found without taking its number apart. */
extern uword vmem_chunks[VMEM_N_CHUNKS] __attribute__((visibility("hidden")));

always_inline vmem_seg_t *
vmem_tag(u32 index)
{
	return uword_to_pointer(vmem_chunks[index >> VMEM_LOG2_TAGS_PER_CHUNK] +
					(uword)index * sizeof(vmem_seg_t),
				vmem_seg_t *);
}

/* Two neighbouring fields of a tag in one store: stores are what the shortest way waits for. */
always_inline u64
vmem_pair(u32 first, u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (u64)second << 32 | first;
#else
	return (u64)first << 32 | second;
#endif
}

always_inline vmem_tag_type_t
vmem_tag_type(const vmem_seg_t *t)
{
	return (t->vs_knext_type & VMEM_TAG_TYPE_MASK) >> VMEM_TAG_BITS;
}

/* Of a tag in the ring, which the rotor is not. */
always_inline bool
vmem_tag_is_free(const vmem_seg_t *t)
{
	return t->vs_knext_type & VMEM_TAG_TYPE(VMEM_TAG_FREE);
}

always_inline u32
vmem_tag_knext(const vmem_seg_t *t)
{
	return t->vs_knext_type & VMEM_TAG_MASK;
}

always_inline void
vmem_tag_set_knext(vmem_seg_t *t, u32 index)
{
	t->vs_knext_type = (t->vs_knext_type & ~VMEM_TAG_MASK) | index;
}

always_inline bool
vmem_tag_flag(const vmem_seg_t *t)
{
	return t->vs_knext_type & VMEM_TAG_FLAG;
}

/* A segment's size; whole spans are measured to their END tag by vmem_span_bytes(). */
always_inline uword
vmem_seg_bytes(const vmem_seg_t *t)
{
	return vmem_tag(t->vs_anext)->vs_start - t->vs_start;
}

always_inline uword
vmem_span_bytes(const vmem_seg_t *span)
{
	return vmem_tag(span->vs_kprev)->vs_start - span->vs_start;
}

/* One out of the arena's stock.  Value: its number. */
always_inline u32
vmem_tag_take(vmem_t *vmp, vmem_seg_t **t)
{
	u32 index = vmp->vm_segfree;

	ASSERT(index != 0);
	*t = vmem_tag(index);
	vmp->vm_segfree = (*t)->vs_kprev;
	vmp->vm_nsegfree--;
	return index;
}

always_inline u32
vmem_tag_get(vmem_t *vmp)
{
	vmem_seg_t *t;

	return vmem_tag_take(vmp, &t);
}

/* The tag t, of number index. */
always_inline void
vmem_tag_put(vmem_t *vmp, vmem_seg_t *t, u32 index)
{
	t->vs_kin = vmem_pair(VMEM_TAG_TYPE(VMEM_TAG_UNUSED), vmp->vm_segfree);
	vmp->vm_segfree = index;
	vmp->vm_nsegfree++;
}

/** The bootstrap stock vmem_seg0.  Called once, before the first arena. */
void vmem_tags_init(void);

/** See that an arena owns VMEM_TAGS_PER_OP tags.  Arena locked; the lock may be dropped and
 *  taken again.  @return 0 or -ENOMEM. */
int vmem_populate_slow(vmem_t *vmp);

always_inline int
vmem_populate(vmem_t *vmp)
{
	return PREDICT_TRUE(vmp->vm_nsegfree >= VMEM_TAGS_PER_OP) ? 0 : vmem_populate_slow(vmp);
}

/** Give an arena's tags back to the common stock until n_keep are left.  Arena locked. */
void vmem_tags_give(vmem_t *vmp, ssize_t n_keep);

/** Give chunks that nobody uses back to vmem_seg_arena.  @return bytes.  No lock held. */
uword vmem_tags_trim(void);

/* Nodes that tags can be told to lie on. */
#define VMEM_N_NODES 8
/** Prefer a node for pages that may be there already.  No lock held. */
void vmem_bind(uword addr, uword n_bytes, int node);

/** Tags in the common stock, and chunks in use (the static one included). */
void vmem_tags_counts(u64 *n_free, u64 *n_chunks);

void vmem_tags_lock(void);
void vmem_tags_unlock(void);
void vmem_populate_lock(void);
void vmem_populate_unlock(void);

/** Fetch a chunk where the stock that an arena has its tags from is low.  No lock held. */
void vmem_tags_restock(vmem_t *vmp);

/** Depth of work that arenas do for their own sake in the calling thread.  Not 0 while a chunk of
 *  tags or a hash table is being fetched: then no second fetch of either kind is begun. */
extern __thread u32 vmem_n_nested __attribute__((visibility("hidden"), tls_model("initial-exec")));
/** Not 0 while the calling thread fetches a chunk of tags: it may use the reserve. */
extern __thread u32 vmem_is_populating
	__attribute__((visibility("hidden"), tls_model("initial-exec")));

/** The calling thread's operation has fetched a chunk of tags or of nodes: enough memory for one
 *  operation. */
extern __thread u32 vmem_has_fetched
	__attribute__((visibility("hidden"), tls_model("initial-exec")));
/** The calling thread has found a stock of tags low: its operation restocks it once unlocked. */
extern __thread u32 vmem_wants_tags
	__attribute__((visibility("hidden"), tls_model("initial-exec")));

/* ---- requests ---- */

/* Besides VMEM_REQUEST_*: align above nocross is refused, as illumos does, though it never crosses.
 */
#define VMEM_REQUEST_STRICT (1 << 16)

/* A request that has been checked: size rounded, align never 0. */
typedef struct {
	uword size, asked, align, phase, nocross, min, max;
	/* A segment of this size inside [min, max] fits for certain; ~0 when none can be sure to.
	 */
	uword certain;
	vmem_policy_t policy;
	u32 flags;
	u8 is_constrained, has_bounds;
	/* Walk the lists if no index can be had. */
	u8 may_walk;
	/* It must come back in time: no sleep inside a source. */
	u8 has_deadline;
	/* What vmem_fit() wants built when it answers VMEM_FIT_WANTS_INDEX: 1 << order. */
	u8 wants;
} vmem_search_t;

/** What an operation leaves to be done without the lock. */
typedef struct {
	vmem_tag_index_t *hash_block; /* used no more */
	uword addr, size;             /* goes back to the source; size 0: nothing does */
	void *dead_chunk;             /* of an index that was given up */
	/* Memory, one kind an operation: each may be calls to the system. */
	u8 wants_tags, wants_part, wants_nodes, serves_hints;
	u8 has_room; /* whoever imports from here may ask again */
} vmem_after_t;

/** What whoever ends an operation should look at, in all arenas: a hash of vmem's own that could
 *  not be seen to, and twice the number of sleepers who import.  Hints: relaxed; whoever misses
 *  one leaves it to the next operation. */
extern _Atomic u32 vmem_hints __attribute__((visibility("hidden")));
#define VMEM_HINT_HASH 1u
#define VMEM_HINT_SLEEPER 2u

/** The last thing under the lock, which it drops; and the first without. */
void vmem_after_unlock(vmem_t *vmp, vmem_after_t *after);
void vmem_after_run(vmem_t *vmp, const vmem_after_t *after);

/* ---- sleeping (wait.c) ---- */

/** One sleeper, on its own stack; linked from its first sleep on. */
typedef struct vmem_waiter {
	struct vmem_waiter *next, *prev;
	vmem_search_t *search;
	u64 deadline_ns, began_ns; /* 0: none */
	uword addr;
	u8 is_queued, is_served, has_reclaimed, is_last_try;
	u8 is_awake; /* served, or to look for itself */
} vmem_waiter_t;

/** Sleep until there is something to try.  Arena locked, dropped meanwhile.
 *  @return 0, with is_served or to try again; -ENOMEM, -EDEADLK, -ETIMEDOUT */
int vmem_wait(vmem_t *vmp, vmem_waiter_t *w);
/** Arena locked. */
void vmem_wait_end(vmem_t *vmp, vmem_waiter_t *w);
/** A FREE tag came or grew: hand it to whom it satisfies.  Arena locked. */
void vmem_serve_waiters(vmem_t *vmp, u32 tag);
/** Let all sleepers try.  Arena locked. */
void vmem_wake_all(vmem_t *vmp);
/** Let sleepers try who import from an arena that has room again.  No lock held. */
void vmem_wake_importers(vmem_t *source);
u64 vmem_now_ns(void);

/* ---- room from elsewhere (import.c) ---- */

/** Arena locked, dropped during the import; enough tags for a span and an allocation are there on
 *  return.  @return 0 with a FREE tag to take from and where; -ENOMEM; -EIO when the source gave
 *  what cannot be used.  A range that is not wanted is left in *after, to go back. */
int vmem_import_and_fit(vmem_t *vmp, vmem_search_t *s, u32 *tag, uword *addr, vmem_after_t *after);
/** Spans would pass the limit.  Arena locked. */
bool vmem_is_over_limit(const vmem_t *vmp, uword size);
/** Reap caches and call the reclaim function.  Arena locked, dropped meanwhile.
 *  @return whether there was anything to call */
bool vmem_reclaim(vmem_t *vmp, const vmem_search_t *s);
/** The source is an arena that is called without anything between. */
bool vmem_source_is_arena(const vmem_t *vmp);
/** Request flags as a source of illumos' shape sees them. */
int vmem_vmflag_of(u32 request_flags);

/* ---- quantum caches (qcache.c) ---- */

/** Make an arena's caches, as far as there is a table.  @return 0 or -ENOMEM */
int vmem_qcache_create(vmem_t *vmp);
void vmem_qcache_destroy(vmem_t *vmp);
/** @return 0 or -ENOMEM, then the arena itself may have room. */
int vmem_qcache_alloc(vmem_t *vmp, const vmem_request_t *request, uword *addr);
/** @return whether it was the cache's, or would have been: *error is the outcome. */
bool vmem_qcache_free(vmem_t *vmp, uword addr, uword size, const void *caller, int *error);
uword vmem_qcache_reap(vmem_t *vmp);
uword vmem_qcache_slab_bytes(const vmem_t *vmp);

/** A cache knows no constraints: a request that has some is the arena's. */
always_inline bool
vmem_qcache_fronts(const vmem_t *vmp, const vmem_request_t *r)
{
	return !(r->flags & VMEM_REQUEST_X) && r->size != 0 &&
	       r->size <= (uword)vmp->vm_n_qcaches << vmp->vm_qshift &&
	       (r->align | r->phase | r->nocross | r->min) == 0 && r->max == ~(uword)0;
}

/* ---- spans ---- */

/** vmem_core_alloc() without constraints: straight away where nothing stands in the way. */
int vmem_core_alloc_plain(vmem_t *vmp, uword size, vmem_policy_t policy, u32 flags, uword *addr);

/** @return 0; -EINVAL not on quantum, empty or beyond the address space; -EEXIST overlap;
 *  -ENOMEM no tags. */
int vmem_core_add(vmem_t *vmp, uword addr, uword size);

/** Steps looked at are counted in vk_contains_search. */
bool vmem_core_contains(vmem_t *vmp, uword addr, uword size);

/* ---- arenas ---- */

/* vm_source_face: which shape vm_source_alloc and vm_source_free have. */
#define VMEM_FACE_ILLUMOS 0   /* void *(*)(vmem_t *, size_t, int) */
#define VMEM_FACE_ILLUMOS_X 1 /* void *(*)(vmem_t *, size_t *, size_t align, int) */
#define VMEM_FACE_BSD 2       /* int (*)(void *arg, size, int M_flags, addr *) */
#define VMEM_FACE_NETBSD 3    /* int (*)(void *arg, size, VM_flags, addr *) */
#define VMEM_FACE_NETBSD_X 4  /* int (*)(void *arg, size, size *, VM_flags, addr *) */

typedef struct {
	const char *name;
	uword base, size; /* initial span; size 0 for none */
	uword quantum;
	vmem_alloc_t *source_alloc;
	vmem_free_t *source_free;
	vmem_t *source;
	u32 source_face;
	void *source_arg; /* a BSD source's */
	uword qcache_max;
	int cflags; /* VMC_* */
	/* Other than instant: requests will have policies, and the indexes are there for them from
	 * the first free segment on, as after vmem_prepare(). */
	vmem_policy_t policy;
	vmem_t *storage; /* the caller's, NULL for our own */
} vmem_params_t;

/** @return 0; -EINVAL quantum, span or quantum and span together; -ENOMEM. */
int vmem_core_create(const vmem_params_t *params, vmem_t **vmp);

/** Another source, of which params has the fields.  @return 0; -EBUSY there is a span. */
int vmem_core_set_import(vmem_t *vmp, const vmem_params_t *params, uword import_quantum);

/** Sizes in use as rounded, which is how the BSDs count. */
uword vmem_rounded_inuse(vmem_t *vmp);

/** What the BSD faces print: the arena, or who has an address. */
typedef int(vmem_print_function_t)(const char *format, ...);
void vmem_print_arena(vmem_t *vmp, bool with_tags, vmem_print_function_t *print);
void vmem_print_owner(uword addr, vmem_print_function_t *print);
void vmem_print_all(bool with_tags, vmem_print_function_t *print);

/** Free whatever was taken with VMEM_REQUEST_X. */
void vmem_core_xfreeall(vmem_t *vmp);
/** Free it if it was; else leave it, without a word. */
void vmem_core_xfree_if(vmem_t *vmp, uword addr, uword size);

/** @return 0; -EBUSY another arena imports from it, nothing changed. */
int vmem_core_destroy(vmem_t *vmp, const void *caller);

/** vmem_init() has run. */
bool vmem_is_ready(void);

/** vmem_init() with arguments that are right: NULL, without a word, when it has run already. */
vmem_t *vmem_init_once(const char *parent_name, size_t parent_quantum, vmem_alloc_t *parent_alloc,
		       vmem_free_t *parent_free, const char *heap_name, void *heap_start,
		       size_t heap_size, size_t heap_quantum, vmem_alloc_t *heap_alloc,
		       vmem_free_t *heap_free);

/** Call a source in the shape it has.  No lock held.
 *  @param size  in: wanted; out: got  @return 0 or -ENOMEM. */
int vmem_source_import(vmem_t *vmp, uword *size, uword align, u32 request_flags, uword *addr);
void vmem_source_export(vmem_t *vmp, uword addr, uword size);

/* ---- blocks that hashes and indexes are made of (blocks.c) ---- */

/* Two pages: see VMEM_LOG2_TAGS_PER_CHUNK. */
#define VMEM_BLOCK_BYTES KiB(8)

typedef enum {
	VMEM_BLOCK_HASH,
	VMEM_BLOCK_INDEX,
	VMEM_N_BLOCK_KINDS,
} vmem_block_kind_t;

/** A block that is there already; undefined contents.  @return NULL for none */
void *vmem_block_take(vmem_block_kind_t kind);
/** Keep one for the next who needs it. */
void vmem_block_keep(vmem_block_kind_t kind, void *block);
/** The same for one that was there from the start.  @return whether it is one */
bool vmem_block_keep_static(void *block);
/** One that was kept and is not from the start, to be given back. */
void *vmem_block_take_kept(vmem_block_kind_t kind);

/* ---- hash of allocated segments ---- */

/* Buckets that one operation splits or joins at most: more than the one that keeps up, so that
 * what was left undone while memory was short is made up for. */
#define VMEM_HASH_BUCKETS_PER_OP 2
/* Quanta whose buckets are neighbours: 4 KiB of buckets. */
#define VMEM_HASH_LOG2_BLOCK 10

/* Parts larger than this are a directory of blocks of so many buckets, 8 KiB each, which come and
 * go one by one: no operation waits while megabytes are zeroed or given back.  For the same reason
 * a directory is no larger than a block: larger parts are a directory of directories. */
#define VMEM_HASH_LOG2_BUCKETS 11
#define VMEM_HASH_BLOCK_BUCKETS (1u << VMEM_HASH_LOG2_BUCKETS)
#define VMEM_HASH_LOG2_DIRECTORY 21
#define VMEM_HASH_DIRECTORY_BUCKETS (1u << VMEM_HASH_LOG2_DIRECTORY)

#define VMEM_HASH_LOG2_INITIAL 4
STATIC_ASSERT(1 << VMEM_HASH_LOG2_INITIAL == VMEM_HASH_INITIAL, "as named");

/* Part 0 has buckets 0 to 15, part p > 0 has [2^(p + 3), 2^(p + 4)). */
always_inline uword
vmem_hash_part_of(uword bucket, uword *offset)
{
	uword log2 = min_log2(bucket | VMEM_HASH_INITIAL / 2);
	uword part = log2 - (min_log2(VMEM_HASH_INITIAL) - 1);

	*offset = part ? bucket - (1ULL << log2) : bucket;
	return part;
}

always_inline u32 *
vmem_hash_bucket_at(const vmem_t *vmp, uword bucket)
{
	vmem_tag_index_t *const *directory;
	uword log2, offset;

	/* As vmem_hash_part_of(), each case by itself: this is on everybody's way. */
	if (bucket < VMEM_HASH_INITIAL)
		return (u32 *)&vmp->vm_hash0[bucket];
	log2 = (uword)__builtin_clzll(bucket) ^ 63;
	offset = bucket ^ 1ULL << log2;
	directory =
		(vmem_tag_index_t *const *)vmp->vm_hash_table[log2 - VMEM_HASH_LOG2_INITIAL + 1];
	if (bucket < VMEM_HASH_BLOCK_BUCKETS)
		return &((u32 *)directory)[offset];
	if (PREDICT_FALSE(bucket >= 2 * VMEM_HASH_DIRECTORY_BUCKETS)) {
		directory = ((
			vmem_tag_index_t * *const *)directory)[offset >> VMEM_HASH_LOG2_DIRECTORY];
		offset &= VMEM_HASH_DIRECTORY_BUCKETS - 1;
	}
	return &directory[offset >> VMEM_HASH_LOG2_BUCKETS][offset & (VMEM_HASH_BLOCK_BUCKETS - 1)];
}

/* Where the entry of an address is or would be.  Linear hashing (Litwin, 1980): with L buckets of
 * which the first S have been split, the lowest log2(2 L) bits of the hash name a bucket, and if
 * that does not exist yet, one bit less does. */
always_inline u32 *
vmem_hash_bucket(const vmem_t *vmp, uword addr)
{
	/* Neighbours of one block of addresses meet in the same cache lines, which the usual runs
	 * of allocations profit from; where a block lies is Fibonacci hashing (Knuth, TAOCP vol. 3,
	 * 6.4): the top byte depends on all bits below, so addresses at whatever power-of-two
	 * distance spread.  It comes to the bottom. */
	uword quanta = addr >> vmp->vm_qshift;
	uword h = __builtin_bswap64((quanta >> VMEM_HASH_LOG2_BLOCK) * 0x9e3779b97f4a7c15ull) +
		  (quanta & pow2_mask(VMEM_HASH_LOG2_BLOCK));
	uword bucket = h & (2 * vmp->vm_hash_mask + 1);

	if (bucket >= vmp->vm_hash_n_buckets)
		bucket &= vmp->vm_hash_mask;
	return vmem_hash_bucket_at(vmp, bucket);
}

void vmem_hash_init(vmem_t *vmp);

always_inline uword
vmem_hash_n_buckets(const vmem_t *vmp)
{
	return vmp->vm_hash_n_buckets;
}

always_inline bool
vmem_hash_is_too_large(const vmem_t *vmp)
{
	uword n_buckets = vmem_hash_n_buckets(vmp);

	return PREDICT_FALSE(vmp->vm_n_segs < n_buckets / 2) && n_buckets > VMEM_HASH_INITIAL;
}

/* Sizes the table may keep: at most one entry a bucket, at least half of one. */
always_inline bool
vmem_hash_is_out_of_range(const vmem_t *vmp)
{
	return vmp->vm_n_segs > vmem_hash_n_buckets(vmp) || vmem_hash_is_too_large(vmp);
}

/** Split or join a bucket or two.  Arena locked.
 *  @param[out] wants_part  nothing can be split before vmem_hash_add_part()
 *  @return a block that is used no more, to be kept once unlocked; or NULL */
vmem_tag_index_t *vmem_hash_step(vmem_t *vmp, u8 *wants_part);

/** Fetch the next part and put it in place.  No lock held. */
void vmem_hash_add_part(vmem_t *vmp);
/** Do for vmem's own arenas what could not be done while they were busy for another. */
void vmem_hash_serve_pending(void);

void vmem_hash_free_part(vmem_tag_index_t *part, uword n_buckets);
/** Parts smaller than a block that a smaller table left.  No lock held. */
void vmem_hash_free_unused(vmem_t *vmp);
/** Give such blocks back to vmem_hash_arena.  @return bytes.  No lock held. */
uword vmem_hash_trim(void);
/** Whether there is memory for a bucket. */
bool vmem_hash_has_bucket(vmem_t *vmp, uword bucket);
/** All of a dying arena's table. */
void vmem_hash_free_table(vmem_t *vmp);

/* ---- segments ---- */

/** The last span that starts at or below addr, 0 for none. */
u32 vmem_span_below(vmem_t *vmp, uword addr, u64 *n_steps);
/** Span after a span; the first one after 0. */
u32 vmem_span_next(const vmem_t *vmp, u32 span);
/** Into and out of the tree of spans; its END tag is there.  Logarithmic in the spans. */
void vmem_span_enter(vmem_t *vmp, u32 span);
void vmem_span_leave(vmem_t *vmp, u32 span);
/** Once the ring is known to be right.  @return NULL or what is wrong */
const char *vmem_span_check(vmem_t *vmp);

/** @return 0 with the FREE tag, or -EEXIST when it overlaps another span.  Uses
 *  VMEM_TAGS_PER_SPAN tags of the arena. */
int vmem_span_create(vmem_t *vmp, uword addr, uword size, bool is_import, u32 *free_tag);
/** free_tag is all there is in its span; the three tags go. */
void vmem_span_destroy(vmem_t *vmp, u32 free_tag);

/** Make [addr, addr + size) of a FREE tag allocated and enter it in the hash. */
void vmem_seg_alloc(vmem_t *vmp, u32 free_tag, uword addr, const vmem_search_t *s);
/** How many tags that takes from the arena's stock. */
always_inline u32
vmem_seg_alloc_tags(u32 free_tag, uword addr, const vmem_search_t *s)
{
	const vmem_seg_t *t = vmem_tag(free_tag);

	return (addr != t->vs_start) + (addr + s->size != vmem_tag(t->vs_anext)->vs_start);
}
/** Another rounded size and asked size for an ALLOC tag.  Growing: the FREE tag behind it is
 *  large enough.  Shrinking may take a tag. */
void vmem_seg_resize(vmem_t *vmp, u32 tag, uword size, uword asked);
/** Take [addr, addr + size), all in one FREE tag, out of its span.  Takes up to four tags. */
void vmem_seg_remove(vmem_t *vmp, u32 free_tag, uword addr, uword size);

/** Whether the search can be placed inside [start, last], and where. */
bool vmem_place(const vmem_search_t *s, uword start, uword last, uword *addr);

/* So few free segments are walked without an index; by best fit for a size alone, so many in the
 * two lists that it looks at. */
#define VMEM_WALK_MAX 32
#define VMEM_WALK_MAX_BEST 128
/* So many while an index is being built: some ten microseconds. */
#define VMEM_WALK_LONG 256
/* No tag's number. */
#define VMEM_FIT_WANTS_INDEX (~0u)

/** The segment that the policy chooses.
 *  @return a FREE tag and the address in it, or 0; VMEM_FIT_WANTS_INDEX, unless s->may_walk, when
 *          only an index named in s->wants or a long walk could tell. */
u32 vmem_fit(vmem_t *vmp, vmem_search_t *s, uword *addr);

/** Best fit in a range by the two indexes, and where these do not decide it soon by the range trees
 *  (fit_range.c).  The two are there. */
u32 vmem_fit_best_in_range(vmem_t *vmp, vmem_search_t *s, uword *addr);
/** The same by the range trees, which are there.  n_steps are added to. */
u32 vmem_fit_by_pieces(vmem_t *vmp, const vmem_search_t *s, uword *addr, u64 *n_steps);

/** The segment that was chosen, whose tag and place in the hash nobody has looked at yet: the ways
 * to memory are one beside the other. */
always_inline u32
vmem_fit_taken(const vmem_t *vmp, u32 tag, uword addr)
{
	__builtin_prefetch(vmem_tag(tag), 1);
	__builtin_prefetch(vmem_hash_bucket(vmp, addr), 1);
	return tag;
}

/** vmem_fit() for a size alone.  @return 0 as well where an index would have to be made */
u32 vmem_fit_plain(vmem_t *vmp, uword size, vmem_policy_t policy, uword *addr);

/** By walking all the lists that may have it (fit_walk.c). */
u32 vmem_walk_best(vmem_t *vmp, const vmem_search_t *s, uword *addr);
u32 vmem_walk_lowest(vmem_t *vmp, const vmem_search_t *s, uword from, uword *addr);
u32 vmem_walk_best_plain(vmem_t *vmp, uword size);
u32 vmem_walk_lowest_plain(vmem_t *vmp, uword size);

/** Lists that may hold a segment of this size. */
always_inline u64
vmem_lists_from(const vmem_t *vmp, uword size)
{
	return vmp->vm_freemap & (~0ULL << min_log2(size));
}

/** Lists all of whose segments are at least this large. */
always_inline u64
vmem_lists_certain(const vmem_t *vmp, uword size)
{
	u64 n = max_log2(size);

	return n > 63 ? 0 : vmp->vm_freemap & (~0ULL << n);
}

always_inline bool
vmem_place_in_tag(const vmem_search_t *s, const vmem_seg_t *t, uword size, uword *addr)
{
	return vmem_place(s, t->vs_start, t->vs_start + size - 1, addr);
}

#if defined(__x86_64__) && !defined(__LZCNT__)
/** The processor has lzcnt. */
extern u8 vmem_has_lzcnt __attribute__((visibility("hidden")));
#endif

/* The list of a size above 0: its logarithm.  An allocation and a free take some four, and bsr is
 * eight operations on AMD's processors, so that asking for lzcnt, which is one, pays. */
always_inline uword
vmem_freelist_of(uword size)
{
#if defined(__x86_64__) && !defined(__LZCNT__)
	uword n;

	if (PREDICT_TRUE(vmem_has_lzcnt)) {
		asm("lzcntq %1, %0" : "=r"(n) : "r"(size) : "cc");
		return n ^ 63;
	}
#endif
	return (uword)__builtin_clzll(size) ^ 63;
}

/* ---- walks (walk.c) ---- */

/** Locks the arena.  The walker is the caller's, on its stack, until vmem_walk_end(). */
void vmem_walk_begin(vmem_t *vmp, vmem_walker_t *w);
/** Unlocks it. */
void vmem_walk_end(vmem_t *vmp, const vmem_walker_t *w);
/** The next tag of VMEM_ALLOC, VMEM_FREE and VMEM_SPAN; its size as asked for.  Arena locked; where
 *  it may yield, others have it for a moment now and then.  @return NULL at the end */
const vmem_seg_t *vmem_walk_next(vmem_t *vmp, vmem_walker_t *w, int typemask, bool may_yield,
				 uword *size);
/** The segment that has an address: at once where it begins there and is allocated, else by a walk
 *  from its span on.  Arena locked, dropped now and then.  @return ALLOC or FREE, 0 for none */
u32 vmem_locate(vmem_t *vmp, uword addr);

/* ---- reports ---- */

/** Tell the error hook.  No lock held. */
void vmem_report(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller);
void vmem_report_bad_free(vmem_t *vmp, uword addr, uword size, u32 flags, const void *caller);
/** A refused request: contradictory or hopeless, else nothing; exhaustion is no fault. */
void vmem_report_refusal(vmem_t *vmp, uword size, int error, const void *caller);
/** The words for it, NULL for none. */
const char *vmem_refusal_text(int error);
/** Reports and stops the process: VM_PANIC. */
void vmem_panic(const char *what, vmem_t *vmp, uword size, const void *caller)
	__attribute__((noreturn));

#endif
