/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on vmem's core beside a model that is nothing but a map of units: which span
 * each belongs to, and who holds it.  The model finds places by trying every address, so it
 * shares no arithmetic with what it judges; each policy's choice must be the model's.
 *
 * Linked with the library's objects, because the core is not exported: there 0 is an address
 * like any other and a span may end at the last byte of the address space. */
#include <vppinfra/vmem/vmem_impl.h>
#include "unit.h"

#define N_UNITS_MAX 1024
#define N_LIVE_MAX N_UNITS_MAX
#define OUTSIDE 0xff
#define N_SPANS_MAX 250 /* numbers of spans, OUTSIDE excluded */

typedef struct {
	uword addr, size;
	u32 flags;
} live_t;

/* One arena, its model, and the source behind it if it imports. */
typedef struct {
	vmem_t *vmp, *source;
	uword base, quantum, n_units;
	u8 span[N_UNITS_MAX];    /* number of the span, OUTSIDE for none */
	u8 is_held[N_UNITS_MAX]; /* allocated */
	u8 is_import[N_SPANS_MAX];
	u8 is_used[N_SPANS_MAX];
	live_t live[N_LIVE_MAX];
	u32 n_live;
	uword rotor;
	u64 random;
	/* What the source did during the operation under way. */
	u32 n_imports, n_exports;
	uword import_addr, import_size;
	u32 percent_import_fails;
} model_t;

/* A run of free units inside one span, [first, first + n). */
typedef struct {
	uword first, n;
} run_t;

static const char *const policy_names[] = { "instant", "best", "first", "next" };

static u64
below(model_t *m, u64 n)
{
	return unit_random_below(&m->random, n);
}

static uword
unit_of(const model_t *m, uword addr)
{
	return (addr - m->base) / m->quantum;
}

static u8
model_add_span(model_t *m, uword addr, uword size, bool is_import)
{
	u8 number = 0;

	while (m->is_used[number])
		number++;
	m->is_used[number] = 1;
	m->is_import[number] = is_import;
	for (uword i = 0; i < size / m->quantum; i++) {
		CU_ASSERT_EQUAL(m->span[unit_of(m, addr) + i], OUTSIDE);
		m->span[unit_of(m, addr) + i] = number;
	}
	return number;
}

static bool
next_run(const model_t *m, run_t *run)
{
	uword i = run->first + run->n;

	while (i < m->n_units && (m->span[i] == OUTSIDE || m->is_held[i]))
		i++;
	run->first = i;
	while (i < m->n_units && !m->is_held[i] && m->span[i] == m->span[run->first])
		i++;
	run->n = i - run->first;
	return run->n != 0;
}

/* Whether a request may sit at addr, said as directly as it can be. */
static bool
may_sit_at(const vmem_request_t *r, uword size, uword addr)
{
	if (addr < r->min || addr > r->max || r->max - addr < size - 1)
		return false;
	if (r->align && addr % r->align != r->phase)
		return false;
	return r->nocross == 0 || addr / r->nocross == (addr + size - 1) / r->nocross;
}

/* Lowest or highest place in a run, by trying all. */
static bool
place_in_run(const model_t *m, const vmem_request_t *r, const run_t *run, uword *addr)
{
	uword n = (r->size + m->quantum - 1) / m->quantum;
	bool is_high = r->flags & VMEM_REQUEST_HIGH_END;

	if (run->n < n)
		return false;
	for (uword i = 0; i <= run->n - n; i++) {
		uword unit = run->first + (is_high ? run->n - n - i : i);

		*addr = m->base + unit * m->quantum;
		if (may_sit_at(r, n * m->quantum, *addr))
			return true;
	}
	return false;
}

/* What the policy should answer.  Instant promises only that it finds something if there is. */
static bool
model_choice(const model_t *m, const vmem_request_t *r, uword *addr)
{
	vmem_request_t behind = *r;
	run_t run = { 0, 0 };
	bool is_found = false, is_behind = false;
	uword best_n = 0, x;

	behind.min = clib_max(r->min, m->rotor);
	while (next_run(m, &run)) {
		if (r->policy == VMEM_POLICY_NEXT && !is_behind &&
		    place_in_run(m, &behind, &run, &x)) {
			is_behind = is_found = true;
			*addr = x;
		}
		if (!place_in_run(m, r, &run, &x))
			continue;
		if (!is_found || (r->policy == VMEM_POLICY_BEST && run.n < best_n)) {
			is_found = true;
			best_n = run.n;
			*addr = x;
		}
	}
	return is_found;
}

