/* SPDX-License-Identifier: Apache-2.0 */
/* percpu: a variable of which every thread has a copy of its own (Linux' DEFINE_PER_CPU and
 * alloc_percpu; here "CPU" is the dense thread index).
 *
 * Each index has a unit: a stretch of address space on pages of its own, on the NUMA node where
 * the first thread with that index ran.  A per-CPU variable is an offset that is the same in all
 * units; its copy in unit i is unit base + offset.
 *
 *      offset    64       72            n_bytes in use                    unit
 *   unit 0   |    | var   | p  | ...     |   reserved, not committed   |
 *   unit 1   |    | var   | p  | ...     |                             |
 *   ...
 *   unit CLIB_MAX_THREADS  (shared: threads without an index, under a lock)
 *
 * What alloc_percpu() returns is the offset, as a pointer that must not be followed; variables
 * made by DEFINE_PER_CPU lie in a section of their object, copied into each unit, and are named
 * by their address there.  Both go through the same calls, so an expression like per_cpu(p->x, i)
 * works on either.
 *
 *   static DEFINE_PER_CPU(u64, n_packets);           u64 __percpu *n = alloc_percpu(u64);
 *   this_cpu_inc(n_packets);                         this_cpu_inc(*n);
 *   for_each_possible_cpu (i)                        for_each_possible_cpu (i)
 *           sum += per_cpu(n_packets, i);                    sum += *per_cpu_ptr(n, i);
 *
 * Threads: a copy has one writer, the thread with that index, and needs no lock; readers sum.
 * this_cpu_add() and the like are relaxed stores, so a reader sees a whole value.  A unit outlives
 * its thread: sums keep what an exited thread counted, and the next thread with that index goes
 * on from there.  Threads beyond the last index (and all, while memory is short) use the shared
 * unit: this_cpu_add() is then an atomic addition, get_cpu_var() takes a lock until
 * put_cpu_var(), this_cpu_ptr() gives the shared copy unlocked.  Pairs of get and put may nest.
 *
 * Differences from the kernel: a thread is not stopped from moving to another processor, and need
 * not be, since the copy is the thread's; for_each_possible_cpu() visits the units that exist
 * (a unit that comes later starts from the static initialiser, or zero).
 *
 * Cost: this_cpu_inc() some ten instructions, no lock, no atomic read-modify-write. */
#ifndef included_vppinfra_percpu_h
#define included_vppinfra_percpu_h

#include <vppinfra/atomics.h>
#include <vppinfra/thread.h>

/** Address space of a unit: what all per-CPU variables of a process may take together. */
#define CLIB_PERCPU_UNIT_BYTES (1u << 20)
/** Index of the shared unit. */
#define CLIB_PERCPU_SHARED CLIB_MAX_THREADS

#define __percpu

/** What a constructor in this header tells: an object with static variables came, or goes.
 *  @param[out] delta  set before any of them can be used */
CLIB_EXPORT void clib_percpu_register(const void *start, const void *stop, uword *delta);
CLIB_EXPORT void clib_percpu_unregister(const void *start);

/* A file that has only run-time variables may define this before it includes the header: its
 * object then has no section to register. */
#ifndef CLIB_PERCPU_RUN_TIME_ONLY

/* Begins and ends of this object's static variables: the linker's.  The anchor sees to it that
 * there is a section in every object that asks. */
extern char __start_clib_percpu[] __attribute__((visibility("hidden")));
extern char __stop_clib_percpu[] __attribute__((visibility("hidden")));
static u64 _clib_percpu_anchor __attribute__((section("clib_percpu"), used, aligned(8)));
/* From an address in the section to the offset in a unit; one for each object. */
__attribute__((weak, visibility("hidden"))) uword _clib_percpu_delta;

/* 101: before constructors without a priority, which may use the variables. */
static void __attribute__((constructor(101), used)) _clib_percpu_register_section(void)
{
	clib_percpu_register(__start_clib_percpu, __stop_clib_percpu, &_clib_percpu_delta);
}

static void __attribute__((destructor(101), used)) _clib_percpu_unregister_section(void)
{
	clib_percpu_unregister(__start_clib_percpu);
}

#endif

/**
 * Take zeroed room for a variable in every unit, present and future.
 *
 * @param size   bytes, at least 1
 * @param align  power of two up to the system's page; 0 means 8
 * @return a cookie for this_cpu_ptr() and the like; NULL when units are full, memory is short
 *         (counted, see clib_percpu_get_info()) or an argument is wrong
 *
 * Threads: any.  Owner: the caller, until clib_percpu_free().  Cost: a lock; a system call per
 * unit each time another page of units comes into use.
 */
CLIB_EXPORT void *clib_percpu_alloc(uword size, uword align);
/** Give it back.  NULL is ignored; what did not come from clib_percpu_alloc(), or is free
 *  already, is reported through vmem's error hook and ignored. */
