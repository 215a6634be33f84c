/* SPDX-License-Identifier: Apache-2.0 */
/* Units are pieces of one reservation a NUMA node, so that a commit puts their pages on the node;
 * all of them are committed up to the same offset.  Offsets come from an arena of vmem.
 *
 * A variable of clib_percpu_alloc() has its size in the eight bytes below it, in the shared unit,
 * which exists as long as anything does. */
#include "percpu_impl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/vm.h>
#include <vppinfra/vmem.h>

#define MAX_NODES 64
/* Objects that may have static variables at one time: the program, libraries, plugins. */
#define MAX_SECTIONS 256
/* Offset 0 is NULL; the first line is nobody's. */
#define FIRST_OFFSET CLIB_CACHE_LINE_BYTES
#define SIZE_BYTES sizeof(u64)

typedef struct {
	const u8 *start, *stop;
	uword offset, n_refs;
	uword *delta;
} section_t;

CLIB_ATOMIC(u8 *) clib_percpu_bases[CLIB_MAX_THREADS + 1];

static struct {
	/* Held while units are committed: growth must look atomic to a unit that is being made. */
	pthread_mutex_t lock;
	/* Under lock. */
	vm_range_t *ranges[MAX_NODES];
	uword stride_bytes; /* of units; constant once a range exists */
	uword n_committed;  /* bytes of each unit */
	uword page_bytes;
	vmem_t *offsets;
	section_t sections[MAX_SECTIONS];
	u64 n_static_bytes, n_dynamic_bytes, n_units, n_fails;
	u64 fail_after;
	/* Threads without a unit, between enter and leave. */
	pthread_mutex_t shared_lock;
} percpu = { .lock = PTHREAD_MUTEX_INITIALIZER, .shared_lock = PTHREAD_MUTEX_INITIALIZER };

/* Nested enters of a thread that holds shared_lock. */
static __thread u32 n_shared_entries __attribute__((tls_model("initial-exec")));

/* ---- units; lock held ---- */

static bool
is_made_to_fail(void)
{
	return percpu.fail_after && --percpu.fail_after == 0;
}

/* Which of the reservations: one for all where there is one node. */
static u32
node_of_caller(void)
{
	int node = vm_n_numa_nodes() > 1 ? vm_current_numa_node() : 0;

	return node < 0 || node >= MAX_NODES ? 0 : (u32)node;
}

static int
reserve_node(u32 node)
{
	vm_range_params_t params = { .name = "percpu",
				     .numa_node = vm_n_numa_nodes() > 1 ? (int)node : VM_NODE_ANY,
				     .page_size = CLIB_MEM_PAGE_SZ_DEFAULT };
	/* Less room for variables where address space is limited. */
	uword stride = percpu.stride_bytes ? percpu.stride_bytes : CLIB_PERCPU_UNIT_BYTES;

	if (percpu.ranges[node])
		return 0;
	for (;; stride /= 4) {
		params.reserve_bytes = stride * (CLIB_MAX_THREADS + 1);
		if (vm_reserve(&params, &percpu.ranges[node]) == 0)
			break;
		if (percpu.stride_bytes || stride <= KiB(16))
			return -ENOMEM;
	}
	percpu.stride_bytes = stride;
	percpu.page_bytes = vm_range_page_bytes(percpu.ranges[node]);
	return 0;
}

/* Commit [from, to) of a unit. */
static int
commit_unit(u8 *base, uword from, uword to)
{
	vm_range_t *range = vm_range_of(base);

	if (is_made_to_fail())
		return -ENOMEM;
	return vm_commit(range, (uword)(base + from - (u8 *)vm_range_base(range)), to - from);
}

static void
copy_section(u8 *base, const section_t *s)
{
	memcpy(base + s->offset, s->start, (uword)(s->stop - s->start));
}