static bool
is_free_in_one_span(const model_t *m, uword addr, uword size)
{
	uword first = unit_of(m, addr);

	for (uword i = first; i < first + size / m->quantum; i++) {
		if (i >= m->n_units || m->is_held[i] || m->span[i] == OUTSIDE ||
		    m->span[i] != m->span[first])
			return false;
	}
	return true;
}

/* ---- the source: an arena of its own, watched on the way ---- */

static model_t *importing;

static void *
watched_import(vmem_t *source, size_t *size, size_t align, int vmflag)
{
	model_t *m = importing;
	void *p;

	if (below(m, 100) < m->percent_import_fails)
		return NULL;
	if ((m->vmp->vm_cflags & VMC_XALLOC) && below(m, 4) == 0)
		*size += below(m, 4) * source->vm_quantum;
	p = m->vmp->vm_cflags & VMC_XALIGN
		    ? vmem_xalloc(source, *size, clib_max(align, source->vm_quantum), 0, 0, NULL,
				  NULL, vmflag)
		    : vmem_xalloc(source, *size, 0, 0, 0, NULL, NULL, vmflag);
	if (p == NULL)
		return NULL;
	m->n_imports++;
	m->import_addr = pointer_to_uword(p);
	m->import_size = *size;
	return p;
}

static void *
watched_alloc(vmem_t *source, size_t size, int vmflag)
{
	return watched_import(source, &size, 0, vmflag);
}

/* Exactly an imported span, and nothing in it held; or an import that did not meet the bounds. */
static void
watched_free(vmem_t *source, void *p, size_t size)
{
	model_t *m = importing;
	uword first = unit_of(m, pointer_to_uword(p)), n = size / m->quantum;
	u8 number = m->span[first];

	if (number == OUTSIDE) {
		CU_ASSERT_EQUAL(m->n_imports--, 1);
		CU_ASSERT_EQUAL(pointer_to_uword(p), m->import_addr);
		CU_ASSERT_EQUAL(size, m->import_size);
		vmem_xfree(source, p, size);
		return;
	}
	CU_ASSERT(m->is_import[number]);
	CU_ASSERT(first == 0 || m->span[first - 1] != number);
	CU_ASSERT(first + n == m->n_units || m->span[first + n] != number);
	CU_ASSERT(is_free_in_one_span(m, pointer_to_uword(p), size));
	memset(&m->span[first], OUTSIDE, n);
	m->is_used[number] = 0;
	m->n_exports++;
	vmem_xfree(source, p, size);
}

/* ---- operations ---- */

static void
random_request(model_t *m, vmem_request_t *r)
{
	uword q = m->quantum, n_bytes = m->n_units * q;

	*r = (vmem_request_t){ .max = ~(uword)0, .flags = VMEM_REQUEST_NOSLEEP };
	r->policy = (vmem_policy_t)below(m, 4);
	r->size = 1 + below(m, below(m, 8) ? 8 * q : n_bytes / 4);
	if (below(m, 4) == 0)
		r->flags |= VMEM_REQUEST_HIGH_END;
	if (below(m, 2))
		return;

	r->flags |= VMEM_REQUEST_X;
	if (below(m, 2)) {
		r->align = q << below(m, 6);
		r->phase = below(m, 2) ? below(m, r->align / q) * q : 0;
	}
	if (below(m, 3) == 0) {
		uword need = round_pow2(r->size, q) + r->phase;

		r->nocross = clib_max(max_pow2(need), r->align) << below(m, 3);
	}
	if (below(m, 3) == 0) {
		uword a = below(m, n_bytes), b = below(m, n_bytes);

		if (below(m, 4))
			r->min = m->base + clib_min(a, b);
		if (below(m, 4) || r->min == 0)
			r->max = m->base + clib_max(a, b);
	}
}

