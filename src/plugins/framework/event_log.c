/* SPDX-License-Identifier: Apache-2.0 */
#include <plugins/framework/event_log.h>

#include <vppinfra/arena.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>

/* What an arena or heap had when it was last looked at. */
typedef struct {
	const void *who;
	u64 n_bytes;
	u32 round;
} sample_t;

static struct {
	elog_main_t main;
	sample_t *samples; /* vector */
	u32 round;         /* of looking */
	u64 n_oom;
} event_log;

elog_main_t *
vmheap_elog_main(void)
{
	return &event_log.main;
}

int
vmheap_elog_start(u32 n_events)
{
	event_log.n_oom = clib_mem_n_oom();
	return elog_init(&event_log.main, n_events);
}

void
vmheap_elog_stop(void)
{
	elog_free(&event_log.main);
	vec_free(event_log.samples);
}

u32
vmheap_elog_name(const char *name)
{
	elog_main_t *em = &event_log.main;
	uword i = 0, n = vec_len64(em->string_table);

	if (!elog_is_enabled(em))
		return ~0u;
	for (; i < n; i += strlen(em->string_table + i) + 1) {
		if (!strcmp(em->string_table + i, name))
			return (u32)i;
	}
	return elog_string(em, (char *)"%s", name);
}

ELOG_TRACK(memory);

/* What `who' had before; 0 when it is new. */
static u64
exchange_sample(const void *who, u64 n_bytes)
{
	sample_t *s, fresh = { who, n_bytes, event_log.round };
	u64 before;

	vec_foreach (s, event_log.samples) {
		if (s->who != who)
			continue;
		before = s->n_bytes;
		*s = fresh;
		return before;
	}
	/* Without memory it is new the next time again. */
	vec_add1(event_log.samples, fresh);
	return 0;
}

static void
log_change(elog_event_type_t *type, const char *name, u64 before, u64 now)
{
	struct {
		u64 before, now;
		u32 name;
	} __clib_packed *d;

	if (before == now)
		return;
	d = elog_data(&event_log.main, type, &memory);
	d->name = vmheap_elog_name(name);
	d->before = before;
	d->now = now;
}

static int
sample_arena(clib_arena_t *arena, void *arg)
{
	ELOG_TYPE_DECLARE(e) = { .format = "committed %lu -> %lu bytes, arena %s",
				 .format_args = "i8i8T4" };
	u64 now = clib_arena_committed_bytes(arena);

	log_change(&e, clib_arena_name(arena), exchange_sample(arena, now), now);
	return 0;
}

static int
sample_heap(clib_mem_heap_t *heap, void *arg)
{
	ELOG_TYPE_DECLARE(e) = { .format = "length %lu -> %lu bytes, heap %s",
				 .format_args = "i8i8T4" };
	u64 now = mheap_bytes(heap);

	log_change(&e, mheap_header(heap)->name, exchange_sample(heap, now), now);
	return 0;
}

static void
sample_oom(void)
{
	ELOG_TYPE_DECLARE(e) = { .format = "out of memory: %lu allocations refused, %lu in all",
				 .format_args = "i8i8" };
	u64 n = clib_mem_n_oom(), *d;

	if (n == event_log.n_oom)
		return;
	d = ELOG_TRACK_DATA(&event_log.main, e, memory);
	memcpy(d, (u64[]){ n - event_log.n_oom, n }, 16);
	event_log.n_oom = n;
}

void
vmheap_elog_sample_memory(void)
{
	if (!elog_is_enabled(&event_log.main))
		return;
	event_log.round++;
	clib_arena_foreach(sample_arena, 0);
	clib_mem_foreach_heap(sample_heap, 0);
	sample_oom();
	/* What was not seen is gone. */
	for (uword i = vec_len64(event_log.samples); i-- > 0;) {
		if (event_log.samples[i].round != event_log.round)
			vec_del1(event_log.samples, i);
	}
}
