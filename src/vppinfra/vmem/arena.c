/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas as objects: creating, destroying, listing and walking them, and what a fork must hold.
 * The first six live in vmem0; later ones come from vmem_vmem_arena, whose first span is vmem0,
 * so that an early arena's place is freed like any other's. */
#include "vmem_impl.h"

#include <stdatomic.h>
#include <stdio.h>

/* A quantum's worth of slack fits a tag's 32 bits. */
#define VMEM_QUANTUM_MAX (1ULL << 32)

static vmem_t vmem0[VMEM_INITIAL];

vmem_t *vmem_heap, *vmem_internal_arena, *vmem_seg_arena, *vmem_hash_arena, *vmem_vmem_arena;

/* Recursive: a callback of vmem_foreach_arena() may free badly, which asks whose address it is. */
static pthread_mutex_t list_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static vmem_t *vmem_list;
static u32 n_created;
static _Atomic u64 n_leaked_segs;

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic u32 is_ready;

bool
vmem_is_ready(void)
{
	/* Acquire: the arenas that vmem_init() made are seen; partner: its release at the end. */
	return atomic_load_explicit(&is_ready, memory_order_acquire);
}

/* ---- the list ---- */

static void
list_append(vmem_t *vmp)
{
	vmem_t **link = &vmem_list;

	while (*link)
		link = &(*link)->vm_next;
	vmp->vm_next = NULL;
	*link = vmp;
}

/* List locked.  Value: -EBUSY when another arena imports from it, nothing changed. */
static int
list_remove(vmem_t *vmp)
{
	vmem_t **link = &vmem_list;

	for (vmem_t *other = vmem_list; other; other = other->vm_next) {
		if (other->vm_source == vmp)
			return -EBUSY;
	}
	while (*link && *link != vmp)
		link = &(*link)->vm_next;
	if (*link)
		*link = vmp->vm_next;
	return 0;
}

void
vmem_foreach_arena(int (*fn)(vmem_t *vmp, void *arg), void *arg)
{
	pthread_mutex_lock(&list_lock);
	for (vmem_t *vmp = vmem_list; vmp; vmp = vmp->vm_next) {
		if (fn(vmp, arg))
			break;
	}
	pthread_mutex_unlock(&list_lock);
}

vmem_t *
vmem_by_name(const char *name)
{
	vmem_t *vmp;

	pthread_mutex_lock(&list_lock);
	for (vmp = vmem_list; vmp; vmp = vmp->vm_next) {
		if (strcmp(vmp->vm_name, name) == 0)
			break;
	}
	pthread_mutex_unlock(&list_lock);
	return vmp;
}

/* ---- create and destroy ---- */

static bool
is_bad_quantum(size_t quantum)
{
	return quantum == 0 || !is_pow2(quantum) || quantum > VMEM_QUANTUM_MAX;
}

/* Memory for the structure, and a number.  NULL when there is none. */
static vmem_t *
new_slot(u32 *id, vmem_t *storage)
{
	static const vmem_request_t request = { .size = sizeof(vmem_t),
						.max = ~(uword)0,
						.flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	uword addr = 0;
	u32 n;

	pthread_mutex_lock(&list_lock);
	n = n_created++;
	pthread_mutex_unlock(&list_lock);
	*id = n + 1;
	if (storage)
		return storage;
	if (vmem_vmem_arena)
		return vmem_core_alloc(vmem_vmem_arena, &request, &addr)
			       ? NULL
			       : uword_to_pointer(addr, vmem_t *);
	return n < VMEM_INITIAL ? &vmem0[n] : NULL;
}

/* Give everything back but the places in lists.  Nobody else knows the arena any more. */
static void
tear_down(vmem_t *vmp)
{
	u32 index = vmp->vm_seg0 ? vmem_tag(vmp->vm_seg0)->vs_anext : 0;

	while (index && index != vmp->vm_seg0) {
		u32 next = vmem_tag(index)->vs_anext;

		vmem_tag_put(vmp, vmem_tag(index), index);
		index = next;
	}
	if (vmp->vm_seg0) {
		vmem_tag_put(vmp, vmem_tag(vmp->vm_seg0), vmp->vm_seg0);
		vmem_tag_put(vmp, vmem_tag(vmp->vm_rotor), vmp->vm_rotor);
	}
	vmem_tags_give(vmp, 0);
	vmem_hash_free_table(vmp);
	vmem_index_detach(vmp, &vmp->vm_index_dead);
	vmem_index_free(vmp->vm_index_dead);
	if (vmem_vmem_arena && vmem_vmem_arena != vmp && !vmp->vm_is_in_place)
		vmem_core_free(vmem_vmem_arena, pointer_to_uword(vmp), sizeof(*vmp), VMEM_REQUEST_X,
			       NULL);
}

/* The two tags that every arena has from the start. */
static int
make_anchor_and_rotor(vmem_t *vmp)
{
	vmem_seg_t *anchor, *rotor;

	if (vmem_populate(vmp))
		return -ENOMEM;
	vmp->vm_seg0 = vmem_tag_get(vmp);
	vmp->vm_rotor = vmem_tag_get(vmp);
	anchor = vmem_tag(vmp->vm_seg0);
	*anchor = (vmem_seg_t){ .vs_anext = vmp->vm_seg0,
				.vs_aprev = vmp->vm_seg0,
				.vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_SPAN) };
	rotor = vmp->vm_rotor_seg = vmem_tag(vmp->vm_rotor);
	*rotor = (vmem_seg_t){ .vs_anext = vmp->vm_seg0,
			       .vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_ROTOR) };
	return 0;
}