static void
describe(const model_t *m, const vmem_request_t *r, uword got, uword expected)
{
	printf("%s %s: size %llu align %llx phase %llx nocross %llx min %llx max %llx flags %x: "
	       "got %llx, model says %llx\n",
	       m->vmp->vm_name, policy_names[r->policy], (unsigned long long)r->size,
	       (unsigned long long)r->align, (unsigned long long)r->phase,
	       (unsigned long long)r->nocross, (unsigned long long)r->min,
	       (unsigned long long)r->max, r->flags, (unsigned long long)got,
	       (unsigned long long)expected);
}

/* What the model knows of the answer to a request that succeeded. */
static bool
answer_is_right(model_t *m, const vmem_request_t *r, bool had_room, uword expected, uword got)
{
	uword size = round_pow2(r->size, m->quantum);
	run_t imported;

	if (m->n_imports) {
		CU_ASSERT_EQUAL(m->n_imports, 1);
		CU_ASSERT(!had_room);
		model_add_span(m, m->import_addr, m->import_size, true);
		imported = (run_t){ unit_of(m, m->import_addr), m->import_size / m->quantum };
		if (!place_in_run(m, r, &imported, &expected))
			return false;
		return got == expected;
	}
	if (!had_room || !is_free_in_one_span(m, got, size) || !may_sit_at(r, size, got))
		return false;
	return r->policy == VMEM_POLICY_INSTANT || got == expected;
}

static void
random_alloc(model_t *m)
{
	vmem_request_t r;
	uword expected = 0, got = 0, size;
	bool had_room;
	int error;

	if (m->n_live == N_LIVE_MAX)
		return;
	random_request(m, &r);
	size = round_pow2(r.size, m->quantum);
	had_room = model_choice(m, &r, &expected);
	m->n_imports = 0;
	error = vmem_core_alloc(m->vmp, &r, &got);
	if (error) {
		CU_ASSERT_EQUAL(error, -ENOMEM);
		if (had_room || m->n_imports)
			describe(m, &r, 0, expected);
		CU_ASSERT(!had_room);
		CU_ASSERT_EQUAL(m->n_imports, 0);
		return;
	}
	if (!answer_is_right(m, &r, had_room, expected, got)) {
		describe(m, &r, got, expected);
		CU_FAIL_FATAL("the arena's choice is not the model's");
	}
	memset(&m->is_held[unit_of(m, got)], 1, size / m->quantum);
	m->live[m->n_live++] = (live_t){ got, r.size, r.flags & VMEM_REQUEST_X };
	if (r.policy == VMEM_POLICY_NEXT)
		m->rotor = got + size;
}

static void
random_free(model_t *m)
{
	u32 i;
	live_t l;
	uword n, first, last;
	bool is_emptied = true;
	u8 span;

	if (m->n_live == 0)
		return;
	i = (u32)below(m, m->n_live);
	l = m->live[i];
	if (below(m, 64) == 0) {
		/* A wrong size or the wrong pair changes nothing. */
		u64 n_bad = m->vmp->vm_kstat.vk_bad_free;

		CU_ASSERT_EQUAL(
			vmem_core_free(m->vmp, l.addr, l.size + 1 + below(m, 99), l.flags, NULL),
			-ERANGE);
		CU_ASSERT_EQUAL(
			vmem_core_free(m->vmp, l.addr, l.size, l.flags ^ VMEM_REQUEST_X, NULL),
			-EINVAL);
		CU_ASSERT_EQUAL(m->vmp->vm_kstat.vk_bad_free, n_bad + 2);
	}
	n = round_pow2(l.size, m->quantum) / m->quantum;
	first = unit_of(m, l.addr);
	span = m->span[first];
	memset(&m->is_held[first], 0, n);
	m->live[i] = m->live[--m->n_live];

	for (first = unit_of(m, l.addr); first && m->span[first - 1] == span;)
		first--;
	for (last = first; last < m->n_units && m->span[last] == span; last++)
		is_emptied &= !m->is_held[last];
	m->n_exports = 0;
	CU_ASSERT_EQUAL(vmem_core_free(m->vmp, l.addr, l.size, l.flags, NULL), 0);
	CU_ASSERT_EQUAL(m->n_exports, is_emptied && m->is_import[span]);
}