/* Make the unit of an index on a node.  Value: its base, or NULL. */
static u8 *
make_unit(u32 index, u32 node)
{
	u8 *base = atomic_load_explicit(&clib_percpu_bases[index], memory_order_relaxed);

	if (base)
		return base;
	if (reserve_node(node))
		return NULL;
	base = (u8 *)vm_range_base(percpu.ranges[node]) + index * percpu.stride_bytes;
	if (percpu.n_committed == 0)
		percpu.n_committed = percpu.page_bytes;
	if (commit_unit(base, 0, percpu.n_committed))
		return NULL;
	for (u32 i = 0; i < MAX_SECTIONS; i++)
		if (percpu.sections[i].offset)
			copy_section(base, &percpu.sections[i]);
	percpu.n_units++;
	/* Release: what is in the unit is seen by whoever acquires its base. */
	atomic_store_explicit(&clib_percpu_bases[index], base, memory_order_release);
	return base;
}

/* Commit all units up to n bytes.  On failure some have more than the rest, which does no harm:
 * committing again leaves pages as they are. */
static int
grow_units(uword n)
{
	n = round_pow2(n, percpu.page_bytes);
	if (n <= percpu.n_committed)
		return 0;
	for (u32 i = 0; i <= CLIB_MAX_THREADS; i++) {
		u8 *base = atomic_load_explicit(&clib_percpu_bases[i], memory_order_relaxed);

		if (base && commit_unit(base, percpu.n_committed, n))
			return -ENOMEM;
	}
	percpu.n_committed = n;
	return 0;
}

static void
fork_prepare(void)
{
	pthread_mutex_lock(&percpu.lock);
}

static void
fork_parent(void)
{
	pthread_mutex_unlock(&percpu.lock);
}

/* The shared unit is whose thread forked, if it was so before, or nobody's: other threads that were
 * between enter and leave do not exist any more. */
static void
fork_child(void)
{
	pthread_mutex_unlock(&percpu.lock);
	percpu.shared_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	if (n_shared_entries)
		pthread_mutex_lock(&percpu.shared_lock);
}

static int
init_locked(void)
{
	vmem_t *heap;

	if (percpu.offsets)
		return 0;
	/* Brings vmem up, and with it the fork handlers that have to run after ours. */
	heap = vmem_mmap_arena(NULL, NULL);
	if (heap == NULL || make_unit(CLIB_PERCPU_SHARED, node_of_caller()) == NULL)
		return -ENOMEM;
	percpu.offsets =
		vmem_create("percpu", (void *)FIRST_OFFSET, percpu.stride_bytes - FIRST_OFFSET,
			    SIZE_BYTES, NULL, NULL, NULL, 0, VM_NOSLEEP | VMC_IDENTIFIER);
	if (percpu.offsets == NULL)
		return -ENOMEM;
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	return 0;
}

int
percpu_init(void)
{
	int error;

	pthread_mutex_lock(&percpu.lock);
	error = init_locked();
	pthread_mutex_unlock(&percpu.lock);
	return error;
}

/* ---- offsets ---- */

static uword
offset_alloc_locked(uword size, uword align, uword phase)
{
	uword offset;

	if (init_locked())
		return 0;
	offset = (uword)vmem_xalloc(percpu.offsets, size, align, phase, 0, NULL, NULL, VM_NOSLEEP);
	if (offset == 0)
		return 0;
	if (grow_units(offset + size)) {
		vmem_xfree(percpu.offsets, (void *)offset, size);
		return 0;
	}
	return offset;
}

/* Another thread's copy is being read at most by a reader that sums something freed: relaxed. */
static void
zero_all(uword offset, uword size)
{
	for (u32 i = 0; i <= CLIB_MAX_THREADS; i++) {
		u8 *base = atomic_load_explicit(&clib_percpu_bases[i], memory_order_relaxed);

		if (base)
			memset(base + offset, 0, size);
	}
}

uword
percpu_offset_alloc(uword size, uword align, uword phase)
{
	uword offset;

	pthread_mutex_lock(&percpu.lock);
	offset = offset_alloc_locked(size, align, phase);
	if (offset) {
		zero_all(offset, size);
		percpu.n_dynamic_bytes += size;
	} else {
		percpu.n_fails++;
	}
	pthread_mutex_unlock(&percpu.lock);
	return offset;
}

