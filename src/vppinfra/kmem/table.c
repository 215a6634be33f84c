/* SPDX-License-Identifier: Apache-2.0 */
/* The table of slabs.  Changed under the lock of the slabs.  A CHECKED cache reads it without:
 * descriptors and parts stay readable as long as the cache lives, so a reader that races with a
 * change finds the slab or does not, and asks again under the lock if not. */
#include "kmem_impl.h"

/* A chain is a handful; a reader that went astray in a moving one stops here. */
#define MAX_PEEK 32

static kmem_slab_t **
bucket_at(kmem_hash_t *h, uword bucket)
{
	/* Part 0 has buckets 0 to 7, part p > 0 has [2^(p + 2), 2^(p + 3)). */
	uword log2 = min_log2(bucket | KMEM_HASH_INITIAL / 2);
	uword part = log2 - (min_log2(KMEM_HASH_INITIAL) - 1);

	return part ? &h->parts[part][bucket - (1ull << log2)] : &h->first[bucket];
}

static uword
hash_of(uword key)
{
	/* Fibonacci hashing: the product's top bits depend on all of the key's; they come down. */
	return __builtin_bswap64(key * 0x9e3779b97f4a7c15ull);
}

/* mask: one less than the buckets there were before the present doubling; split: how many of them
 * have been split. */
static uword
bucket_of(uword hash, uword mask, uword split)
{
	uword bucket = hash & (2 * mask + 1);

	return bucket > mask + split ? bucket & mask : bucket;
}

static uword
mask_of(const kmem_hash_t *h)
{
	uword mask = kmem_load(&h->mask);

	return mask ? mask : KMEM_HASH_INITIAL - 1;
}

kmem_slab_t *
kmem_hash_lookup(const kmem_t *k, uword key)
{
	kmem_hash_t *h = (kmem_hash_t *)&k->hash;
	kmem_slab_t *s = *bucket_at(h, bucket_of(hash_of(key), mask_of(h), kmem_load(&h->split)));

	while (s && kmem_load(&s->key) != key)
		s = s->hash_next;
	return s;
}

kmem_slab_t *
kmem_hash_peek(kmem_t *k, uword key)
{
	kmem_hash_t *h = &k->hash;
	/* Mask first: it grows after split went back to 0, so an old mask with a newer split names
	 * buckets that exist, and the check below takes care of the rest. */
	uword mask = atomic_load_explicit(&h->mask, memory_order_acquire);
	uword split = atomic_load_explicit(&h->split, memory_order_acquire);
	kmem_slab_t *s;

	mask = mask ? mask : KMEM_HASH_INITIAL - 1;
	if (split > mask)
		return NULL;
	/* Acquire, here and below: the descriptor's fields, pairs with the release that linked it.
	 */
	s = __atomic_load_n(bucket_at(h, bucket_of(hash_of(key), mask, split)), __ATOMIC_ACQUIRE);
	for (u32 i = 0; s && i < MAX_PEEK; i++) {
		if (atomic_load_explicit(&s->key, memory_order_acquire) == key)
			return s;
		s = __atomic_load_n(&s->hash_next, __ATOMIC_ACQUIRE);
	}
	return NULL;
}

static void
link_slab(kmem_slab_t **bucket, kmem_slab_t *s)
{
	__atomic_store_n(&s->hash_next, *bucket, __ATOMIC_RELAXED);
	__atomic_store_n(bucket, s, __ATOMIC_RELEASE);
}

/* The part that the next split needs, 0 when it is there. */
static uword
missing_part(const kmem_hash_t *h)
{
	uword bucket = mask_of(h) + 1 + kmem_load(&h->split);
	uword part = min_log2(bucket) - (min_log2(KMEM_HASH_INITIAL) - 1);

	return part < KMEM_HASH_PARTS && h->parts[part] == NULL ? part : 0;
}

static uword
part_bytes(uword part)
{
	return (KMEM_HASH_INITIAL / 2 * sizeof(kmem_slab_t *)) << part;
}

static uword
n_slabs(const kmem_t *k)
{
	uword n = 0;

	for (u32 i = 0; i < KMEM_N_LISTS; i++)
		n += kmem_load(&k->n_slabs[i]);
	return n;
}

void
kmem_hash_prepare(kmem_t *k)
{
	kmem_hash_t *h = &k->hash;
	kmem_slab_t **new_part;
	uword part;

	kmem_slab_lock(k);
	part = n_slabs(k) >= mask_of(h) + 1 + kmem_load(&h->split) ? missing_part(h) : 0;
	kmem_slab_unlock(k);
	if (part == 0)
		return;
	new_part = kmem_meta_alloc(part_bytes(part), true);
	if (new_part == NULL)
		return;
	kmem_slab_lock(k);
	if (h->parts[part] == NULL) {
		h->parts[part] = new_part;
		kmem_add(&k->hash_bytes, part_bytes(part));
		new_part = NULL;
	}
	kmem_slab_unlock(k);
	if (new_part)
		kmem_meta_free(new_part, part_bytes(part));
}

/* Split the next bucket in two. */
static void
split_bucket(kmem_hash_t *h)
{
	uword mask = mask_of(h), split = kmem_load(&h->split);
	kmem_slab_t **from = bucket_at(h, split), **to = bucket_at(h, split + mask + 1);
	kmem_slab_t *s = *from;

	__atomic_store_n(from, NULL, __ATOMIC_RELAXED);
	while (s) {
		kmem_slab_t *next = s->hash_next;

		link_slab(hash_of(kmem_load(&s->key)) & (mask + 1) ? to : from, s);
		s = next;
	}
	if (++split > mask) {
		/* Release: see kmem_hash_peek(). */
		atomic_store_explicit(&h->split, 0, memory_order_release);
		atomic_store_explicit(&h->mask, 2 * mask + 1, memory_order_release);
	} else {
		atomic_store_explicit(&h->split, split, memory_order_release);
	}
}

void
kmem_hash_insert(kmem_t *k, kmem_slab_t *s)
{
	kmem_hash_t *h = &k->hash;
	uword mask = mask_of(h), split = kmem_load(&h->split);

	link_slab(bucket_at(h, bucket_of(hash_of(kmem_load(&s->key)), mask, split)), s);
	if (n_slabs(k) > mask + 1 + split && mask < 1ull << 29 && missing_part(h) == 0)
		split_bucket(h);
}

void
kmem_hash_delete(kmem_t *k, kmem_slab_t *s)
{
	kmem_hash_t *h = &k->hash;
	kmem_slab_t **p = bucket_at(
		h, bucket_of(hash_of(kmem_load(&s->key)), mask_of(h), kmem_load(&h->split)));

	while (*p != s)
		p = &(*p)->hash_next;
	__atomic_store_n(p, s->hash_next, __ATOMIC_RELEASE);
}

void
kmem_hash_free(kmem_t *k)
{
	for (u32 i = 1; i < KMEM_HASH_PARTS; i++)
		if (k->hash.parts[i])
			kmem_meta_free(k->hash.parts[i], part_bytes(i));
}
