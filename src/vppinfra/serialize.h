/* SPDX-License-Identifier: Apache-2.0 */
/* serialize: structures into bytes, in an order that every machine reads, and back.
 *
 *   serialize_open_vector (&m, 0);
 *   error = serialize (&m, serialize_my_main, mm);
 *   bytes = serialize_close_vector (&m);
 *
 * where void serialize_my_main (serialize_main_t *m, va_list *va) takes its arguments from va and
 * writes with the calls below, or through serialize (m, f, ...) again.  Integers are big-endian.
 * A stream is a buffer and a function that empties or fills it; what does not fit at its end goes
 * through overflow_buffer, so a piece is in one piece to whoever asked for it.
 *
 * Errors stay with m until the outermost serialize() or unserialize() returns them, or the close
 * drops them: after the first one writes go nowhere and reads give zeroes, so a function may go on
 * to its end.  (VPP leaves by longjmp, and the memory of the functions it leaves is lost.)
 *
 * Threads: one.  Memory: the current heap. */
#ifndef included_vppinfra_serialize_h
#define included_vppinfra_serialize_h

#include <stdarg.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/byte_order.h>
#include <vppinfra/error.h>
#include <vppinfra/pool.h>
#include <vppinfra/vec.h>

struct serialize_main_header_t;
struct serialize_stream_t;

/** Writing: take buffer[0, current_buffer_index) away and set the index to 0, or give more room;
 *  with SERIALIZE_END_OF_STREAM no more will come.  Reading: put more into the buffer and set the
 *  index to 0, or set SERIALIZE_END_OF_STREAM.  Failures go to serialize_error(). */
typedef void(serialize_data_function_t)(struct serialize_main_header_t *h,
					struct serialize_stream_t *s);

typedef struct serialize_stream_t {
	u8 *buffer;
	u32 n_buffer_bytes;
	/** Where the next byte goes, or comes from. */
	u32 current_buffer_index;

	/** Vector: what is written but not yet in the buffer, or a piece put together to be read.
	 */
	u8 *overflow_buffer;

	u32 flags;
#define SERIALIZE_END_OF_STREAM (1 << 0)

	/** The data function's: for files the descriptor. */
	uword data_function_opaque;
	u32 opaque[8];
} serialize_stream_t;

typedef struct serialize_main_header_t {
	/** Calls of serialize() that are under way. */
	u32 recursion_level;
	serialize_data_function_t *data_function;
	/** The first that went wrong. */
	clib_error_t *error;
} serialize_main_header_t;

typedef struct {
	serialize_main_header_t header;
	serialize_stream_t stream;
} serialize_main_t;

/** What serialize() calls. */
typedef void(serialize_function_t)(serialize_main_t *m, va_list *va);

/** Nothing more comes. */
always_inline void
serialize_set_end_of_stream(serialize_stream_t *s)
{
	s->flags |= SERIALIZE_END_OF_STREAM;
}

/** Whether nothing more comes. */
always_inline uword
serialize_is_end_of_stream(serialize_stream_t *s)
{
	return (s->flags & SERIALIZE_END_OF_STREAM) != 0;
}

/** Note an error; it is m's from here on, and freed when there is one already. */
CLIB_EXPORT void serialize_error(serialize_main_header_t *h, clib_error_t *error);
#define serialize_error_return(m, ...)                                                             \
	serialize_error(&(m)->header, clib_error_return(0, __VA_ARGS__))

/* ---- open and close ---- */

/** Into, or out of, n bytes of the caller's; more is an error. */
CLIB_EXPORT void serialize_open_data(serialize_main_t *m, u8 *data, uword n_data_bytes);
CLIB_EXPORT void unserialize_open_data(serialize_main_t *m, u8 *data, uword n_data_bytes);

/** Into a vector that grows (NULL: a new one), written over from its start; close_vector gives it
 *  back, with the bytes written, or frees it and gives NULL when an error is left.  Out of a
 * vector, which stays the caller's. */
CLIB_EXPORT void serialize_open_vector(serialize_main_t *m, u8 *vector);
CLIB_EXPORT void *serialize_close_vector(serialize_main_t *m);
CLIB_EXPORT void unserialize_open_vector(serialize_main_t *m, u8 *vector);

/** Open a file to write to, or to read from; NULL, or why not. */
CLIB_EXPORT clib_error_t *serialize_open_clib_file(serialize_main_t *m, char *file);
CLIB_EXPORT clib_error_t *unserialize_open_clib_file(serialize_main_t *m, char *file);
/** The descriptor is closed with m. */
CLIB_EXPORT void serialize_open_clib_file_descriptor(serialize_main_t *m, int fd);
CLIB_EXPORT void unserialize_open_clib_file_descriptor(serialize_main_t *m, int fd);

