/* SPDX-License-Identifier: Apache-2.0 */
/* Best fit in a range.  In all ordinary cases the indexes by address and by size decide it in a few
 * turns.  Where they do not, the range is made up of pieces (index_range.h), of which each has its
 * smallest segment in a descent or two: logarithmic, whatever the sizes and wherever they lie. */
#include "vmem_impl.h"

/* Turns of by_turns(), each two to three descents: before the range trees are asked, which cost
 * about as much as a dozen; and before they are made. */
#define N_TURNS_BEFORE 8
#define N_TURNS_WITHOUT 32

/* ---- by the two indexes ---- */

/* From two sides at once, so that the shorter way decides: by address through the range, keeping
 * the best so far; and by size, passing over those of one size below and above the range with a
 * descent each.  Whichever ends first has the answer.  Value: it, or 0, or VMEM_FIT_WANTS_INDEX
 * where n_turns were not enough. */
static u32
by_turns(vmem_t *vmp, const vmem_search_t *s, u64 n_turns, uword *addr, u64 *n_steps)
{
	vmem_index_tree_t *by_size = vmem_index_tree(vmp, VMEM_INDEX_BY_SIZE);
	vmem_index_tree_t *by_addr = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR);
	vmem_index_cursor_t sizes, starts;
	uword size, start, best_size = ~(uword)0, x;
	u32 best = 0;
	bool has_more;

	/* One of the very size, if there is, is the first by size that begins at min or after it.
	 */
	vmem_index_seek(by_size, s->size, s->min, &sizes);
	has_more = vmem_index_advance(&sizes, 0);
	if (has_more && vmem_index_key(&sizes) == s->size &&
	    vmem_place(s, vmem_index_aux(&sizes), vmem_index_aux(&sizes) + s->size - 1, addr)) {
		vmem_index_remember(by_size, &sizes);
		return vmem_fit_taken(vmp, vmem_index_tag(&sizes), *addr);
	}
	/* The one astride min, if any, is the first by address. */
	vmem_index_seek_before(by_addr, s->min, 0, &starts);
	for (; *n_steps < n_turns; ++*n_steps) {
		if (!vmem_index_advance(&starts, s->size) || vmem_index_key(&starts) > s->max)
			return best;
		start = vmem_index_key(&starts);
		if (vmem_index_aux(&starts) < best_size &&
		    vmem_place(s, start, start + vmem_index_aux(&starts) - 1, &x)) {
			best = vmem_index_tag(&starts);
			best_size = vmem_index_aux(&starts);
			*addr = x;
			if (best_size == s->size)
				return best;
		}

		if (!has_more)
			return best;
		size = vmem_index_key(&sizes);
		start = vmem_index_aux(&sizes);
		if (best && size >= best_size)
			return best;
		if (start < s->min) {
			vmem_index_seek(by_size, size, s->min, &sizes);
		} else if (start > s->max) {
			if (size == ~(uword)0)
				return best;
			vmem_index_seek(by_size, size + 1, s->min, &sizes);
		} else if (vmem_place(s, start, start + size - 1, addr)) {
			vmem_index_remember(by_size, &sizes);
			return vmem_fit_taken(vmp, vmem_index_tag(&sizes), *addr);
		} else {
			VMEM_COUNT(vmp->vm_kstat.vk_fit_tried, 1);
		}
		has_more = vmem_index_advance(&sizes, 0);
	}
	return VMEM_FIT_WANTS_INDEX;
}

/* ---- by the range trees ---- */

/* Two blocks at the ends; two sets of parts a scale. */
#define N_PIECES_MAX (2 + 2 * VMEM_RANGE_N_SCALES)

typedef struct {
	const vmem_range_tree_t
		*tree; /* NULL: what begins in [lo, hi] by address, within a block */
	u64 parts;
	u64 lo, hi;
	/* The smallest that has not been looked at, of these the lowest; size 0: no more. */
	vmem_range_key_t key;
} piece_t;

