/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: what is written into free and fresh objects and around all of them, and whether it is
 * still there.
 *
 *   | front: 0xfeedface ...  | object                | back: 0xfeedface ... to the next chunk |
 *                              free:  0xdeadbeef ...
 *                              fresh: 0xbaddcafe ...   (until the caller writes)
 *
 * Red zones are written when a slab is new, and again where one was found damaged, so that a fault
 * is reported once. */
#include "kmem_impl.h"

#define PATTERN_REDZONE 0xfeedfaceu
#define PATTERN_FREE 0xdeadbeefu
#define PATTERN_FRESH 0xbaddcafeu

/* A word of a pattern begins where an object does; byte i of it, either way from there. */
static u8
pattern_byte(u32 pattern, word i)
{
	return (u8)(pattern >> (8 * (i & 3)));
}

static void
fill(u8 *object, word from, word to, u32 pattern)
{
	for (word i = from; i < to; i++)
		object[i] = pattern_byte(pattern, i);
}

static word
find_wrong(const u8 *object, word from, word to, u32 pattern)
{
	for (word i = from; i < to; i++)
		if (object[i] != pattern_byte(pattern, i))
			return i;
	return KMEM_NO_FAULT;
}

static word
back_end(const kmem_t *k)
{
	return (word)(k->chunk_bytes - k->front_bytes);
}

word
kmem_debug_check_poison(const kmem_t *k, const u8 *object)
{
	return find_wrong(object, 0, (word)k->object_bytes, PATTERN_FREE);
}

word
kmem_debug_check_left(const kmem_t *k, const u8 *object)
{
	/* The nearest one: what a loop that runs backwards writes first. */
	for (word i = -1; i >= -(word)k->front_bytes; i--)
		if (object[i] != pattern_byte(PATTERN_REDZONE, i))
			return i;
	return KMEM_NO_FAULT;
}

word
kmem_debug_check_right(const kmem_t *k, const u8 *object)
{
	return find_wrong(object, (word)k->object_bytes, back_end(k), PATTERN_REDZONE);
}

void
kmem_debug_repair_redzones(const kmem_t *k, u8 *object)
{
	fill(object, -(word)k->front_bytes, 0, PATTERN_REDZONE);
	fill(object, (word)k->object_bytes, back_end(k), PATTERN_REDZONE);
}

void
kmem_debug_fresh_slab(kmem_t *k, kmem_slab_t *s)
{
	for (u32 i = 0; i < s->n_objects; i++) {
		u8 *object = (u8 *)kmem_object_at(k, s, i);

		kmem_debug_on_free(k, object);
		if (k->flags & CLIB_KMEM_REDZONE)
			kmem_debug_repair_redzones(k, object);
	}
}

void
kmem_debug_on_alloc(const kmem_t *k, u8 *object)
{
	if (k->flags & CLIB_KMEM_POISON)
		fill(object, 0, (word)k->object_bytes, PATTERN_FRESH);
}

void
kmem_debug_on_free(const kmem_t *k, u8 *object)
{
	if (k->flags & CLIB_KMEM_POISON)
		fill(object, 0, (word)k->object_bytes, PATTERN_FREE);
}
