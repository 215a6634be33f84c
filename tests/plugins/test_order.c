/* SPDX-License-Identifier: Apache-2.0 */
#include <plugins/framework/framework_impl.h>
#include <vppinfra/vec.h>
#include "unit.h"

#define N_MAX 64

/* "a b c" for an order, to compare with what is expected. */
static const char *
order_text(const framework_order_item_t *items, u32 n)
{
	static char text[1024];
	u32 order[N_MAX], *cycle;
	u8 *s;

	text[0] = 0;
	switch (framework_order(items, n, order, &cycle)) {
	case 0:
		for (u32 i = 0; i < n; i++) {
			strcat(text, i ? " " : "");
			strcat(text, items[order[i]].name);
		}
		break;
	case -ELOOP:
		s = framework_cycle_text(items, cycle);
		snprintf(text, sizeof(text), "cycle %s", (char *)s);
		vec_free(s);
		vec_free(cycle);
		break;
	default:
		return "error";
	}
	return text;
}

/* Without constraints items keep the order in which they came. */
static void
free_items_keep_their_order(void)
{
	static const framework_order_item_t items[] = { { "c", NULL, NULL },
							{ "a", NULL, NULL },
							{ "b", NULL, "" } };

	CU_ASSERT_STRING_EQUAL(order_text(items, 3), "c a b");
	CU_ASSERT_STRING_EQUAL(order_text(items, 0), "");
}

/* before and after say the same thing from both ends. */
static void
before_and_after_are_obeyed(void)
{
	static const framework_order_item_t after[] = { { "a", NULL, "b, c" },
							{ "b", NULL, NULL },
							{ "c", NULL, "b" } };
	static const framework_order_item_t before[] = { { "a", NULL, NULL },
							 { "b", "a,c", NULL },
							 { "c", "a", NULL } };

	CU_ASSERT_STRING_EQUAL(order_text(after, 3), "b c a");
	CU_ASSERT_STRING_EQUAL(order_text(before, 3), "b c a");
}

/* Names that nobody has do not matter: the plugin that has them may not be installed. */
static void
unknown_names_are_ignored(void)
{
	static const framework_order_item_t items[] = { { "a", "ghost", "phantom" },
							{ "b", "a", ",, ghost ," } };

	CU_ASSERT_STRING_EQUAL(order_text(items, 2), "b a");
}

/* A cycle is named in the order in which its members would have to run; others are not in it. */
static void
cycles_are_named(void)
{
	static const framework_order_item_t three[] = {
		{ "free", NULL, NULL }, { "a", NULL, "c" },    { "b", NULL, "a" },
		{ "c", NULL, "b" },     { "last", NULL, "c" },
	};
	static const framework_order_item_t two[] = { { "x", "y", NULL }, { "y", "x", NULL } };
	const char *text = order_text(three, 5);

	CU_ASSERT(!strcmp(text, "cycle a -> b -> c -> a") ||
		  !strcmp(text, "cycle b -> c -> a -> b") ||
		  !strcmp(text, "cycle c -> a -> b -> c"));
	text = order_text(two, 2);
	CU_ASSERT(!strcmp(text, "cycle x -> y -> x") || !strcmp(text, "cycle y -> x -> y"));
}

/* Lists as people write them: blanks, empty entries, file names of plugins. */
static void
lists_are_read_as_written(void)
{
	const char *list = " buffer ,,ethdev_plugin.so,\tx_plugin.so y,", *name;
	u32 n_bytes;

	CU_ASSERT(framework_list_has(list, "buffer"));
	CU_ASSERT(framework_list_has(list, "ethdev"));
	CU_ASSERT(framework_list_has(list, "x_plugin.so y"));
	CU_ASSERT(!framework_list_has(list, "buf"));
	CU_ASSERT(!framework_list_has(list, "ethdev_plugin.so"));
	CU_ASSERT(!framework_list_has(list, ""));
	CU_ASSERT(!framework_list_has(NULL, "buffer"));
	CU_ASSERT(!framework_next_name(&(const char *){ "" }, &name, &n_bytes));
	CU_ASSERT(!framework_next_name(&(const char *){ " , ," }, &name, &n_bytes));
	/* The suffix alone is a name: of nothing. */
	CU_ASSERT(framework_list_has("_plugin.so", "_plugin.so"));
}

typedef struct {
	char names[N_MAX][12], lists[N_MAX][2][256];
	framework_order_item_t items[N_MAX];
	u8 precedes[N_MAX][N_MAX];
	u32 n;
} random_items_t;

/* Random constraints.  With a hidden rank they can be met; without, a cycle is likely. */
static void
make_items(random_items_t *r, u64 *seed, int has_rank)
{
	u32 rank[N_MAX];

	memset(r, 0, sizeof(*r));
	r->n = 1 + (u32)unit_random_below(seed, N_MAX);
	for (u32 i = 0; i < r->n; i++) {
		snprintf(r->names[i], sizeof(r->names[i]), "f%u", i);
		rank[i] = (u32)unit_random(seed);
		r->items[i] =
			(framework_order_item_t){ r->names[i], r->lists[i][0], r->lists[i][1] };
	}
	for (u32 k = 0; k < 2 * r->n; k++) {
		u32 a = (u32)unit_random_below(seed, r->n), b = (u32)unit_random_below(seed, r->n);
		u32 side = unit_random(seed) & 1, holder, t;
		char *list;

		if (a == b)
			continue;
		if (has_rank && rank[a] > rank[b]) {
			t = a;
			a = b;
			b = t;
		}
		holder = side ? b : a;
		list = r->lists[holder][side];
		if (strlen(list) > 240)
			continue;
		strcat(list, r->names[side ? a : b]);
		strcat(list, ",");
		r->precedes[a][b] = 1;
	}
}

