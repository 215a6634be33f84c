/* SPDX-License-Identifier: Apache-2.0 */
/* Debugging by name: KMEM_DEBUG, clib_kmem_debug(), and caches that change while they are empty. */
#include "kmem_impl.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>

#define N_RULES 32
/* Debugging that a program asked for at creation stays; rules add to it, or take back their own.
 */

typedef struct {
	char pattern[CLIB_KMEM_NAME_BYTES];
	u32 flags;
} rule_t;

static pthread_mutex_t rules_lock = PTHREAD_MUTEX_INITIALIZER;
static rule_t rules[N_RULES];
static u32 n_rules;
static bool is_environment_read;

/* Lock held.  A pattern that is there is changed, and comes last. */
static int
add_rule(const char *pattern, uword n_pattern, u32 flags)
{
	u32 n = 0;

	if (n_pattern == 0 || n_pattern >= CLIB_KMEM_NAME_BYTES)
		return -EINVAL;
	for (u32 i = 0; i < n_rules; i++)
		if (strncmp(rules[i].pattern, pattern, n_pattern) || rules[i].pattern[n_pattern])
			rules[n++] = rules[i];
	n_rules = n;
	if (n_rules == N_RULES)
		return -ENOMEM;
	memcpy(rules[n_rules].pattern, pattern, n_pattern);
	rules[n_rules].pattern[n_pattern] = 0;
	rules[n_rules++].flags = flags;
	return 0;
}

/* "redzone,poison,audit", any of them; nothing means all. */
static int
parse_flags(const char *s, const char *end, u32 *flags)
{
	static const struct {
		const char *name;
		u32 flag;
	} table[] = {
		{ "redzone", CLIB_KMEM_REDZONE },
		{ "poison", CLIB_KMEM_POISON },
		{ "audit", CLIB_KMEM_AUDIT },
		{ "off", 0 },
	};

	*flags = 0;
	while (s < end) {
		const char *comma = memchr(s, ',', (uword)(end - s));
		uword n = (uword)((comma ? comma : end) - s), i;

		for (i = 0; i < ARRAY_LEN(table); i++)
			if (strlen(table[i].name) == n && !memcmp(table[i].name, s, n))
				break;
		if (i == ARRAY_LEN(table))
			return -EINVAL;
		*flags |= table[i].flag;
		s += n + (comma != NULL);
	}
	return 0;
}

static int
parse_locked(const char *text)
{
	while (*text) {
		uword n = strcspn(text, ";");
		const char *colon = memchr(text, ':', n);
		u32 flags = CLIB_KMEM_DEBUG;
		int error = 0;

		if (colon)
			error = parse_flags(colon + 1, text + n, &flags);
		if (!error)
			error = add_rule(text, colon ? (uword)(colon - text) : n, flags);
		if (error)
			return error;
		text += n + (text[n] == ';');
	}
	return 0;
}

static void
read_environment(void)
{
	const char *text = getenv("KMEM_DEBUG");

	if (is_environment_read)
		return;
	is_environment_read = true;
	if (text && parse_locked(text))
		fprintf(stderr, "kmem: KMEM_DEBUG=%s: NAME[:redzone,poison,audit][;NAME...]\n",
			text);
}

u32
kmem_rules_flags(const char *name)
{
	u32 flags = 0;

	pthread_mutex_lock(&rules_lock);
	read_environment();
	for (u32 i = 0; i < n_rules; i++)
		if (fnmatch(rules[i].pattern, name, 0) == 0)
			flags = rules[i].flags;
	pthread_mutex_unlock(&rules_lock);
	return flags;
}

/* Nothing live, nothing cached, nobody about to bring a slab: then the layout may change. */
static int
lay_out_anew(kmem_t *k)
{
	int error = 0;

	kmem_flush_all(k, false, NULL);
	kmem_slab_trim(k, ~0ull);
	kmem_depot_lock(k);
	kmem_slab_lock(k);
	for (u32 i = 0; i < KMEM_N_LISTS; i++)
		if (k->lists[i] || k->n_growing || k->spare)
			error = -EBUSY;
	if (!error)
		kmem_layout(k);
	kmem_slab_unlock(k);
	kmem_unlock(&k->depot_lock);
	return error;
}

static void
apply(u32 *n_changed, u32 *n_busy)
{
	kmem_list_lock();
	for (kmem_t *k = kmem_list; k; k = k->next) {
		u32 wanted;

		if (k->flags & CLIB_KMEM_NO_DEBUG)
			continue;
		wanted = (k->asked_flags & CLIB_KMEM_DEBUG) | kmem_rules_flags(k->name);
		if ((k->flags & CLIB_KMEM_DEBUG) == wanted)
			continue;
		if (lay_out_anew(k))
			++*n_busy;
		else
			++*n_changed;
	}
	kmem_list_unlock();
}

int
clib_kmem_debug(const char *pattern, u32 flags, u32 *n_changed, u32 *n_busy)
{
	u32 changed = 0, busy = 0;
	int error;

	if (flags & ~(u32)CLIB_KMEM_DEBUG)
		return -EINVAL;
	pthread_mutex_lock(&rules_lock);
	read_environment();
	error = add_rule(pattern, strlen(pattern), flags);
	pthread_mutex_unlock(&rules_lock);
	if (error)
		return error;
	apply(&changed, &busy);
	if (n_changed)
		*n_changed = changed;
	if (n_busy)
		*n_busy = busy;
	return 0;
}

int
clib_kmem_debug_parse(const char *text)
{
	u32 changed = 0, busy = 0;
	int error;

	pthread_mutex_lock(&rules_lock);
	read_environment();
	error = parse_locked(text);
	pthread_mutex_unlock(&rules_lock);
	apply(&changed, &busy);
	return error;
}