int
vmem_core_create(const vmem_params_t *p, vmem_t **result)
{
	vmem_t *vmp;
	u32 id;
	int error;

	if (is_bad_quantum(p->quantum))
		return -EINVAL;
	if (p->size &&
	    (((p->base | p->size) & (p->quantum - 1)) || p->base + p->size - 1 < p->base))
		return -EINVAL;
	vmp = new_slot(&id, p->storage);
	if (vmp == NULL)
		return -ENOMEM;

	memset(vmp, 0, sizeof(*vmp));
	vmp->vm_is_in_place = p->storage != NULL;
	vmp->vm_node = p->source ? p->source->vm_node : -1;
	snprintf(vmp->vm_name, sizeof(vmp->vm_name), "%s", p->name ? p->name : "");
	vmp->vm_id = id;
	vmp->vm_cflags = p->cflags;
	vmp->vm_quantum = p->quantum;
	vmp->vm_qshift = (int)min_log2(p->quantum);
	vmp->vm_qcache_max = p->qcache_max;
	vmp->vm_source_alloc = p->source_alloc;
	vmp->vm_source_free = p->source_free;
	vmp->vm_source = p->source;
	vmp->vm_source_face = p->source_face;
	vmp->vm_source_arg = p->source_arg;
	vmp->vm_kstat.vk_source_id = p->source ? p->source->vm_id : 0;
	vmem_hash_init(vmp);

	vmem_lock(&vmp->vm_lock);
	error = make_anchor_and_rotor(vmp);
	vmem_unlock(&vmp->vm_lock);
	if (!error && p->size)
		error = vmem_core_add(vmp, p->base, p->size);
	if (error) {
		tear_down(vmp);
		return error;
	}
	if (p->qcache_max)
		vmem_qcache_create(vmp);
	/* Without memory for them now they come when a request needs them. */
	if (p->policy != VMEM_POLICY_INSTANT)
		vmem_prepare(vmp);
	pthread_mutex_lock(&list_lock);
	list_append(vmp);
	pthread_mutex_unlock(&list_lock);
	*result = vmp;
	return 0;
}

int
vmem_core_set_import(vmem_t *vmp, const vmem_params_t *p, uword import_quantum)
{
	int error;

	/* The list's lock too: it is where sources are looked at. */
	pthread_mutex_lock(&list_lock);
	vmem_lock(&vmp->vm_lock);
	error = vmem_span_next(vmp, 0) ? -EBUSY : 0;
	if (!error) {
		vmp->vm_source_alloc = p->source_alloc;
		vmp->vm_source_free = p->source_free;
		vmp->vm_source = p->source;
		vmp->vm_source_face = p->source_face;
		vmp->vm_source_arg = p->source_arg;
		vmp->vm_import_quantum = import_quantum;
		vmp->vm_kstat.vk_source_id = p->source ? p->source->vm_id : 0;
	}
	vmem_unlock(&vmp->vm_lock);
	pthread_mutex_unlock(&list_lock);
	return error;
}