CLIB_EXPORT void clib_percpu_free(const volatile void *cookie);

/** First use in a thread: the base of its unit, made if need be; NULL for the shared unit. */
CLIB_EXPORT u8 *clib_percpu_attach(void);
/** Base of the unit of an index, made if need be; the shared one if there is no memory or the
 *  index is out of range. */
CLIB_EXPORT u8 *clib_percpu_unit(u32 index);
/** Next index above `index` that has a unit, the shared one last; above CLIB_PERCPU_SHARED when
 *  there is none. */
CLIB_EXPORT u32 clib_percpu_next(i64 index);
/** Offset of a static variable of another object; stops the process for what is none. */
CLIB_EXPORT uword clib_percpu_offset_of(const volatile void *p);
/** Base of the unit of each index that has one, else NULL. */
CLIB_EXPORT_EXTERN CLIB_ATOMIC(u8 *) clib_percpu_bases[CLIB_MAX_THREADS + 1];

/** get_cpu(): the index whose copies are now the caller's: CLIB_PERCPU_SHARED, locked, for a
 *  thread without a unit. */
CLIB_EXPORT u32 clib_percpu_enter(void);
/** put_cpu(). */
CLIB_EXPORT void clib_percpu_leave(void);

typedef struct {
	u64 n_units;         /* that exist, the shared one included */
	u64 n_static_bytes;  /* taken by sections of objects */
	u64 n_dynamic_bytes; /* taken by clib_percpu_alloc() */
	u64 unit_bytes;      /* room of a unit */
	u64 committed_bytes; /* of all units */
	u64 n_fails;         /* refused: no room, no memory */
} clib_percpu_info_t;
/** Figures, each true but not of one moment. */
CLIB_EXPORT void clib_percpu_get_info(clib_percpu_info_t *info);

/** Make the n-th taking of memory from now fail (1 the next; 0 none). */
CLIB_EXPORT void clib_percpu_fail_after(u64 n);

/* ---- addresses ---- */

always_inline uword
_clib_percpu_offset(const volatile void *p)
{
	uword a = (uword)p;

	if (a < CLIB_PERCPU_UNIT_BYTES)
		return a;
#ifndef CLIB_PERCPU_RUN_TIME_ONLY
	if (PREDICT_TRUE(a - (uword)__start_clib_percpu <
			 (uword)__stop_clib_percpu - (uword)__start_clib_percpu))
		return a + _clib_percpu_delta;
#endif
	return clib_percpu_offset_of(p);
}

/* The base of the calling thread's unit, NULL for the shared one. */
always_inline u8 *
_clib_percpu_base(void)
{
	u8 *base = clib_thread_percpu_base;

	return PREDICT_TRUE(base != 0) ? base : clib_percpu_attach();
}

/** The calling thread's copy of an object. */
always_inline void *
clib_this_cpu_ptr(const volatile void *p)
{
	u8 *base = _clib_percpu_base();

	if (PREDICT_FALSE(base == 0))
		base = clib_percpu_unit(CLIB_PERCPU_SHARED);
	return base + _clib_percpu_offset(p);
}

/** The copy of the thread with that index. */
always_inline void *
clib_per_cpu_ptr(const volatile void *p, u32 index)
{
	u8 *base = 0;

	/* Acquire: the unit's pages and their contents, pairs with the release that published it.
	 */
	if (PREDICT_TRUE(index <= CLIB_PERCPU_SHARED))
		base = atomic_load_explicit(&clib_percpu_bases[index], memory_order_acquire);
	if (PREDICT_FALSE(base == 0))
		base = clib_percpu_unit(index);
	return base + _clib_percpu_offset(p);
}

/* ---- the kernel's names ---- */

/** `static DEFINE_PER_CPU(type, name);` or `DEFINE_PER_CPU(type, name) = constant;` */
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name
#define DEFINE_PER_CPU(type, name) __attribute__((section("clib_percpu"))) __typeof__(type) name
#define DEFINE_PER_CPU_ALIGNED(type, name)                                                         \
	__attribute__((section("clib_percpu"),                                                     \
		       aligned(CLIB_CACHE_LINE_BYTES))) __typeof__(type) name
#define DEFINE_PER_CPU_SHARED_ALIGNED(type, name) DEFINE_PER_CPU_ALIGNED(type, name)

/** A kernel's names: an object of that type in every unit, zero; and its end. */
#define alloc_percpu(type) ((__typeof__(type) *)clib_percpu_alloc(sizeof(type), __alignof__(type)))
#define __alloc_percpu(size, align) clib_percpu_alloc((size), (align))
#define free_percpu(p) clib_percpu_free(p)