typedef struct {
	piece_t piece[N_PIECES_MAX];
	u32 n;
	u64 n_steps;
} pieces_t;

static bool
is_less(vmem_range_key_t a, vmem_range_key_t b)
{
	return a.size < b.size || (a.size == b.size && a.start < b.start);
}

/* The smallest in a block that is not less than the key, or if is_after greater. */
static bool
first_in_block(const vmem_index_tree_t *by_addr, piece_t *piece, bool is_after, u64 *n_steps)
{
	vmem_range_key_t best = { 0, 0 };
	vmem_index_cursor_t c;

	vmem_index_seek(by_addr, piece->lo, 0, &c);
	while (vmem_index_advance(&c, piece->key.size) && vmem_index_key(&c) <= piece->hi) {
		vmem_range_key_t entry = { vmem_index_aux(&c), vmem_index_key(&c) };

		++*n_steps;
		if ((best.size == 0 || is_less(entry, best)) &&
		    (is_after ? is_less(piece->key, entry) : !is_less(entry, piece->key)))
			best = entry;
	}
	piece->key = best;
	return best.size != 0;
}

static bool
next_of(const vmem_index_tree_t *by_addr, pieces_t *pieces, piece_t *piece, bool is_after)
{
	if (piece->tree == NULL)
		return first_in_block(by_addr, piece, is_after, &pieces->n_steps);
	if (vmem_range_first(piece->tree, &piece->key, piece->parts, is_after, &pieces->n_steps))
		return true;
	piece->key.size = 0;
	return false;
}

/* Kept where it has anything. */
static void
add_piece(const vmem_index_tree_t *by_addr, pieces_t *pieces, piece_t piece)
{
	if (next_of(by_addr, pieces, &piece, false))
		pieces->piece[pieces->n++] = piece;
}

static void
add_parts(const vmem_index_tree_t *by_addr, pieces_t *pieces, const vmem_range_tree_t *tree,
	  u64 region, u64 parts, u64 size)
{
	u64 start = region << VMEM_RANGE_LOG2_PARTS << tree->shift;

	if (parts)
		add_piece(by_addr, pieces,
			  (piece_t){ .tree = tree, .parts = parts, .key = { size, start } });
}

/* What makes up the starts from first to last, which are such. */
static void
cut(const vmem_t *vmp, const vmem_ranges_t *ranges, u64 size, u64 first, u64 last, pieces_t *pieces)
{
	const vmem_index_tree_t *by_addr = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR);
	u64 in_block = pow2_mask(ranges->log2_block);
	bool is_one_block = ((first ^ last) & ~in_block) == 0;

	add_piece(by_addr, pieces,
		  (piece_t){ .lo = first,
			     .hi = is_one_block ? last : first | in_block,
			     .key = { size, 0 } });
	if (is_one_block)
		return;
	add_piece(by_addr, pieces,
		  (piece_t){ .lo = last & ~in_block, .hi = last, .key = { size, 0 } });
	for (u32 i = 0; i < ranges->n_scales; i++) {
		const vmem_range_tree_t *tree = &ranges->tree[i];
		u64 region = vmem_range_region(tree, first), last_region;
		u64 above = ~0ULL << vmem_range_part(tree, first) << 1;
		u64 below = pow2_mask(vmem_range_part(tree, last));

		/* All starts have these bits alike: no part but the one that both are in. */
		if (!tree->is_needed)
			continue;
		last_region = vmem_range_region(tree, last);
		if (region == last_region) {
			add_parts(by_addr, pieces, tree, region, above & below, size);
			return;
		}
		add_parts(by_addr, pieces, tree, region, above, size);
		add_parts(by_addr, pieces, tree, last_region, below, size);
	}
}

static piece_t *
smallest_of(pieces_t *pieces)
{
	piece_t *best = NULL;

	for (u32 i = 0; i < pieces->n; i++) {
		piece_t *piece = &pieces->piece[i];

		if (piece->key.size && (best == NULL || is_less(piece->key, best->key)))
			best = piece;
	}
	return best;
}

