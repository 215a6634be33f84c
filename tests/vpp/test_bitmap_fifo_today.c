/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps and queues of today: the set loop is a loop header that may be left, gone on with and
 * nested; a scheduler hands queued work to the workers of a set. */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/fifo.h>
#include <vppinfra/error.h>

#define TEST(truth)                                                                                \
	do {                                                                                       \
		if (!(truth))                                                                      \
			return clib_error_return(0, "line %u: %s", __LINE__, #truth);              \
	} while (0)

static clib_error_t *
test_loops(void)
{
	clib_bitmap_t *bmp = 0, *copy;
	uword i, k, sum = 0, n = 0;
	u32 worker, last = ~0;
	int bit;

	clib_bitmap_foreach (i, bmp)
		n++;
	TEST(n == 0);
	for (i = 1; i < 500; i *= 3)
		bmp = clib_bitmap_set(bmp, i, 1);
	clib_bitmap_foreach (i, bmp) {
		if (i == 27)
			continue;
		if (i > 100)
			break;
		sum += i;
	}
	TEST(sum == 1 + 3 + 9 + 81);
	clib_bitmap_foreach (worker, bmp)
		last = worker;
	TEST(last == 243 && clib_bitmap_last_set(bmp) == 243);
	clib_bitmap_foreach (bit, bmp)
		n += bit > 0;
	TEST(n == 6);
	clib_bitmap_foreach (i, bmp) {
		clib_bitmap_foreach (k, bmp) {
			if (k > i)
				break;
			n++;
		}
	}
	TEST(n == 6 + 21);

	/* Emptied while it is walked. */
	copy = clib_bitmap_dup(bmp);
	n = 0;
	clib_bitmap_foreach (i, copy) {
		copy = clib_bitmap_set(copy, i, 0);
		n++;
	}
	TEST(n == 6 && clib_bitmap_is_zero(copy));
	clib_bitmap_free(copy);

	copy = clib_bitmap_dup_andnoti(bmp, 243);
	TEST(clib_bitmap_last_set(copy) == 81 && clib_bitmap_get(bmp, 243));
	clib_bitmap_free(copy);
	copy = clib_bitmap_dup_xor(bmp, bmp);
	TEST(clib_bitmap_is_zero(copy));
	clib_bitmap_free(copy);
	clib_bitmap_free(bmp);

	bmp = clib_bitmap_set_region(0, 60, 1, 10);
	TEST(clib_bitmap_first_set(bmp) == 60 && clib_bitmap_next_clear(bmp, 60) == 70);
	TEST(clib_bitmap_first_clear(bmp) == 0 && clib_bitmap_bytes(bmp) == 16);
	clib_bitmap_free(bmp);
	return 0;
}

typedef struct {
	u32 id;
	f64 weight;
} work_t;

static clib_error_t *
test_scheduler(void)
{
	work_t *queue = 0, **done = 0, w, *p;
	clib_bitmap_t *idle = 0;
	u32 next_id = 0, n_done = 0, expected = 0;
	uword i;

	idle = clib_bitmap_set_region(idle, 0, 1, 48);
	vec_validate(done, 47);
	for (u32 turn = 0; turn < 500; turn++) {
		for (i = 0; i < turn % 29; i++) {
			clib_fifo_add2(queue, p);
			p->id = next_id++;
			p->weight = p->id / 2.0;
		}
		while (clib_fifo_elts(queue) && (i = clib_bitmap_first_set(idle)) != ~0) {
			clib_fifo_sub1(queue, w);
			TEST(w.id == expected++);
			vec_add1(done[i], w);
			idle = clib_bitmap_set(idle, i, 0);
		}
		/* A third of them come back. */
		for (i = turn % 3; i < 48; i += 3)
			idle = clib_bitmap_set(idle, i, 1);
	}
	while (clib_fifo_elts(queue)) {
		clib_fifo_sub2(queue, p);
		TEST(p->id == expected++ && p->weight == p->id / 2.0);
		n_done++;
	}
	vec_foreach_index (i, done) {
		vec_foreach (p, done[i]) {
			TEST(p == done[i] || p->id > p[-1].id);
			n_done++;
		}
		vec_free(done[i]);
	}
	TEST(n_done == next_id);
	TEST(clib_fifo_free_elts(queue) == clib_fifo_len(queue));
	clib_fifo_free(queue);
	TEST(queue == 0);
	vec_free(done);
	clib_bitmap_free(idle);
	return 0;
}

int
main(int argc, char *argv[])
{
	clib_error_t *error;

	clib_mem_init(0, 16 << 20);
	error = test_loops();
	if (!error)
		error = test_scheduler();
	if (error) {
		clib_error_report(error);
		return 1;
	}
	clib_mem_validate();
	return 0;
}
