/* SPDX-License-Identifier: Apache-2.0 */
/* A heap that looks harder (MHEAP_FLAG_CHECKED).
 *
 *   header | what was asked for: n bytes | redzone: 0xfb ... | n, encoded (8 bytes)
 *
 * Put compares the redzone, which begins at the very byte after the last one asked for, fills the
 * data with 0xdf and keeps the object in a queue, oldest first, before it is used again.  When it
 * leaves the queue each byte must still be 0xdf.  In its header it is one that a front has, of
 * thread 0: cached, so a second put is refused.  A check of the heap looks at all of them, and at
 * the redzones of the living. */
#include <sys/mman.h>
#include "mheap_impl.h"

#define REDZONE_BYTE 0xfb
#define PUT_BYTE 0xdf
#define TRAILER_BYTES 8

/* Objects in the queue, and bytes: the heap's 16th part, at most this. */
#define N_QUEUED 4096
#define MAX_QUEUED_BYTES MiB(16)

typedef struct mheap_queue {
	u32 head, n;
	uword n_bytes;
	uword uoffsets[N_QUEUED];
} mheap_queue_t;

int
mheap_checked_create(mheap_t *h)
{
	void *p;

	if (!(h->flags & MHEAP_FLAG_CHECKED))
		return 0;
	p = mmap(NULL, sizeof(mheap_queue_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	h->checked_queue = p;
	return 0;
}

void
mheap_checked_destroy(mheap_t *h)
{
	if (h->checked_queue)
		munmap(h->checked_queue, sizeof(mheap_queue_t));
	h->checked_queue = NULL;
}

/* ---- redzones ---- */

always_inline u64
trailer_code(const mheap_t *h, uword uo)
{
	return (uo ^ h->cookie) * MHEAP_TAG_FACTOR;
}

static u64 *
trailer_of(const void *v, uword uo)
{
	return (u64 *)((u8 *)v + uo + hdr_bytes(hdr_load(&elt_words(v, uo)[1])) - TRAILER_BYTES);
}

uword
mheap_checked_room(uword n_bytes)
{
	return round_pow2(n_bytes, TRAILER_BYTES) + TRAILER_BYTES;
}

/* A redzone from offset `from' in the object on. */
static void
arm(const mheap_t *h, void *v, uword uo, uword n_bytes, uword from)
{
	u64 *trailer = trailer_of(v, uo);
	u8 *p = (u8 *)v + uo + from;

	memset(p, REDZONE_BYTE, (uword)((u8 *)trailer - p));
	*trailer = n_bytes ^ trailer_code(h, uo);
}

void
mheap_checked_arm(const mheap_t *h, void *v, uword uo, uword n_bytes)
{
	arm(h, v, uo, n_bytes, n_bytes);
}

uword
mheap_checked_bytes(const mheap_t *h, const void *v, uword uo)
{
	return *trailer_of(v, uo) ^ trailer_code(h, uo);
}

void
mheap_checked_grew(mheap_t *h, void *v, uword uo, uword n_before)
{
	u64 word1 = hdr_load(&elt_words(v, uo)[1]);
	uword n_asked_for;

	if (word1 & HDR_CACHED) {
		memset((u8 *)v + uo + n_before, PUT_BYTE, hdr_bytes(word1) - n_before);
		((mheap_queue_t *)h->checked_queue)->n_bytes += hdr_bytes(word1) - n_before;
		return;
	}
	n_asked_for = *(u64 *)((u8 *)v + uo + n_before - TRAILER_BYTES) ^ trailer_code(h, uo);
	/* Written over: its put will tell, the new trailer is as wrong. */
	if (n_asked_for <= n_before - TRAILER_BYTES)
		arm(h, v, uo, n_asked_for, n_before - TRAILER_BYTES);
}

static int
is_filled(const u8 *p, const u8 *end, u8 byte)
{
	while (p < end)
		if (*p++ != byte)
			return 0;
	return 1;
}

int
mheap_checked_is_whole(const mheap_t *h, const void *v, uword uo)
{
	uword n_elt_bytes = hdr_bytes(hdr_load(&elt_words(v, uo)[1]));
	uword n = mheap_checked_bytes(h, v, uo);
	const u8 *p = (const u8 *)v + uo;

	return n <= n_elt_bytes - TRAILER_BYTES &&
	       is_filled(p + n, p + n_elt_bytes - TRAILER_BYTES, REDZONE_BYTE);
}

int
mheap_checked_is_put(const mheap_t *h, const void *v, uword uo)
{
	const u8 *p = (const u8 *)v + uo;

	return is_filled(p, p + hdr_bytes(hdr_load(&elt_words(v, uo)[1])), PUT_BYTE);
}

/* ---- the queue ---- */

static void
let_one_go(mheap_t *h, void *v, mheap_queue_t *q)
{
	uword uo = q->uoffsets[q->head];

	q->head = (q->head + 1) % N_QUEUED;
	q->n--;
	q->n_bytes -= hdr_bytes(hdr_load(&elt_words(v, uo)[1]));
	/* Written after it was put: counted, which is reported, and it stays out of use. */
	if (!mheap_checked_is_put(h, v, uo)) {
		h->stats.n_corruptions++;
		h->n_checked_lost++;
		return;
	}
	mheap_front_free(h, v, (uword)v + uo);
}

void
mheap_checked_put(mheap_t *h, void *v, uword uo)
{
	mheap_queue_t *q = h->checked_queue;
	u64 *words = elt_words(v, uo);
	uword n_bytes = hdr_bytes(words[1]);
	uword max_bytes = clib_min(h->max_size / 16, (uword)MAX_QUEUED_BYTES);

	memset((u8 *)v + uo, PUT_BYTE, n_bytes);
	hdr_store(&words[1], hdr_n(n_bytes) | HDR_CACHED);
	while (q->n && (q->n == N_QUEUED || q->n_bytes + n_bytes > max_bytes))
		let_one_go(h, v, q);
	q->uoffsets[(q->head + q->n) % N_QUEUED] = uo;
	q->n++;
	q->n_bytes += n_bytes;
}

u64
mheap_checked_let_go(mheap_t *h, void *v)
{
	mheap_queue_t *q = h->checked_queue;
	u64 n = 0;

	for (; q && q->n; n++)
		let_one_go(h, v, q);
	return n;
}

void
mheap_checked_cached(const mheap_t *h, mheap_cached_t *cached)
{
	const mheap_queue_t *q = h->checked_queue;

	if (!q)
		return;
	cached->n += q->n + h->n_checked_lost;
	cached->n_bytes += q->n_bytes;
}
