/* SPDX-License-Identifier: Apache-2.0 */
/* vec_bootstrap: reading a vector.  Length, capacity, header, loops; nothing here allocates.
 *
 * A vector is a plain C pointer to its first element; NULL is the empty vector.  What makes it a
 * vector lies below the pointer (vec_header.h):
 *
 *   start                                              v
 *     | user header | pad to the alignment | vec_header_t | elt 0 | elt 1 | ... | room
 *
 * vec.h has everything that changes a vector. */
#ifndef included_vppinfra_vec_bootstrap_h
#define included_vppinfra_vec_bootstrap_h

#include <vppinfra/vec_header.h>

/* Name of a macro by the number of its arguments, one to three. */
#define _VEC_BY_COUNT(_1, _2, _3, name, ...) name

/* A NULL that no compiler knows to be one: programs that use what they asked for without a look, as
 * VPP's do, are not warned of a path that they do not mean to go. */
always_inline void *
_vec_null(void)
{
	void *p = 0;

	__asm__("" : "+r"(p));
	return p;
}

/* Elements are at least as aligned as the memory they come from. */
#define _VEC_MEM_ALIGN 16

/* Bytes from the start of the memory to element 0, for a user header and an alignment. */
always_inline uword
_vec_start_to_v(uword header_bytes, uword align)
{
	uword user = round_pow2(header_bytes, 8);

	return round_pow2(user + sizeof(vec_header_t),
			  align > _VEC_MEM_ALIGN ? align : _VEC_MEM_ALIGN);
}

/* The alignment asked for, or the element type's if that is more. */
#define _vec_align(v, align)                                                                       \
	((uword)(align) > __alignof__((v)[0]) ? (uword)(align) : (uword) __alignof__((v)[0]))

/** The same as a program of old VPP asks for it. */
always_inline uword
vec_header_bytes(uword header_bytes)
{
	return _vec_start_to_v(header_bytes, 0);
}

/** Bytes from a vector's memory to its elements, for a user header of that size. */
always_inline uword
vec_aligned_header_bytes(uword header_bytes, uword align)
{
	return _vec_start_to_v(header_bytes, align);
}

/** Number of elements as VPP's source expects it, u32; 0 for NULL. */
#define vec_len(v) ((u32)_vec_len64(v))

/** All of the length, which is 64 bits wide in memory; 0 for NULL. */
#define vec_len64(v) _vec_len64(v)

/** The length as an lvalue; v must not be NULL. */
#define _vec_len(v) (_vec_find(v)->len)

always_inline u64
_vec_len64(const void *v)
{
	return v ? _vec_find(v)->len : 0;
}

/** Bytes of room for elements, the used ones included; 0 for NULL. */
always_inline uword
vec_max_bytes(const void *v)
{
	return v ? _vec_find(v)->max_bytes : 0;
}

/** Alignment of element 0 in bytes. */
always_inline uword
vec_get_align(const void *v)
{
	u8 log2_align = _vec_find(v)->log2_align;

	return log2_align ? 1ULL << log2_align : VEC_MIN_ALIGN;
}

/** Bytes from the start of the vector's memory, where the user header is, to element 0. */
always_inline uword
vec_get_header_size(const void *v)
{
	return _vec_start_to_v((uword)_vec_find(v)->hdr_size * 8, vec_get_align(v));
}

/** The heap the vector's memory came from; NULL: not from a heap, it cannot grow. */
always_inline void *
vec_get_heap(const void *v)
{
	return _vec_find(v)->heap;
}

/** Bytes of memory behind a vector, headers included; 0 for NULL. */
always_inline uword
vec_mem_size(const void *v)
{
	return v ? vec_get_header_size(v) + vec_max_bytes(v) : 0;
}

/** Bytes in use by elements. */
#define vec_bytes(v) (vec_len64(v) * sizeof((v)[0]))

/** Elements that fit without growing; 0 for NULL. */
#define vec_max_len(v) (vec_max_bytes(v) / sizeof((v)[0]))

/** Bytes that fit without growing.  Old VPP gives the header's size too; the vector knows it. */
#define vec_capacity(...) _VEC_BY_COUNT(__VA_ARGS__, _, _vec_capacity_2, vec_max_bytes)(__VA_ARGS__)
#define _vec_capacity_2(v, header_bytes) vec_max_bytes(v)

always_inline void
_vec_set_len(void *v, u64 len, uword elt_bytes)
{
	ASSERT(v || len == 0);
	ASSERT(len * elt_bytes <= vec_max_bytes(v));
	if (v)
		_vec_find(v)->len = len;
}