void
percpu_offset_free(uword offset, uword size)
{
	pthread_mutex_lock(&percpu.lock);
	vmem_xfree(percpu.offsets, (void *)offset, size);
	percpu.n_dynamic_bytes -= size;
	pthread_mutex_unlock(&percpu.lock);
}

void *
clib_percpu_alloc(uword size, uword align)
{
	uword offset;

	/* is_pow2() takes 0, which is ours, too. */
	if (size == 0 || size >= CLIB_PERCPU_UNIT_BYTES || !is_pow2(align) || align > KiB(4))
		return NULL;
	align = clib_max(align, SIZE_BYTES);
	size = round_pow2(size, SIZE_BYTES) + SIZE_BYTES;
	/* The size below, the variable itself on its alignment. */
	offset = percpu_offset_alloc(size, align, align > SIZE_BYTES ? align - SIZE_BYTES : 0);
	if (offset == 0)
		return NULL;
	*(u64 *)(clib_percpu_unit(CLIB_PERCPU_SHARED) + offset) = size;
	return (void *)(offset + SIZE_BYTES);
}

void
clib_percpu_free(const volatile void *cookie)
{
	uword offset = (uword)cookie - SIZE_BYTES, size = 0;

	if (cookie == NULL)
		return;
	if (percpu_init())
		return;
	pthread_mutex_lock(&percpu.lock);
	if ((uword)cookie >= FIRST_OFFSET + SIZE_BYTES && (uword)cookie < percpu.n_committed &&
	    (uword)cookie % SIZE_BYTES == 0)
		size = *(u64 *)(atomic_load_explicit(&clib_percpu_bases[CLIB_PERCPU_SHARED],
						     memory_order_relaxed) +
				offset);
	/* vmem knows what is allocated, and how long: it refuses and reports everything else. */
	u64 n_frees = percpu.offsets->vm_kstat.vk_free;

	vmem_xfree(percpu.offsets, (void *)offset, size ? size : SIZE_BYTES);
	if (percpu.offsets->vm_kstat.vk_free != n_frees)
		percpu.n_dynamic_bytes -= size;
	pthread_mutex_unlock(&percpu.lock);
}

/* ---- static variables ---- */

static section_t *
section_of(const volatile void *p)
{
	for (u32 i = 0; i < MAX_SECTIONS; i++) {
		section_t *s = &percpu.sections[i];

		if (s->offset && (const u8 *)p >= s->start && (const u8 *)p < s->stop)
			return s;
	}
	return NULL;
}

/* Lock held.  The section keeps its place in a cache line and below, so alignments up to that
 * hold in the units too. */
static section_t *
add_section(const u8 *start, const u8 *stop)
{
	uword size = round_pow2((uword)(stop - start), SIZE_BYTES);

	for (u32 i = 0; i < MAX_SECTIONS; i++) {
		section_t *s = &percpu.sections[i];

		if (s->offset)
			continue;
		s->offset = offset_alloc_locked(size, CLIB_CACHE_LINE_BYTES,
						(uword)start % CLIB_CACHE_LINE_BYTES);
		if (s->offset == 0)
			return NULL;
		s->start = start;
		s->stop = stop;
		s->n_refs = 0;
		percpu.n_static_bytes += size;
		for (u32 k = 0; k <= CLIB_MAX_THREADS; k++) {
			u8 *base =
				atomic_load_explicit(&clib_percpu_bases[k], memory_order_relaxed);

			if (base)
				copy_section(base, s);
		}
		return s;
	}
	return NULL;
}

void
clib_percpu_register(const void *start, const void *stop, uword *delta)
{
	section_t *s;

	pthread_mutex_lock(&percpu.lock);
	s = section_of(start);
	if (s == NULL)
		s = add_section(start, stop);
	/* A program cannot go on without its variables, and is only being loaded. */
	ALWAYS_ASSERT(s != NULL);
	s->n_refs++;
	s->delta = delta;
	*delta = s->offset - (uword)start;
	pthread_mutex_unlock(&percpu.lock);
}

