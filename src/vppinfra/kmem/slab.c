/* SPDX-License-Identifier: Apache-2.0 */
/* Objects out of slabs and back.  A bit a object says whether it is in its slab; nothing is
 * written into it. */
#include "kmem_impl.h"

/* Empty slabs that stay: the least, and one for so many slabs. */
#define N_EMPTY_MIN 2
#define LOG2_SLABS_PER_EMPTY 3

/* Set in the pointer of an object that has yet to be constructed; such objects are aligned. */
#define TAG_FRESH ((uword)1)

/* ---- finding; lock held ---- */

static kmem_slab_t *
slab_of(kmem_t *k, uword addr)
{
	uword start = round_down_pow2(addr, k->slab_align);

	if (k->flags & KMEM_INTERNAL)
		return (kmem_slab_t *)(start + k->slab_bytes - k->descriptor_bytes);
	return kmem_hash_lookup(k, start >> k->log2_slab_align);
}

clib_kmem_error_kind_t
kmem_slab_find(kmem_t *k, uword addr, kmem_slab_t **slab, u32 *index)
{
	kmem_slab_t *s = slab_of(k, addr);

	if (s == NULL)
		return CLIB_KMEM_ERROR_STRANGER;
	*slab = s;
	return kmem_slab_index(k, s, addr, index);
}

/* ---- taking; lock held ---- */

static void
relist(kmem_t *k, kmem_slab_t *s)
{
	kmem_list_t list = s->n_inuse == 0              ? KMEM_LIST_EMPTY
			   : s->n_inuse == s->n_objects ? KMEM_LIST_FULL
							: KMEM_LIST_PARTIAL;

	if (list != s->list) {
		kmem_list_delete(k, s);
		kmem_list_insert(k, s, list);
	}
}

static u32
take_from_slab(kmem_t *k, kmem_slab_t *s, void **objects, u32 n)
{
	u32 got = 0, w = s->hint;

	for (; w < k->n_words; w++) {
		u64 bits = s->free_bits[w];

		for (; bits && got < n; bits &= bits - 1) {
			u32 i = w * 64 + (u32)count_trailing_zeros(bits);
			uword object = kmem_object_at(k, s, i);

			if (s->constructed && !(s->constructed[w] & first_set(bits))) {
				s->constructed[w] |= first_set(bits);
				object |= TAG_FRESH;
			}
			objects[got++] = (void *)object;
		}
		s->free_bits[w] = bits;
		if (bits)
			break;
	}
	s->hint = w;
	s->n_inuse += got;
	relist(k, s);
	return got;
}

u32
kmem_slab_take(kmem_t *k, void **objects, u32 n)
{
	u32 got = 0;

	while (got < n) {
		kmem_slab_t *s = k->lists[KMEM_LIST_PARTIAL];

		if (s == NULL) {
			s = k->lists[KMEM_LIST_EMPTY];
			if (s == NULL)
				break;
		}
		got += take_from_slab(k, s, objects + got, n - got);
	}
	kmem_add(&k->n_taken, got);
	if (kmem_load(&k->n_slabs[KMEM_LIST_EMPTY]) < k->n_empty_slabs_min)
		k->n_empty_slabs_min = (u32)kmem_load(&k->n_slabs[KMEM_LIST_EMPTY]);
	return got;
}

/* ---- putting back; lock held ---- */

/* Slabs that are no longer needed, linked by next. */
static void
retire_if_too_many(kmem_t *k, kmem_slab_t *s, u64 n_keep, kmem_slab_t **retired)
{
	if (s->list != KMEM_LIST_EMPTY || kmem_load(&k->n_slabs[KMEM_LIST_EMPTY]) <= n_keep)
		return;
	kmem_list_delete(k, s);
	if (!(k->flags & KMEM_INTERNAL))
		kmem_hash_delete(k, s);
	kmem_store(&s->key, KMEM_KEY_NONE);
	kmem_add(&k->n_destroyed, 1);
	s->next = *retired;
	*retired = s;
}

static u64
n_empty_to_keep(const kmem_t *k)
{
	u64 n_slabs =
		kmem_load(&k->n_slabs[KMEM_LIST_FULL]) + kmem_load(&k->n_slabs[KMEM_LIST_PARTIAL]);

	return N_EMPTY_MIN + (n_slabs >> LOG2_SLABS_PER_EMPTY);
}

/* What a put sets free, to be dealt with once the lock is given back. */
typedef struct {
	kmem_slab_t *retired;
	kmem_sleeper_t *served;
} put_t;