/** Write out what is left, free buffers and close files.
 *  @return the error of the last write, or one that no serialize() has returned; the caller's */
CLIB_EXPORT clib_error_t *serialize_close(serialize_main_t *m);
CLIB_EXPORT clib_error_t *unserialize_close(serialize_main_t *m);

/* ---- run ---- */

/** Call f (m, &arguments).  @return at the outermost call the first error, else 0 */
CLIB_EXPORT clib_error_t *serialize(serialize_main_t *m, ...);
CLIB_EXPORT clib_error_t *unserialize(serialize_main_t *m, ...);
CLIB_EXPORT clib_error_t *va_serialize(serialize_main_t *m, va_list *va);

/* ---- pieces ---- */

/** Which way a stream goes. */
#define SERIALIZE_FLAG_IS_READ (1 << 0)
#define SERIALIZE_FLAG_IS_WRITE (1 << 1)

/** n_bytes in one piece, to be written to, or read from, before the next call.  After an error it
 * is scratch room, zeroes to a reader; NULL when there is no memory for more than 64 bytes of it,
 * or more than 16 MiB are asked for. */
CLIB_EXPORT void *serialize_read_write_not_inline(serialize_main_header_t *h, serialize_stream_t *s,
						  uword n_bytes, uword flags);

/** The next n bytes of a stream, to be read or written. */
always_inline void *
serialize_stream_read_write(serialize_main_header_t *h, serialize_stream_t *s, uword n_bytes,
			    uword flags)
{
	uword i = s->current_buffer_index;

	if (PREDICT_FALSE(h->error || i + n_bytes > s->n_buffer_bytes ||
			  vec_len64(s->overflow_buffer)))
		return serialize_read_write_not_inline(h, s, n_bytes, flags);
	s->current_buffer_index = (u32)(i + n_bytes);
	return s->buffer + i;
}

/** Place for n bytes to write. */
always_inline void *
serialize_get(serialize_main_t *m, uword n_bytes)
{
	return serialize_stream_read_write(&m->header, &m->stream, n_bytes,
					   SERIALIZE_FLAG_IS_WRITE);
}

/** The next n bytes. */
always_inline void *
unserialize_get(serialize_main_t *m, uword n_bytes)
{
	return serialize_stream_read_write(&m->header, &m->stream, n_bytes, SERIALIZE_FLAG_IS_READ);
}

/* ---- integers ---- */

/** n_bytes 1, 2, 4 or 8; reading: *x is of so many bytes. */
always_inline void
serialize_integer(serialize_main_t *m, u64 x, u32 n_bytes)
{
	u8 *p = (u8 *)serialize_get(m, n_bytes);

	x = clib_host_to_big_u64(x);
	memcpy(p, (u8 *)&x + 8 - n_bytes, n_bytes);
}

/** A number of n_bytes, in network order, into *x. */
always_inline void
unserialize_integer(serialize_main_t *m, void *x, u32 n_bytes)
{
	u8 *p = (u8 *)unserialize_get(m, n_bytes);

	for (u32 i = 0; i < n_bytes; i++)
		((u8 *)x)[i] = p[clib_arch_is_little_endian ? n_bytes - 1 - i : i];
}

/** Compact for small values: one byte below 128, two below 16512, else five or nine. */
CLIB_EXPORT void serialize_likely_small_unsigned_integer(serialize_main_t *m, u64 x);
CLIB_EXPORT u64 unserialize_likely_small_unsigned_integer(serialize_main_t *m);

/** A number that takes few bytes when it is near 0. */
always_inline void
serialize_likely_small_signed_integer(serialize_main_t *m, i64 x)
{
	serialize_likely_small_unsigned_integer(m, (u64)x << 1 ^ (u64)(x >> 63));
}

/** Read it back. */
always_inline i64
unserialize_likely_small_signed_integer(serialize_main_t *m)
{
	u64 x = unserialize_likely_small_unsigned_integer(m);

	return (i64)(x >> 1 ^ -(x & 1));
}

/* ---- functions for serialize(); their arguments are in the comment ---- */