/* In place: shorter always, longer as far as what follows is free; else all stays as it was. */
static void
random_resize(model_t *m)
{
	live_t *l;
	uword size, n, n_new, first, i;
	int error;

	if (m->n_live == 0)
		return;
	l = &m->live[below(m, m->n_live)];
	size = 1 + below(m, 8 * m->quantum);
	n = round_pow2(l->size, m->quantum) / m->quantum;
	n_new = round_pow2(size, m->quantum) / m->quantum;
	first = unit_of(m, l->addr);
	for (i = first + n; i < first + n_new; i++) {
		if (i >= m->n_units || m->is_held[i] || m->span[i] != m->span[first])
			break;
	}
	error = vmem_resize(m->vmp, l->addr, l->size, size);
	CU_ASSERT_EQUAL(error, i < first + n_new ? -ENOMEM : 0);
	if (m->quantum > 1 && below(m, 16) == 0)
		CU_ASSERT_EQUAL(vmem_resize(m->vmp, l->addr + 1, l->size, size), -EINVAL);
	if (error)
		return;
	memset(&m->is_held[first], 0, n);
	memset(&m->is_held[first], 1, n_new);
	l->size = size;
}

/* One exact place, which is free or is not. */
static void
random_claim(model_t *m)
{
	uword first = below(m, m->n_units), n = 1 + below(m, 6);
	uword addr = m->base + first * m->quantum, size = n * m->quantum;
	bool is_free = is_free_in_one_span(m, addr, size);
	int error;

	if (m->n_live == N_LIVE_MAX || m->source || first + n > m->n_units)
		return;
	error = vmem_claim(m->vmp, addr, size);
	CU_ASSERT_EQUAL(error, is_free ? 0 : -ENOMEM);
	if (error)
		return;
	memset(&m->is_held[first], 1, n);
	m->live[m->n_live++] = (live_t){ addr, size, VMEM_REQUEST_X };
}

/* Out of the arena again: off either end of a span, out of its middle, all of it. */
static void
random_remove(model_t *m)
{
	uword first = below(m, m->n_units), n = 1 + below(m, 24), i;
	uword addr = m->base + first * m->quantum, size = n * m->quantum;
	bool is_free = is_free_in_one_span(m, addr, size), is_inside = m->span[first] != OUTSIDE;
	u8 number = m->span[first], right = 0;
	int error;

	if (m->source || first + n > m->n_units)
		return;
	for (i = first; i < first + n; i++)
		is_inside &= i < m->n_units && m->span[i] == number;
	error = vmem_remove(m->vmp, addr, size);
	CU_ASSERT_EQUAL(error, is_free ? 0 : is_inside ? -EBUSY : -ENOENT);
	if (error)
		return;
	memset(&m->span[first], OUTSIDE, n);
	if (i < m->n_units && m->span[i] == number && first && m->span[first - 1] == number) {
		while (m->is_used[right])
			right++;
		m->is_used[right] = 1;
		m->is_import[right] = 0;
		for (; i < m->n_units && m->span[i] == number; i++)
			m->span[i] = right;
	} else if (!memchr(m->span, number, m->n_units)) {
		m->is_used[number] = 0;
	}
}

/* Several of one size: as many as there was room for one by one. */
static void
random_burst(model_t *m)
{
	uword addrs[8], size = 1 + below(m, 4 * m->quantum), n_units;
	u32 n = 1 + (u32)below(m, ARRAY_LEN(addrs)), n_got;

	if (m->n_live + n > N_LIVE_MAX || m->source)
		return;
	n_units = round_pow2(size, m->quantum) / m->quantum;
	n_got = vmem_alloc_burst(m->vmp, size, (vmem_policy_t)below(m, 3), 0, addrs, n);
	for (u32 i = 0; i < n_got; i++) {
		CU_ASSERT(is_free_in_one_span(m, addrs[i], n_units * m->quantum));
		memset(&m->is_held[unit_of(m, addrs[i])], 1, n_units);
	}
	if (n_got < n) {
		run_t run = { 0, 0 };

		while (next_run(m, &run))
			CU_ASSERT(run.n < n_units);
	}
	if (below(m, 2)) {
		for (u32 i = 0; i < n_got; i++)
			m->live[m->n_live++] = (live_t){ addrs[i], size, 0 };
		return;
	}
	for (u32 i = 0; i < n_got; i++)
		memset(&m->is_held[unit_of(m, addrs[i])], 0, n_units);
	vmem_free_burst(m->vmp, addrs, n_got, size, 0);
}