static void
forget_own_arena(const vmem_t *vmp)
{
	vmem_t **own[] = { &vmem_heap, &vmem_internal_arena, &vmem_seg_arena, &vmem_hash_arena,
			   &vmem_vmem_arena };

	for (u32 i = 0; i < ARRAY_LEN(own); i++) {
		if (*own[i] == vmp)
			*own[i] = NULL;
	}
}

int
vmem_core_destroy(vmem_t *vmp, const void *caller)
{
	char what[96];
	int error;

	pthread_mutex_lock(&list_lock);
	error = list_remove(vmp);
	pthread_mutex_unlock(&list_lock);
	if (error)
		return error;

	vmem_qcache_destroy(vmp);
	if (vmp->vm_n_segs) {
		atomic_fetch_add_explicit(&n_leaked_segs, vmp->vm_n_segs, memory_order_relaxed);
		snprintf(what, sizeof(what), "destroyed with %llu %s leaked in %llu segments",
			 (unsigned long long)vmp->vm_kstat.vk_mem_inuse,
			 vmp->vm_cflags & VMC_IDENTIFIER ? "identifiers" : "bytes",
			 (unsigned long long)vmp->vm_n_segs);
		vmem_report(what, vmp, 0, vmp->vm_kstat.vk_mem_inuse, caller);
	}
	forget_own_arena(vmp);
	tear_down(vmp);
	return 0;
}

u64
vmem_n_leaked(void)
{
	return atomic_load_explicit(&n_leaked_segs, memory_order_relaxed);
}

/* ---- fork: the child inherits every lock free and every arena whole ---- */

static void
fork_prepare(void)
{
	pthread_mutex_lock(&list_lock);
	vmem_populate_lock();
	for (vmem_t *vmp = vmem_list; vmp; vmp = vmp->vm_next)
		vmem_lock(&vmp->vm_lock);
	vmem_tags_lock();
}

static void
fork_parent(void)
{
	vmem_tags_unlock();
	for (vmem_t *vmp = vmem_list; vmp; vmp = vmp->vm_next)
		vmem_unlock(&vmp->vm_lock);
	vmem_populate_unlock();
	pthread_mutex_unlock(&list_lock);
}