/** (u32 x), (u64 x) for 64; reading a pointer to u8, u16, u32, u64. */
CLIB_EXPORT serialize_function_t serialize_8, unserialize_8;
CLIB_EXPORT serialize_function_t serialize_16, unserialize_16;
CLIB_EXPORT serialize_function_t serialize_32, unserialize_32;
CLIB_EXPORT serialize_function_t serialize_64, unserialize_64;
/** (f64 x); reading (f64 *), (f32 *). */
CLIB_EXPORT serialize_function_t serialize_f64, unserialize_f64;
CLIB_EXPORT serialize_function_t serialize_f32, unserialize_f32;
/** (T *elements, u32 n): for vectors of integers. */
CLIB_EXPORT serialize_function_t serialize_vec_8, unserialize_vec_8;
CLIB_EXPORT serialize_function_t serialize_vec_16, unserialize_vec_16;
CLIB_EXPORT serialize_function_t serialize_vec_32, unserialize_vec_32;
CLIB_EXPORT serialize_function_t serialize_vec_64, unserialize_vec_64;
/** (uword *bitmap); reading returns a new one through (uword **). */
CLIB_EXPORT serialize_function_t serialize_bitmap;
CLIB_EXPORT uword *unserialize_bitmap(serialize_main_t *m);
/** (void *vector, u32 elt_bytes, f), f gets (T *elements, u32 n); reading (void **vector, u32
 *  elt_bytes, u32 header_bytes, u32 align, f). */
CLIB_EXPORT serialize_function_t serialize_vector, unserialize_aligned_vector;
/** (void *pool, u32 elt_bytes, f): f gets (T *element, u32 1) for each that is in use. */
CLIB_EXPORT serialize_function_t serialize_pool;
/* The length of the pool that follows, and its free indices, a vector in the order of putting. */
CLIB_EXPORT u32 _unserialize_pool_shape(serialize_main_t *m, u32 **free_indices);

/** A vector, each element by f. */
#define vec_serialize(m, v, f)                                                                     \
	serialize((m), serialize_vector, (v), (u32)sizeof((v)[0]), (serialize_function_t *)(f))
/** v is the address of the vector, which becomes a new one. */
#define vec_unserialize_ha(m, v, f, h, a)                                                          \
	unserialize((m), unserialize_aligned_vector, (v), (u32)sizeof((*(v))[0]), (u32)(h),        \
		    (u32)(a), (serialize_function_t *)(f))
#define vec_unserialize(m, v, f) vec_unserialize_ha(m, v, f, 0, 0)
#define vec_unserialize_aligned(m, v, f, a) vec_unserialize_ha(m, v, f, 0, a)
#define pool_serialize(m, p, f)                                                                    \
	serialize((m), serialize_pool, (p), (u32)sizeof((p)[0]), (serialize_function_t *)(f))
/** p is the address of the pool, which becomes a new one that hands out its free indices in the
 *  order that the written one would; NULL on errors. */
#define pool_unserialize_aligned(m, p, a, f)                                                       \
	do {                                                                                       \
		u32 *_sp_free, _sp_n = _unserialize_pool_shape((m), &_sp_free);                    \
		__typeof__(*(p)) _sp_pool = 0, _sp_e = 0;                                          \
		for (u32 _sp_i = 0; _sp_i < _sp_n && !(m)->header.error; _sp_i++) {                \
			pool_get_aligned(_sp_pool, _sp_e, (a));                                    \
			if (pool_elts(_sp_pool) != _sp_i + 1)                                      \
				serialize_error_return((m), "no memory for a pool");               \
		}                                                                                  \
		for (u32 _sp_i = 0; _sp_i < vec_len(_sp_free) && !(m)->header.error; _sp_i++)      \
			pool_put_index(_sp_pool, _sp_free[_sp_i]);                                 \
		for (u32 _sp_i = 0; _sp_i < _sp_n && !(m)->header.error; _sp_i++)                  \
			if (!pool_is_free_index(_sp_pool, _sp_i))                                  \
				unserialize((m), (serialize_function_t *)(f), _sp_pool + _sp_i,    \
					    1);                                                    \
		if ((m)->header.error)                                                             \
			pool_free(_sp_pool);                                                       \
		vec_free(_sp_free);                                                                \
		(void)_sp_e;                                                                       \
		*(p) = _sp_pool;                                                                   \
	} while (0)
#define pool_unserialize(m, p, f) pool_unserialize_aligned(m, p, 0, f)

/** A C string, NULL too; reading gives a new vector with its NUL, or NULL. */
CLIB_EXPORT void serialize_cstring(serialize_main_t *m, char *string);
CLIB_EXPORT void unserialize_cstring(serialize_main_t *m, char **string);

/** Bytes that must be the same when read, else it is an error. */
CLIB_EXPORT void serialize_magic(serialize_main_t *m, void *magic, u32 n_bytes);
CLIB_EXPORT void unserialize_check_magic(serialize_main_t *m, void *magic, u32 n_bytes);

#endif