/* A span where nothing is must be taken, one that touches another refused. */
static void
random_add(model_t *m)
{
	uword first = below(m, m->n_units), n = 1 + below(m, 32);
	uword addr = m->base + first * m->quantum, size = n * m->quantum;
	bool is_empty = true;
	int error;

	if (m->source || first + n > m->n_units)
		return;
	for (uword i = first; i < first + n; i++)
		is_empty &= m->span[i] == OUTSIDE;
	error = vmem_core_add(m->vmp, addr, size);
	CU_ASSERT_EQUAL(error, is_empty ? 0 : -EEXIST);
	if (error == 0)
		model_add_span(m, addr, size, false);
}

static void
random_contains(model_t *m)
{
	uword first = below(m, m->n_units), n = 1 + below(m, 16), i;

	for (i = first; i < first + n && i < m->n_units; i++) {
		if (m->span[i] == OUTSIDE || m->span[i] != m->span[first])
			break;
	}
	CU_ASSERT_EQUAL(vmem_core_contains(m->vmp, m->base + first * m->quantum, n * m->quantum),
			i == first + n);
}

/* ---- full checks ---- */

typedef struct {
	model_t *m;
	uword inuse, free, spans;
	u32 n_alloc;
} walk_t;

static void
check_alloc(void *arg, void *p, size_t size)
{
	walk_t *w = arg;

	w->inuse += size;
	w->n_alloc++;
	CU_ASSERT(w->m->is_held[unit_of(w->m, pointer_to_uword(p))]);
}

static void
check_free(void *arg, void *p, size_t size)
{
	walk_t *w = arg;

	w->free += size;
	CU_ASSERT(is_free_in_one_span(w->m, pointer_to_uword(p), size));
}

static void
check_span(void *arg, void *p, size_t size)
{
	((walk_t *)arg)->spans += size;
}

static void
full_check(model_t *m)
{
	walk_t w = { .m = m };
	uword inuse = 0, n_free = 0, n_inside = 0;
	char what[128] = "";

	CU_ASSERT_EQUAL(vmem_check(m->vmp, what, sizeof(what)), 0);
	if (what[0])
		printf("%s: %s\n", m->vmp->vm_name, what);
	if (m->source)
		CU_ASSERT_EQUAL(vmem_check(m->source, NULL, 0), 0);
	for (u32 i = 0; i < m->n_live; i++)
		inuse += m->live[i].size;
	for (uword i = 0; i < m->n_units; i++) {
		n_inside += m->span[i] != OUTSIDE;
		n_free += m->span[i] != OUTSIDE && !m->is_held[i];
	}
	vmem_walk(m->vmp, VMEM_ALLOC, check_alloc, &w);
	vmem_walk(m->vmp, VMEM_FREE | (int)VMEM_REENTRANT, check_free, &w);
	vmem_walk(m->vmp, VMEM_SPAN, check_span, &w);
	CU_ASSERT_EQUAL(w.inuse, inuse);
	CU_ASSERT_EQUAL(w.n_alloc, m->n_live);
	CU_ASSERT_EQUAL(w.free, n_free * m->quantum);
	CU_ASSERT_EQUAL(w.spans, n_inside * m->quantum);
	CU_ASSERT_EQUAL(vmem_size(m->vmp, VMEM_ALLOC), inuse);
	CU_ASSERT_EQUAL(vmem_size(m->vmp, VMEM_ALLOC | VMEM_FREE), n_inside * m->quantum);
}

static void
be_silent(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
}

static void
run_ops(model_t *m, u64 n_ops)
{
	u32 percent_alloc = 50;

	vmem_set_error_handler(be_silent);
	importing = m;
	for (u64 op = 0; op < n_ops; op++) {
		u64 dice = below(m, 1000);

		/* Swing between nearly full and nearly empty. */
		if (op % 500 == 0)
			percent_alloc = 30 + (u32)below(m, 41);
		if (dice < 3)
			random_add(m);
		else if (dice < 6)
			random_remove(m);
		else if (dice < 20)
			random_contains(m);
		else if (dice < 50)
			random_resize(m);
		else if (dice < 80)
			random_claim(m);
		else if (dice < 90)
			random_burst(m);
		else if (dice < 92)
			vmem_vacate(m->vmp);
		else if (below(m, 100) < percent_alloc)
			random_alloc(m);
		else
			random_free(m);
		if (op % 1000 == 999)
			full_check(m);
		if (CU_get_number_of_failures() > 10)
			break;
	}
	while (m->n_live)
		random_free(m);
	full_check(m);
	vmem_core_destroy(m->vmp, NULL);
	vmem_set_error_handler(NULL);
}

