/* SPDX-License-Identifier: Apache-2.0 */
/* A square of bytes says which item must precede which; items leave it one at a time.  Plugins
 * and their functions are counted in tens, so quadratic is nothing, and there is no recursion. */
#include <plugins/framework/framework_impl.h>

#include <ctype.h>
#include <vppinfra/vec.h>

static const char plugin_suffix[] = "_plugin.so";

int
framework_next_name(const char **list, const char **name, u32 *n_bytes)
{
	const char *p = *list, *end;

	if (!p)
		return 0;
	while (*p == ',' || isspace((u8)*p))
		p++;
	if (!*p) {
		*list = p;
		return 0;
	}
	end = p;
	while (*end && *end != ',')
		end++;
	*list = end;
	*name = p;
	while (isspace((u8)end[-1]))
		end--;
	*n_bytes = (u32)(end - p);
	if (*n_bytes > sizeof(plugin_suffix) - 1 &&
	    !memcmp(end - (sizeof(plugin_suffix) - 1), plugin_suffix, sizeof(plugin_suffix) - 1))
		*n_bytes -= sizeof(plugin_suffix) - 1;
	return 1;
}

int
framework_list_has(const char *list, const char *wanted)
{
	const char *name;
	u32 n_bytes;

	while (framework_next_name(&list, &name, &n_bytes))
		if (strlen(wanted) == n_bytes && !memcmp(name, wanted, n_bytes))
			return 1;
	return 0;
}

/* precedes[a * n + b]: a must stand before b. */
static u8 *
order_square(const framework_order_item_t *items, u32 n)
{
	u8 *precedes = NULL;

	vec_validate(precedes, (uword)n * n);
	if (vec_len(precedes) <= (uword)n * n)
		return NULL;
	for (u32 i = 0; i < n; i++) {
		for (u32 k = 0; k < n; k++) {
			if (i == k)
				continue;
			if (framework_list_has(items[i].before, items[k].name) ||
			    framework_list_has(items[k].after, items[i].name))
				precedes[(uword)i * n + k] = 1;
		}
	}
	return precedes;
}

static int
is_next(const u8 *precedes, const u8 *is_placed, u32 n, u32 i)
{
	if (is_placed[i])
		return 0;
	for (u32 k = 0; k < n; k++)
		if (!is_placed[k] && precedes[(uword)k * n + i])
			return 0;
	return 1;
}

/* An unplaced item that must stand before item i. */
static u32
waits_for(const u8 *precedes, const u8 *is_placed, u32 n, u32 i)
{
	for (u32 k = 0; k < n; k++)
		if (!is_placed[k] && precedes[(uword)k * n + i])
			return k;
	return i;
}

/* Every unplaced item waits for an unplaced one: n steps back end on a cycle, and from there
 * once round.  NULL when there is no memory for it. */
static u32 *
find_cycle(const u8 *precedes, const u8 *is_placed, u32 n)
{
	u32 *back = NULL, *cycle = NULL, i = 0, first;

	while (is_placed[i])
		i++;
	for (u32 step = 0; step < n; step++)
		i = waits_for(precedes, is_placed, n, i);
	first = i;
	do {
		if (vec_add1(back, i))
			goto done;
		i = waits_for(precedes, is_placed, n, i);
	} while (i != first);
	vec_validate(cycle, vec_len(back) - 1);
	for (u32 k = 0; k < vec_len(cycle); k++)
		cycle[k] = back[vec_len(back) - 1 - k];
done:
	vec_free(back);
	return cycle;
}

int
framework_order(const framework_order_item_t *items, u32 n, u32 *order, u32 **cycle)
{
	u8 *precedes, *is_placed = NULL;
	u32 n_placed = 0;
	int error = 0;

	*cycle = NULL;
	if (!n)
		return 0;
	precedes = order_square(items, n);
	vec_validate(is_placed, n);
	if (!precedes || vec_len(is_placed) <= n)
		error = -ENOMEM;
	while (!error && n_placed < n) {
		u32 i = 0;

		while (i < n && !is_next(precedes, is_placed, n, i))
			i++;
		if (i == n) {
			*cycle = find_cycle(precedes, is_placed, n);
			error = *cycle ? -ELOOP : -ENOMEM;
			break;
		}
		is_placed[i] = 1;
		order[n_placed++] = i;
	}
	vec_free(precedes);
	vec_free(is_placed);
	return error;
}

u8 *
framework_cycle_text(const framework_order_item_t *items, const u32 *cycle)
{
	u8 *s = NULL;

	for (u32 i = 0; i < vec_len(cycle); i++)
		s = format(s, "%s -> ", items[cycle[i]].name);
	return format(s, "%s%c", items[cycle[0]].name, 0);
}