static clib_kmem_error_kind_t
put(kmem_t *k, uword addr, put_t *after)
{
	clib_kmem_error_kind_t kind;
	kmem_slab_t *s;
	u32 i;

	kind = kmem_slab_find(k, addr, &s, &i);
	if (PREDICT_FALSE(kind != CLIB_KMEM_N_ERRORS))
		return kind;
	if (PREDICT_FALSE(s->free_bits[i / 64] >> (i % 64) & 1))
		return CLIB_KMEM_ERROR_DOUBLE_FREE;
	s->free_bits[i / 64] |= 1ull << (i % 64);
	s->hint = clib_min(s->hint, i / 64);
	s->n_inuse--;
	kmem_add(&k->n_taken, (u64)-1);
	relist(k, s);
	if (PREDICT_FALSE(k->sleepers != NULL))
		kmem_slab_serve(k, &after->served);
	retire_if_too_many(k, s, n_empty_to_keep(k), &after->retired);
	return CLIB_KMEM_N_ERRORS;
}

/* No lock held. */
static uword
release_all(kmem_t *k, kmem_slab_t *retired)
{
	uword n_bytes = 0;

	if (retired == NULL)
		return 0;
	while (retired) {
		kmem_slab_t *next = retired->next;

		n_bytes += kmem_slab_release(k, retired);
		retired = next;
	}
	kmem_wake_rivals(k);
	return n_bytes;
}

static uword
finish_put(kmem_t *k, put_t *after)
{
	if (PREDICT_FALSE(after->served != NULL))
		kmem_wake_served(after->served);
	return release_all(k, after->retired);
}

uword
kmem_slab_free(kmem_t *k, void *const *objects, u32 n, const void *caller)
{
	struct {
		uword addr;
		clib_kmem_error_kind_t kind;
	} bad[KMEM_BATCH];
	put_t after = {};

	while (n) {
		u32 n_now = clib_min(n, (u32)KMEM_BATCH), n_bad = 0;

		kmem_slab_lock(k);
		for (u32 i = 0; i < n_now; i++) {
			uword addr = (uword)objects[i];
			clib_kmem_error_kind_t kind = put(k, addr, &after);

			if (PREDICT_FALSE(kind != CLIB_KMEM_N_ERRORS)) {
				bad[n_bad].addr = addr;
				bad[n_bad++].kind = kind;
			}
		}
		kmem_slab_unlock(k);
		for (u32 i = 0; i < n_bad; i++)
			kmem_report_bad_free(k, bad[i].addr, bad[i].kind, caller);
		objects += n_now;
		n -= n_now;
	}
	return finish_put(k, &after);
}

int
kmem_slab_free_one(kmem_t *k, uword addr, const void *caller)
{
	clib_kmem_error_kind_t kind;
	put_t after = {};

	kmem_slab_lock(k);
	kind = put(k, addr, &after);
	kmem_slab_unlock(k);
	finish_put(k, &after);
	return kind == CLIB_KMEM_N_ERRORS            ? 0
	       : kind == CLIB_KMEM_ERROR_DOUBLE_FREE ? -EALREADY
						     : -EINVAL;
}

uword
kmem_slab_trim(kmem_t *k, u64 n_max)
{
	kmem_slab_t *retired = NULL;

	kmem_slab_lock(k);
	while (n_max-- && k->lists[KMEM_LIST_EMPTY])
		retire_if_too_many(k, k->lists[KMEM_LIST_EMPTY], 0, &retired);
	k->n_empty_slabs_min = (u32)kmem_load(&k->n_slabs[KMEM_LIST_EMPTY]);
	kmem_slab_unlock(k);
	return release_all(k, retired);
}

void
kmem_slab_destroy_all(kmem_t *k)
{
	for (u32 list = 0; list < KMEM_N_LISTS; list++) {
		kmem_slab_t *s = k->lists[list];

		k->lists[list] = NULL;
		release_all(k, s);
	}
	while (k->spare) {
		kmem_slab_t *next = k->spare->next;

		kmem_meta_free(k->spare, k->descriptor_bytes);
		k->spare = next;
	}
}

/* ---- constructing ---- */

/* The constructor refused: the object goes back as if it had never been taken. */
static void
unconstruct(kmem_t *k, uword object)
{
	put_t after = {};
	kmem_slab_t *s;
	u32 i;

	kmem_slab_lock(k);
	if (kmem_slab_find(k, object, &s, &i) == CLIB_KMEM_N_ERRORS)
		s->constructed[i / 64] &= ~(1ull << (i % 64));
	put(k, object, &after);
	kmem_slab_unlock(k);
	finish_put(k, &after);
}

static int
construct(kmem_t *k, void *object, int flags)
{
	if (k->init)
		k->init(object);
	return k->ctor ? k->ctor(object, k->arg, flags) : 0;
}

/* Construct those that are fresh and close the gaps of those that failed. */
static u32
construct_all(kmem_t *k, void **objects, u32 n, int flags)
{
	u32 n_good = 0;

	for (u32 i = 0; i < n; i++) {
		uword object = (uword)objects[i];

		if (object & TAG_FRESH) {
			object &= ~TAG_FRESH;
			if (construct(k, (void *)object, flags)) {
				unconstruct(k, object);
				continue;
			}
		}
		objects[n_good++] = (void *)object;
	}
	return n_good;
}