/** The calling thread's copy; that of thread i; the same for a variable. */
#define this_cpu_ptr(p) ((__typeof__(*(p)) *)clib_this_cpu_ptr(p))
#define raw_cpu_ptr(p) this_cpu_ptr(p)
#define per_cpu_ptr(p, i) ((__typeof__(*(p)) *)clib_per_cpu_ptr((p), (u32)(i)))
#define per_cpu(var, i) (*per_cpu_ptr(&(var), (i)))

/** A kernel holds its processor meanwhile; a thread of ours is never moved to another unit, so
 *  there is nothing to hold. */
#define get_cpu() clib_percpu_enter()
#define put_cpu() clib_percpu_leave()
#define get_cpu_var(var)                                                                           \
	(*({                                                                                       \
		clib_percpu_enter();                                                               \
		this_cpu_ptr(&(var));                                                              \
	}))
#define put_cpu_var(var) ((void)&(var), clib_percpu_leave())
#define get_cpu_ptr(p)                                                                             \
	({                                                                                         \
		clib_percpu_enter();                                                               \
		this_cpu_ptr(p);                                                                   \
	})
#define put_cpu_ptr(p) ((void)(p), clib_percpu_leave())
#define smp_processor_id()                                                                         \
	({                                                                                         \
		u16 _percpu_index = clib_thread_index();                                           \
		_percpu_index == CLIB_THREAD_INDEX_NONE ? (u32)CLIB_PERCPU_SHARED                  \
							: (u32)_percpu_index;                      \
	})
#define nr_cpu_ids ((u32)CLIB_MAX_THREADS + 1)
#define for_each_possible_cpu(i)                                                                   \
	for ((i) = clib_percpu_next(-1); (u32)(i) < nr_cpu_ids; (i) = clib_percpu_next((i)))

/* Changes var by an expression in `_percpu_old`; var is an integer.  Value: what it is now. */
#define _clib_this_cpu_op(var, shared_op, n, expression)                                           \
	({                                                                                         \
		u8 *_percpu_base = _clib_percpu_base();                                            \
		__typeof__(var) *_percpu_p, _percpu_n = (__typeof__(var))(n), _percpu_old;         \
		uword _percpu_offset = _clib_percpu_offset(&(var));                                \
		if (PREDICT_TRUE(_percpu_base != 0)) {                                             \
			_percpu_p = (__typeof__(var) *)(_percpu_base + _percpu_offset);            \
			_percpu_old = __atomic_load_n(_percpu_p, __ATOMIC_RELAXED);                \
			_percpu_old = (__typeof__(var))(expression);                               \
			__atomic_store_n(_percpu_p, _percpu_old, __ATOMIC_RELAXED);                \
		} else {                                                                           \
			_percpu_p = (__typeof__(var) *)(clib_percpu_unit(CLIB_PERCPU_SHARED) +     \
							_percpu_offset);                           \
			_percpu_old = shared_op(_percpu_p, _percpu_n, __ATOMIC_RELAXED);           \
		}                                                                                  \
		_percpu_old;                                                                       \
	})

/** Arithmetic on the calling thread's copy, which nobody else writes. */
#define this_cpu_add_return(var, n)                                                                \
	_clib_this_cpu_op(var, __atomic_add_fetch, n, _percpu_old + _percpu_n)
#define this_cpu_sub_return(var, n)                                                                \
	_clib_this_cpu_op(var, __atomic_sub_fetch, n, _percpu_old - _percpu_n)
#define this_cpu_inc_return(var) this_cpu_add_return(var, 1)
#define this_cpu_dec_return(var) this_cpu_sub_return(var, 1)
#define this_cpu_add(var, n) ((void)this_cpu_add_return(var, n))
#define this_cpu_sub(var, n) ((void)this_cpu_sub_return(var, n))
#define this_cpu_inc(var) this_cpu_add(var, 1)
#define this_cpu_dec(var) this_cpu_sub(var, 1)
#define this_cpu_or(var, n)                                                                        \
	((void)_clib_this_cpu_op(var, __atomic_or_fetch, n, _percpu_old | _percpu_n))
#define this_cpu_and(var, n)                                                                       \
	((void)_clib_this_cpu_op(var, __atomic_and_fetch, n, _percpu_old & _percpu_n))
#define this_cpu_read(var) __atomic_load_n(this_cpu_ptr(&(var)), __ATOMIC_RELAXED)
#define this_cpu_write(var, n)                                                                     \
	__atomic_store_n(this_cpu_ptr(&(var)), (__typeof__(var))(n), __ATOMIC_RELAXED)

/** Sum of an integer over all units, each read whole; exact when nobody is adding. */
#define per_cpu_sum(var)                                                                           \
	({                                                                                         \
		__typeof__(var) _percpu_sum = 0;                                                   \
		u32 _percpu_i;                                                                     \
		for_each_possible_cpu(_percpu_i) _percpu_sum +=                                    \
			__atomic_load_n(per_cpu_ptr(&(var), _percpu_i), __ATOMIC_RELAXED);         \
		_percpu_sum;                                                                       \
	})

#endif