/* Against the definition: an order obeys each constraint, a reported cycle is one, and what can
 * be ordered is ordered. */
static void
random_constraints_are_obeyed(void)
{
	static random_items_t r;
	u64 seed = unit_seed(), n_rounds = unit_n_ops(2000);
	u32 n_cycles = 0;

	for (u64 round = 0; round < n_rounds; round++) {
		u32 order[N_MAX], place[N_MAX], *cycle;
		int has_rank = round & 1, error;

		make_items(&r, &seed, has_rank);
		error = framework_order(r.items, r.n, order, &cycle);
		if (error) {
			u32 n = vec_len(cycle);

			CU_ASSERT_EQUAL_FATAL(error, -ELOOP);
			CU_ASSERT_FATAL(!has_rank);
			for (u32 i = 0; i < n; i++)
				CU_ASSERT_FATAL(r.precedes[cycle[i]][cycle[(i + 1) % n]]);
			vec_free(cycle);
			n_cycles++;
			continue;
		}
		memset(place, 0xff, sizeof(place));
		for (u32 i = 0; i < r.n; i++)
			place[order[i]] = i;
		for (u32 a = 0; a < r.n; a++)
			for (u32 b = 0; b < r.n; b++)
				if (r.precedes[a][b])
					CU_ASSERT_FATAL(place[a] < place[b] && place[b] < r.n);
	}
	CU_ASSERT(n_cycles > 0);
}

/* ---- init functions ---- */

static char trail[256];

static clib_error_t *
leave_trail(const char *name)
{
	strcat(trail, name);
	strcat(trail, " ");
	return NULL;
}

#define STEP(f)                                                                                    \
	static clib_error_t *f(void)                                                               \
	{                                                                                          \
		return leave_trail(#f);                                                            \
	}
STEP(step_one)
STEP(step_two)
STEP(step_three)
STEP(out_one)
STEP(out_two)
STEP(out_three)
VMHEAP_MAIN_LOOP_ENTER_FUNCTION(step_one, .runs_after = "step_three");
VMHEAP_MAIN_LOOP_ENTER_FUNCTION(step_two);
VMHEAP_MAIN_LOOP_ENTER_FUNCTION(step_three);
VMHEAP_EXIT_FUNCTION(out_one);
VMHEAP_EXIT_FUNCTION(out_two);
VMHEAP_EXIT_FUNCTION(out_three, .runs_after = "out_two");

/* Functions run in the order declared, each once however often they are called for. */
static void
functions_run_once_in_order(void)
{
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
	CU_ASSERT_STRING_EQUAL(trail, "step_two step_three step_one ");
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
	CU_ASSERT_STRING_EQUAL(trail, "step_two step_three step_one ");
}

/* Exit is init backwards, except where a function says otherwise. */
static void
exit_functions_run_backwards(void)
{
	trail[0] = 0;
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_EXIT));
	CU_ASSERT_STRING_EQUAL(trail, "out_two out_three out_one ");
}

STEP(circle_a)
STEP(circle_b)
VMHEAP_GRAPH_INIT_FUNCTION(circle_a, .runs_after = "circle_b");
VMHEAP_GRAPH_INIT_FUNCTION(circle_b, .runs_after = "circle_a");

/* The daemon's own functions in a circle are an error that names them; none has run. */
static void
a_cycle_of_built_in_functions_is_an_error(void)
{
	clib_error_t *error;

	trail[0] = 0;
	error = vmheap_init_call(VMHEAP_GRAPH_INIT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(error);
	vec_add1(error->what, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)error->what, "circle_a -> "));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)error->what, "circle_b -> "));
	CU_ASSERT_STRING_EQUAL(trail, "");
	clib_error_free(error);
}

/* ---- timers ---- */

static u32 n_ticks[2];

static void
tick(void *arg)
{
	(*(u32 *)arg)++;
}

/* A timer runs at once, then whenever its period has passed, and never twice for a late loop. */
static void
timers_run_when_due(void)
{
	CU_ASSERT_EQUAL(vmheap_timers_run(1000), ~0ull);
	CU_ASSERT_EQUAL(vmheap_timer_add(0, tick, n_ticks), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_timer_add(10, NULL, n_ticks), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_timer_add(100, tick, &n_ticks[0]), 0);
	CU_ASSERT_EQUAL(vmheap_timer_add(30, tick, &n_ticks[1]), 0);
	CU_ASSERT_EQUAL(vmheap_timers_run(1000), 30);
	CU_ASSERT(n_ticks[0] == 1 && n_ticks[1] == 1);
	CU_ASSERT_EQUAL(vmheap_timers_run(1029), 1);
	CU_ASSERT(n_ticks[0] == 1 && n_ticks[1] == 1);
	CU_ASSERT_EQUAL(vmheap_timers_run(1030), 30);
	CU_ASSERT(n_ticks[0] == 1 && n_ticks[1] == 2);
	CU_ASSERT_EQUAL(vmheap_timers_run(5000), 30);
	CU_ASSERT(n_ticks[0] == 2 && n_ticks[1] == 3);
}

static const unit_test_t tests[] = {
	UNIT(free_items_keep_their_order),
	UNIT(before_and_after_are_obeyed),
	UNIT(unknown_names_are_ignored),
	UNIT(cycles_are_named),
	UNIT(lists_are_read_as_written),
	UNIT(random_constraints_are_obeyed),
	UNIT(functions_run_once_in_order),
	UNIT(exit_functions_run_backwards),
	UNIT(a_cycle_of_built_in_functions_is_an_error),
	UNIT(timers_run_when_due),
};

int
main(void)
{
	return unit_run("order", tests, ARRAY_LEN(tests));
}