u32
kmem_slab_alloc(kmem_t *k, void **objects, u32 n, int flags, const void *caller)
{
	u32 n_relieved = 0, got;

	for (;;) {
		kmem_slab_lock(k);
		got = kmem_slab_take(k, objects, n);
		kmem_slab_unlock(k);
		if (PREDICT_TRUE(got != 0))
			break;
		if (kmem_grow(k) && !kmem_relieve(k, n_relieved++)) {
			got = kmem_sleep(k, objects, flags, caller);
			if (got == 0)
				return 0;
			break;
		}
	}
	return (k->flags & KMEM_HAS_CTOR) && !(k->flags & CLIB_KMEM_POISON)
		       ? construct_all(k, objects, got, flags)
		       : got;
}

/* ---- debugging: one at a time, looked at on both ways ---- */

/* The sites of an object, for an error. */
static void
copy_sites(kmem_t *k, const void *object, clib_kmem_error_t *e)
{
	clib_kmem_cache_audit(&k->public, object, &e->alloc_site, &e->free_site);
}

static void
report_fault(kmem_t *k, clib_kmem_error_kind_t kind, const void *object, word offset,
	     const void *caller)
{
	clib_kmem_error_t e = { .kind = kind,
				.cache = k->name,
				.object = object,
				.offset = offset,
				.found = ((const u8 *)object)[offset],
				.caller = caller };

	copy_sites(k, object, &e);
	kmem_count(&k->n_errors, 1);
	kmem_report(&e);
}

static void
note_site(kmem_t *k, const void *object, bool is_free, const void *caller)
{
	clib_kmem_site_t site;
	kmem_slab_t *s;
	u32 i;

	if (!(k->flags & CLIB_KMEM_AUDIT))
		return;
	kmem_site_take(&site, caller);
	kmem_slab_lock(k);
	if (kmem_slab_find(k, (uword)object, &s, &i) == CLIB_KMEM_N_ERRORS)
		*(is_free ? &s->audit[i].free_site : &s->audit[i].alloc_site) = site;
	kmem_slab_unlock(k);
}

void *
kmem_slab_alloc_debug(kmem_t *k, int flags, const void *caller)
{
	word fault = KMEM_NO_FAULT;
	void *object;

	if (kmem_slab_alloc(k, &object, 1, flags, caller) == 0)
		return NULL;
	if (k->flags & CLIB_KMEM_POISON)
		fault = kmem_debug_check_poison(k, object);
	if (fault != KMEM_NO_FAULT)
		report_fault(k, CLIB_KMEM_ERROR_USE_AFTER_FREE, object, fault, caller);
	kmem_debug_on_alloc(k, object);
	note_site(k, object, false, caller);
	if ((k->flags & KMEM_HAS_CTOR) && (k->flags & CLIB_KMEM_POISON) &&
	    construct(k, object, flags)) {
		kmem_debug_on_free(k, object);
		kmem_slab_free(k, &object, 1, caller);
		return NULL;
	}
	return object;
}

/* Whether an address is a live object, as far as the slabs know. */
static clib_kmem_error_kind_t
check_live(kmem_t *k, uword addr)
{
	clib_kmem_error_kind_t kind;
	kmem_slab_t *s;
	u32 i;

	kmem_slab_lock(k);
	kind = kmem_slab_find(k, addr, &s, &i);
	if (kind == CLIB_KMEM_N_ERRORS && (s->free_bits[i / 64] >> (i % 64) & 1))
		kind = CLIB_KMEM_ERROR_DOUBLE_FREE;
	kmem_slab_unlock(k);
	return kind;
}

static void
check_redzones(kmem_t *k, u8 *object, const void *caller)
{
	word left = kmem_debug_check_left(k, object), right = kmem_debug_check_right(k, object);

	if (left != KMEM_NO_FAULT)
		report_fault(k, CLIB_KMEM_ERROR_LEFT_OVERRUN, object, left, caller);
	if (right != KMEM_NO_FAULT)
		report_fault(k, CLIB_KMEM_ERROR_RIGHT_OVERRUN, object, right, caller);
	if (left != KMEM_NO_FAULT || right != KMEM_NO_FAULT)
		kmem_debug_repair_redzones(k, object);
}

int
kmem_slab_free_debug(kmem_t *k, void *object, const void *caller)
{
	clib_kmem_error_kind_t kind = check_live(k, (uword)object);

	if (kind != CLIB_KMEM_N_ERRORS) {
		if (!(k->flags & KMEM_QUIET))
			kmem_report_bad_free(k, (uword)object, kind, caller);
		return kind == CLIB_KMEM_ERROR_DOUBLE_FREE ? -EALREADY : -EINVAL;
	}
	if (k->flags & CLIB_KMEM_REDZONE)
		check_redzones(k, object, caller);
	if ((k->flags & CLIB_KMEM_POISON) && k->dtor)
		k->dtor(object, k->arg);
	kmem_debug_on_free(k, object);
	note_site(k, object, true, caller);
	kmem_slab_free(k, &object, 1, caller);
	return 0;
}
