/* SPDX-License-Identifier: Apache-2.0 */
/* hash_impl: for tables on top of a hash whose keys name memory of their own (mhash).  Their
 * callers compute the sum of what they look for, and say which key of the table is it, so nothing
 * has to be put where a key could point.
 *
 * `sum` is what the table's key_sum function would give. */
#ifndef included_vppinfra_hash_impl_h
#define included_vppinfra_hash_impl_h

#include <vppinfra/hash.h>

/* Whether `key`, of a pair with the right sum, is the one looked for. */
typedef int(hash_match_function_t)(const void *arg, uword key);

/* The pair, or NULL.  v may be NULL. */
hash_pair_t *hash_find_sum(const void *v, uword sum, hash_match_function_t *match, const void *arg);

/* Add a pair that is not there, its value zero.  The table may move, *v is where it is then.
 * Value: the pair; NULL without memory, the table is as it was. */
hash_pair_t *hash_add_sum(void **v, uword sum, uword key);

/* Take a pair out of the table, which may move.  Value: the table.  Never needs memory. */
void *hash_remove_pair(void *v, hash_pair_t *p);

#endif