/* The first start in [min, max] that is of at least a size, and the last of any. */
static bool
find_ends(const vmem_index_tree_t *by_addr, const vmem_search_t *s, u64 *first, u64 *last)
{
	vmem_index_cursor_t c;

	vmem_index_seek(by_addr, s->min, 0, &c);
	if (!vmem_index_advance(&c, s->size) || vmem_index_key(&c) > s->max)
		return false;
	*first = *last = vmem_index_key(&c);
	/* The last before max, and one at max. */
	vmem_index_seek_before(by_addr, s->max, 0, &c);
	while (vmem_index_advance(&c, 0) && vmem_index_key(&c) <= s->max)
		*last = clib_max(*last, vmem_index_key(&c));
	return true;
}

/* Take the segment that begins there. */
static u32
take_at(vmem_t *vmp, vmem_index_tree_t *by_addr, uword start, uword addr)
{
	vmem_index_cursor_t c;

	vmem_index_seek(by_addr, start, 0, &c);
	vmem_index_advance(&c, 0);
	vmem_index_remember(by_addr, &c);
	return vmem_fit_taken(vmp, vmem_index_tag(&c), addr);
}

/* The segment astride min, where it has a place.  Size 0: there is none. */
static vmem_range_key_t
astride_min(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	vmem_range_key_t key = { 0, 0 };
	vmem_index_cursor_t c;

	vmem_index_seek_before(vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR), s->min, 0, &c);
	if (!vmem_index_advance(&c, 0) || vmem_index_key(&c) >= s->min)
		return key;
	if (vmem_place(s, vmem_index_key(&c), vmem_index_key(&c) + vmem_index_aux(&c) - 1, addr))
		key = (vmem_range_key_t){ vmem_index_aux(&c), vmem_index_key(&c) };
	return key;
}

u32
vmem_fit_by_pieces(vmem_t *vmp, const vmem_search_t *s, uword *addr, u64 *n_steps)
{
	vmem_index_tree_t *by_addr = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR);
	vmem_ranges_t *ranges = vmem_index_ranges(vmp);
	vmem_range_key_t astride = astride_min(vmp, s, addr);
	pieces_t pieces = { .n = 0 };
	u64 first, last;
	piece_t *piece;
	uword x;

	ranges->is_used = 1;
	if (find_ends(by_addr, s, &first, &last))
		cut(vmp, ranges, s->size, first, last, &pieces);
	while ((piece = smallest_of(&pieces)) != NULL) {
		vmem_range_key_t key = piece->key;

		if (astride.size && is_less(astride, key))
			break;
		if (vmem_place(s, key.start, key.start + key.size - 1, &x)) {
			*n_steps += pieces.n_steps;
			*addr = x;
			return take_at(vmp, by_addr, key.start, x);
		}
		VMEM_COUNT(vmp->vm_kstat.vk_fit_tried, 1);
		next_of(by_addr, &pieces, piece, true);
	}
	*n_steps += pieces.n_steps;
	return astride.size ? take_at(vmp, by_addr, astride.start, *addr) : 0;
}

u32
vmem_fit_best_in_range(vmem_t *vmp, vmem_search_t *s, uword *addr)
{
	bool has_ranges = vmem_index_ranges(vmp) != NULL;
	u64 n_steps = 0, n_turns;
	u32 tag;

	vmp->vm_index->is_used = 1;
	if (has_ranges)
		n_turns = N_TURNS_BEFORE;
	else
		n_turns = s->may_walk ? ~0ull : N_TURNS_WITHOUT;
	tag = by_turns(vmp, s, n_turns, addr, &n_steps);
	if (tag == VMEM_FIT_WANTS_INDEX && has_ranges)
		tag = vmem_fit_by_pieces(vmp, s, addr, &n_steps);
	else if (tag == VMEM_FIT_WANTS_INDEX)
		s->wants = VMEM_INDEX_ALL;
	VMEM_COUNT(vmp->vm_kstat.vk_range_steps, n_steps);
	return tag;
}