/* Whoever slept in the parent does not exist in the child, nor does a walker of theirs. */
static void
fork_child(void)
{
	/* Refused, as below; it only tells a thread sanitizer that the list's lock is not held. */
	pthread_mutex_unlock(&list_lock);
	vmem_tags_unlock();
	for (vmem_t *vmp = vmem_list; vmp; vmp = vmp->vm_next) {
		vmp->vm_n_waiters = 0;
		vmp->vm_waiters = vmp->vm_waiters_tail = NULL;
		vmp->vm_walkers = NULL;
		if (vmp->vm_index && vmp->vm_index->is_building) {
			vmp->vm_walkers = &vmp->vm_index->place;
			vmp->vm_index->place.next = NULL;
			vmp->vm_index->has_builder = 0;
		}
		vmem_unlock(&vmp->vm_lock);
	}
	vmem_populate_unlock();
	atomic_fetch_and_explicit(&vmem_hints, VMEM_HINT_HASH, memory_order_relaxed);
	/* A recursive mutex knows its owner by thread id, and the child's is another. */
	list_lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

/* ---- bootstrap ---- */

static int
create_own(const char *name, uword base, uword size, uword quantum, vmem_alloc_t *afunc,
	   vmem_free_t *ffunc, vmem_t *source, int cflags, vmem_t **vmp)
{
	const vmem_params_t params = { .name = name,
				       .base = base,
				       .size = size,
				       .quantum = quantum,
				       .source_alloc = afunc,
				       .source_free = ffunc,
				       .source = source,
				       .cflags = cflags };

	return vmem_core_create(&params, vmp);
}

/* Each early arena's slot becomes an allocation of vmem_vmem: exactly that slot and no other. */
static int
claim_early_slots(u32 n_slots)
{
	for (u32 i = 0; i < n_slots; i++) {
		vmem_request_t request = { .size = sizeof(vmem_t),
					   .min = pointer_to_uword(&vmem0[i]),
					   .max = pointer_to_uword(&vmem0[i + 1]) - 1,
					   .policy = VMEM_POLICY_BEST,
					   .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_PANIC |
						    VMEM_REQUEST_X };
		uword addr;
		int error = vmem_core_alloc(vmem_vmem_arena, &request, &addr);

		if (error)
			return error;
	}
	return 0;
}

static int
bootstrap(const char *parent_name, size_t parent_quantum, vmem_alloc_t *parent_alloc,
	  vmem_free_t *parent_free, const char *heap_name, void *heap_start, size_t heap_size,
	  size_t heap_quantum, vmem_alloc_t *heap_alloc, vmem_free_t *heap_free)
{
	uword start = pointer_to_uword(heap_start), size = heap_size;
	vmem_t *parent = NULL, *vmem = NULL;
	int error = 0;

	vmem_tags_init();
	if (parent_name) {
		error = create_own(parent_name, start, size, parent_quantum, NULL, NULL, NULL,
				   VMC_POPULATOR, &parent);
		start = size = 0;
	}
	if (!error)
		error = create_own(heap_name, start, size, heap_quantum, parent_alloc, parent_free,
				   parent, VMC_POPULATOR, &vmem_heap);
	if (!error)
		error = create_own("vmem_internal", 0, 0, heap_quantum, heap_alloc, heap_free,
				   vmem_heap, VMC_POPULATOR, &vmem_internal_arena);
	if (!error)
		error = create_own("vmem_seg", 0, 0, heap_quantum, vmem_alloc, vmem_free,
				   vmem_internal_arena, VMC_POPULATOR, &vmem_seg_arena);
	if (!error)
		error = create_own("vmem_hash", 0, 0, 8, vmem_alloc, vmem_free, vmem_internal_arena,
				   0, &vmem_hash_arena);
	if (!error)
		error = create_own("vmem_vmem", pointer_to_uword(vmem0), sizeof(vmem0), 1,
				   vmem_alloc, vmem_free, vmem_internal_arena, 0, &vmem);
	if (!error) {
		vmem_vmem_arena = vmem;
		error = claim_early_slots(n_created);
	}
	return error;
}

vmem_t *
vmem_init_once(const char *parent_name, size_t parent_quantum, vmem_alloc_t *parent_alloc,
	       vmem_free_t *parent_free, const char *heap_name, void *heap_start, size_t heap_size,
	       size_t heap_quantum, vmem_alloc_t *heap_alloc, vmem_free_t *heap_free)
{
	vmem_t *heap = NULL;

	pthread_mutex_lock(&init_lock);
	if (!vmem_is_ready()) {
		int error =
			bootstrap(parent_name, parent_quantum, parent_alloc, parent_free, heap_name,
				  heap_start, heap_size, heap_quantum, heap_alloc, heap_free);

		ALWAYS_ASSERT(error == 0);
		pthread_atfork(fork_prepare, fork_parent, fork_child);
		heap = vmem_heap;
		/* Release: see vmem_is_ready(). */
		atomic_store_explicit(&is_ready, 1, memory_order_release);
	}
	pthread_mutex_unlock(&init_lock);
	return heap;
}

vmem_t *
vmem_init(const char *parent_name, size_t parent_quantum, vmem_alloc_t *parent_alloc,
	  vmem_free_t *parent_free, const char *heap_name, void *heap_start, size_t heap_size,
	  size_t heap_quantum, vmem_alloc_t *heap_alloc, vmem_free_t *heap_free)
{
	const void *caller = __builtin_return_address(0);
	uword start = pointer_to_uword(heap_start);
	size_t quantum = parent_name ? parent_quantum : heap_quantum;
	vmem_t *heap;

	/* Nothing can fail half way once the arguments are right: all is static. */
	if (is_bad_quantum(heap_quantum) || is_bad_quantum(quantum) ||
	    ((start | heap_size) & (quantum - 1)) ||
	    (heap_size && (start == 0 || start + heap_size - 1 < start)) ||
	    (parent_name == NULL && (parent_alloc || parent_free)) || heap_alloc == NULL) {
		vmem_report("vmem_init: bad argument", NULL, start, heap_size, caller);
		return NULL;
	}
	heap = vmem_init_once(parent_name, parent_quantum, parent_alloc, parent_free, heap_name,
			      heap_start, heap_size, heap_quantum, heap_alloc, heap_free);
	if (heap == NULL)
		vmem_report("vmem_init: has run already", vmem_heap, start, heap_size, caller);
	return heap;
}