/** Set, raise or lower the length within the capacity: no memory moves, nothing is zeroed. */
#define vec_set_len(v, l) _vec_set_len((v), (l), sizeof((v)[0]))
#define vec_inc_len(v, l) _vec_set_len((v), vec_len64(v) + (l), sizeof((v)[0]))
#define vec_dec_len(v, l) _vec_set_len((v), vec_len64(v) - (l), sizeof((v)[0]))

/** Length 0, memory kept.  NULL-safe. */
#define vec_reset_length(v)                                                                        \
	do {                                                                                       \
		if (v)                                                                             \
			_vec_find(v)->len = 0;                                                     \
	} while (0)

/** One past the last element; NULL for NULL. */
#define vec_end(v) ((v) ? (v) + _vec_find(v)->len : (v))

/** Whether pointer e lies inside the vector. */
#define vec_is_member(v, e)                                                                        \
	((const void *)(e) >= (const void *)(v) && (const void *)(e) < (const void *)vec_end(v))

/** Pointer to element i; ASSERTs that there is one. */
#define vec_elt_at_index(v, i)                                                                     \
	({                                                                                         \
		ASSERT((uword)(i) < vec_len64(v));                                                 \
		(v) + (i);                                                                         \
	})

/** Element i; an lvalue. */
#define vec_elt(v, i) (vec_elt_at_index((v), (i)))[0]

/** Loops: a pointer to each element, first to last and last to first; the body may `continue`,
 *  and may not make the vector grow. */
#define vec_foreach(var, vec) for ((var) = (vec); (var) < vec_end(vec); (var)++)
#define vec_foreach_backwards(var, vec) for ((var) = vec_end(vec); (var) > (vec) && ((var)--, 1);)

/** Loops over indices; the length is read again each time, so the vector may grow. */
#define vec_foreach_index(var, v) for ((var) = 0; (uword)(var) < vec_len64(v); (var)++)
#define vec_foreach_index_backwards(var, v) for ((var) = vec_len64(v); (var)-- > 0;)

/** Loop over a vector of pointers: declares e, and yields each pointer. */
#define vec_foreach_pointer(e, v)                                                                  \
	for (__typeof__((v)[0]) *_vfp_##e = (v), *_vfp_end_##e = vec_end(v),                       \
				e = _vfp_##e < _vfp_end_##e ? *_vfp_##e : 0;                       \
	     _vfp_##e < _vfp_end_##e; _vfp_##e++, e = _vfp_##e < _vfp_end_##e ? *_vfp_##e : 0)

/** The user header of a vector: the start of its memory, aligned as the vector is; NULL for NULL.
 *  Old VPP gives sizes as well; the vector knows them. */
always_inline void *
_vec_user_header(const void *v)
{
	return v ? (u8 *)v - vec_get_header_size(v) : 0;
}
#define vec_header(...)                                                                            \
	_VEC_BY_COUNT(__VA_ARGS__, _vec_header_2, _vec_header_2, _vec_user_header)(__VA_ARGS__)
#define vec_aligned_header(...)                                                                    \
	_VEC_BY_COUNT(__VA_ARGS__, _vec_header_2, _vec_header_2, _vec_user_header)(__VA_ARGS__)
#define _vec_header_2(v, ...) _vec_user_header(v)

/* A container's own header is of a size that it knows, and stands at the other end of the user
 * header: found without a look at the vector's alignment.  Growth takes both ends along. */
#define _vec_near_header(v, type) ((type *)_vec_find(v) - 1)

/** With one argument, a vector: the first byte past its user header.  With sizes, a user header:
 *  the vector that it belongs to. */
always_inline void *
_vec_user_header_end(const void *v)
{
	return (u8 *)_vec_user_header(v) + (uword)_vec_find(v)->hdr_size * 8;
}
#define vec_header_end(...)                                                                        \
	_VEC_BY_COUNT(__VA_ARGS__, _vec_header_end_3, _vec_header_end_2, _vec_user_header_end)     \
	(__VA_ARGS__)
#define vec_aligned_header_end(...)                                                                \
	_VEC_BY_COUNT(__VA_ARGS__, _vec_header_end_3, _vec_header_end_2, _vec_user_header_end)     \
	(__VA_ARGS__)
#define _vec_header_end_2(h, bytes) ((void *)((u8 *)(h) + _vec_start_to_v((bytes), 0)))
#define _vec_header_end_3(h, bytes, align) ((void *)((u8 *)(h) + _vec_start_to_v((bytes), (align))))

#endif