static model_t model;

static model_t *
new_model(const char *name, uword base, uword quantum, uword n_units)
{
	const vmem_params_t params = { .name = name, .quantum = quantum };
	model_t *m = &model;

	memset(m, 0, sizeof(*m));
	memset(m->span, OUTSIDE, sizeof(m->span));
	m->base = base;
	m->quantum = quantum;
	m->n_units = n_units;
	m->random = unit_seed();
	vmem_mmap_arena(NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(vmem_core_create(&params, &m->vmp), 0);
	return m;
}

static void
add_span(model_t *m, uword first, uword n)
{
	CU_ASSERT_EQUAL(vmem_core_add(m->vmp, m->base + first * m->quantum, n * m->quantum), 0);
	model_add_span(m, m->base + first * m->quantum, n * m->quantum, false);
}

/* Identifiers from 0: three spans, two of which touch; segments never reach across. */
static void
identifiers_from_zero(void)
{
	model_t *m = new_model("ids", 0, 1, 256);

	add_span(m, 0, 100);
	add_span(m, 100, 60);
	add_span(m, 200, 56);
	run_ops(m, unit_n_ops(6000000));
}

/* Pages in the middle of the address space, sizes seldom a multiple of the page. */
static void
pages_in_the_middle(void)
{
	model_t *m = new_model("pages", 0x7f0000000000, 4096, 400);

	add_span(m, 10, 300);
	run_ops(m, unit_n_ops(6000000));
}

/* The last span ends with the last byte there is. */
static void
the_end_of_the_address_space(void)
{
	model_t *m = new_model("top", -(uword)256 * 64, 64, 256);

	add_span(m, 256 - 90, 90);
	add_span(m, 0, 64);
	run_ops(m, unit_n_ops(4000000));
}

static void
run_importer(const char *name, u32 face, int cflags, uword min_import, uword source_quantum)
{
	model_t *m = new_model(name, 0x100000, 16, 512);
	vmem_params_t params = { .name = name,
				 .quantum = 16,
				 .source_alloc = face == VMEM_FACE_ILLUMOS_X
							 ? (vmem_alloc_t *)(void *)watched_import
							 : watched_alloc,
				 .source_free = watched_free,
				 .source_face = face,
				 .cflags = cflags };

	vmem_core_destroy(m->vmp, NULL);
	m->source = vmem_create("source", (void *)m->base, m->n_units * 16, source_quantum, NULL,
				NULL, NULL, 0, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m->source);
	params.source = m->source;
	CU_ASSERT_EQUAL_FATAL(vmem_core_create(&params, &m->vmp), 0);
	m->vmp->vm_min_import = min_import;
	m->percent_import_fails = 10;
	run_ops(m, unit_n_ops(1000000));
	CU_ASSERT_EQUAL(vmem_size(m->source, VMEM_ALLOC), 0);
	vmem_destroy(m->source);
}

/* An arena with nothing of its own: every span comes and goes, none is kept when empty. */
static void
importers(void)
{
	run_importer("plain", VMEM_FACE_ILLUMOS, 0, 0, 16);
	run_importer("coarse", VMEM_FACE_ILLUMOS, 0, 512, 64);
	run_importer("enlarging", VMEM_FACE_ILLUMOS_X, VMC_XALLOC, 128, 16);
	run_importer("aligning", VMEM_FACE_ILLUMOS_X, VMC_XALLOC | VMC_XALIGN, 0, 16);
}

static const unit_test_t tests[] = {
	UNIT(identifiers_from_zero),
	UNIT(pages_in_the_middle),
	UNIT(the_end_of_the_address_space),
	UNIT(importers),
};

int
main(void)
{
	return unit_run("vmem_model", tests, ARRAY_LEN(tests));
}
