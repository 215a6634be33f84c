/* SPDX-License-Identifier: Apache-2.0 */
/* Periodic functions of plugins are few and slow: a vector, searched each time. */
#include <plugins/framework/framework_impl.h>

#include <vppinfra/vec.h>

typedef struct {
	u64 period_ms;
	u64 due_ms; /* 0: not run yet, due at once */
	void (*fn)(void *arg);
	void *arg;
	const char *plugin;
} vmheap_timer_t;

static vmheap_timer_t *timers; /* vector */

int
vmheap_timer_add(u32 period_ms, void (*fn)(void *arg), void *arg)
{
	vmheap_timer_t t = {
		.period_ms = period_ms, .fn = fn, .arg = arg, .plugin = framework_current_plugin
	};

	if (!period_ms || !fn)
		return -EINVAL;
	return vec_add1(timers, t);
}

u64
vmheap_timers_run(u64 now_ms)
{
	u64 next_ms = ~0ull;

	/* By index, and the length read each time: a function may add timers. */
	for (u32 i = 0; i < vec_len(timers); i++) {
		if (timers[i].due_ms <= now_ms) {
			/* From now, not from when it was due: a late loop must not run it twice. */
			timers[i].due_ms = now_ms + timers[i].period_ms;
			framework_current_plugin = timers[i].plugin;
			timers[i].fn(timers[i].arg);
			framework_current_plugin = NULL;
		}
	}
	for (u32 i = 0; i < vec_len(timers); i++)
		next_ms = clib_min(next_ms,
				   timers[i].due_ms > now_ms ? timers[i].due_ms - now_ms : 0ull);
	return next_ms;
}

void
framework_withdraw_timers(const char *plugin)
{
	u32 n_kept = 0;

	for (u32 i = 0; i < vec_len(timers); i++)
		if (timers[i].plugin != plugin)
			timers[n_kept++] = timers[i];
	if (timers)
		vec_set_len(timers, n_kept);
}

void
framework_timers_free(void)
{
	vec_free(timers);
}