void
clib_percpu_unregister(const void *start)
{
	section_t *s;

	pthread_mutex_lock(&percpu.lock);
	s = section_of(start);
	if (s && --s->n_refs == 0) {
		uword size = round_pow2((uword)(s->stop - s->start), SIZE_BYTES);

		vmem_xfree(percpu.offsets, (void *)s->offset, size);
		percpu.n_static_bytes -= size;
		s->offset = 0;
	}
	pthread_mutex_unlock(&percpu.lock);
}

uword
clib_percpu_offset_of(const volatile void *p)
{
	const section_t *s;
	uword offset = 0;

	pthread_mutex_lock(&percpu.lock);
	s = section_of(p);
	if (s)
		offset = (uword)((const u8 *)p - s->start) + s->offset;
	pthread_mutex_unlock(&percpu.lock);
	/* Not a per-CPU variable: following it would write to somebody else's memory. */
	ALWAYS_ASSERT(offset != 0);
	return offset;
}

/* ---- who uses which unit ---- */

u8 *
clib_percpu_attach(void)
{
	u16 index = clib_thread_index();
	u8 *base;

	if (index == CLIB_THREAD_INDEX_NONE)
		return NULL;
	pthread_mutex_lock(&percpu.lock);
	base = init_locked() ? NULL : make_unit(index, node_of_caller());
	if (base == NULL)
		percpu.n_fails++;
	pthread_mutex_unlock(&percpu.lock);
	clib_thread_percpu_base = base;
	return base;
}

u8 *
clib_percpu_unit(u32 index)
{
	u8 *base;

	pthread_mutex_lock(&percpu.lock);
	base = init_locked() || index > CLIB_MAX_THREADS ? NULL
							 : make_unit(index, node_of_caller());
	if (base == NULL) {
		percpu.n_fails++;
		base = atomic_load_explicit(&clib_percpu_bases[CLIB_PERCPU_SHARED],
					    memory_order_relaxed);
	}
	pthread_mutex_unlock(&percpu.lock);
	/* Not one page for the very first unit: nothing can have been allocated either. */
	ALWAYS_ASSERT(base != NULL);
	return base;
}

u32
clib_percpu_next(i64 index)
{
	u32 limit = clib_thread_index_limit();

	/* Acquire: see clib_per_cpu_ptr(). */
	for (index++; index < limit; index++)
		if (atomic_load_explicit(&clib_percpu_bases[index], memory_order_acquire))
			return (u32)index;
	return index <= CLIB_PERCPU_SHARED ? CLIB_PERCPU_SHARED : CLIB_PERCPU_SHARED + 1;
}

u32
clib_percpu_enter(void)
{
	u8 *base = n_shared_entries ? NULL : _clib_percpu_base();

	if (PREDICT_TRUE(base != NULL))
		return clib_thread_index();
	if (n_shared_entries++ == 0)
		pthread_mutex_lock(&percpu.shared_lock);
	return CLIB_PERCPU_SHARED;
}

void
clib_percpu_leave(void)
{
	if (PREDICT_FALSE(n_shared_entries != 0) && --n_shared_entries == 0)
		pthread_mutex_unlock(&percpu.shared_lock);
}

void
clib_percpu_get_info(clib_percpu_info_t *info)
{
	pthread_mutex_lock(&percpu.lock);
	*info = (clib_percpu_info_t){ .n_units = percpu.n_units,
				      .n_static_bytes = percpu.n_static_bytes,
				      .n_dynamic_bytes = percpu.n_dynamic_bytes,
				      .unit_bytes = percpu.stride_bytes,
				      .n_fails = percpu.n_fails };
	for (u32 i = 0; i < MAX_NODES; i++) {
		vm_range_info_t range;

		if (percpu.ranges[i] == NULL)
			continue;
		vm_range_get_info(percpu.ranges[i], &range);
		info->committed_bytes += range.committed_bytes;
	}
	pthread_mutex_unlock(&percpu.lock);
}

void
clib_percpu_fail_after(u64 n)
{
	pthread_mutex_lock(&percpu.lock);
	percpu.fail_after = n;
	pthread_mutex_unlock(&percpu.lock);
}
