/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/serialize.h>

#include <fcntl.h>
#include <unistd.h>

/* A file's buffer. */
#define FILE_BUFFER_BYTES 4096
/* A reader that trusts a damaged length gets no more zeroes than this. */
#define SCRATCH_MOST_BYTES MiB(16)
/* The first room of a vector that is written to. */
#define VECTOR_LEAST_BYTES 256

void
serialize_error(serialize_main_header_t *h, clib_error_t *error)
{
	if (h->error)
		clib_error_free(error);
	else
		h->error = error;
}

/* ---- pieces ---- */

/* What reading finds and writing fills after an error. */
static void *
scratch(serialize_main_header_t *h, serialize_stream_t *s, uword n_bytes)
{
	static __thread u8 small[64];

	vec_reset_length(s->overflow_buffer);
	if (n_bytes <= sizeof(small)) {
		memset(small, 0, sizeof(small));
		return small;
	}
	if (n_bytes > SCRATCH_MOST_BYTES || vec_validate(s->overflow_buffer, n_bytes - 1))
		return 0;
	memset(s->overflow_buffer, 0, n_bytes);
	return s->overflow_buffer;
}

static uword
n_left_in_buffer(const serialize_stream_t *s)
{
	return s->n_buffer_bytes - s->current_buffer_index;
}

/* Overflow goes into the buffer, which is emptied as often as needed. */
static void
drain(serialize_main_header_t *h, serialize_stream_t *s)
{
	uword n = vec_len64(s->overflow_buffer), n_done = 0;

	while (n_done < n && !h->error) {
		uword n_now = clib_min(n - n_done, n_left_in_buffer(s));

		if (n_now) {
			memcpy(s->buffer + s->current_buffer_index, s->overflow_buffer + n_done,
			       n_now);
			s->current_buffer_index += (u32)n_now;
			n_done += n_now;
			continue;
		}
		if (serialize_is_end_of_stream(s) || !h->data_function)
			serialize_error(h, clib_error_create("no room for what is written"));
		else
			h->data_function(h, s);
	}
	vec_reset_length(s->overflow_buffer);
}

static void *
write_piece(serialize_main_header_t *h, serialize_stream_t *s, uword n_bytes)
{
	u8 *p;

	drain(h, s);
	if (h->error)
		return scratch(h, s, n_bytes);
	if (n_left_in_buffer(s) >= n_bytes) {
		p = s->buffer + s->current_buffer_index;
		s->current_buffer_index += (u32)n_bytes;
		return p;
	}
	/* Where the stream cannot grow it is better to say so now than when it is closed. */
	if (!h->data_function || serialize_is_end_of_stream(s)) {
		serialize_error(h, clib_error_create("no room for what is written"));
		return scratch(h, s, n_bytes);
	}
	if (vec_validate(s->overflow_buffer, n_bytes - 1)) {
		serialize_error(h, clib_error_create("no memory for %wu bytes", n_bytes));
		return scratch(h, s, n_bytes);
	}
	return s->overflow_buffer;
}

/* From as many fillings of the buffer as it takes. */
static void *
read_piece(serialize_main_header_t *h, serialize_stream_t *s, uword n_bytes)
{
	vec_reset_length(s->overflow_buffer);
	while (!h->error) {
		uword n_have = vec_len64(s->overflow_buffer);
		uword n_now = clib_min(n_bytes - n_have, n_left_in_buffer(s));

		if (vec_add(s->overflow_buffer, s->buffer + s->current_buffer_index, n_now)) {
			serialize_error(h, clib_error_create("no memory for %wu bytes", n_bytes));
			break;
		}
		s->current_buffer_index += (u32)n_now;
		if (n_have + n_now == n_bytes)
			return s->overflow_buffer;
		if (serialize_is_end_of_stream(s) || !h->data_function)
			serialize_error(h, clib_error_create("it ends too soon"));
		else
			h->data_function(h, s);
	}
	return scratch(h, s, n_bytes);
}

void *
serialize_read_write_not_inline(serialize_main_header_t *h, serialize_stream_t *s, uword n_bytes,
				uword flags)
{
	u8 *p;

	if (h->error)
		return scratch(h, s, n_bytes);
	if (flags & SERIALIZE_FLAG_IS_WRITE)
		return write_piece(h, s, n_bytes);
	if (n_left_in_buffer(s) < n_bytes)
		return read_piece(h, s, n_bytes);
	vec_reset_length(s->overflow_buffer);
	p = s->buffer + s->current_buffer_index;
	s->current_buffer_index += (u32)n_bytes;
	return p;
}

/* ---- open and close ---- */

static void
open_stream(serialize_main_t *m, u8 *buffer, uword n_bytes, serialize_data_function_t *fn)
{
	memset(m, 0, sizeof(*m));
	m->stream.buffer = buffer;
	m->stream.n_buffer_bytes = (u32)clib_min(n_bytes, (uword)UINT32_MAX);
	m->header.data_function = fn;
	if (!fn)
		serialize_set_end_of_stream(&m->stream);
	if (n_bytes > UINT32_MAX)
		serialize_error_return(m, "%wu bytes are more than a stream holds", n_bytes);
}

void
serialize_open_data(serialize_main_t *m, u8 *data, uword n_data_bytes)
{
	open_stream(m, data, n_data_bytes, 0);
}

void
unserialize_open_data(serialize_main_t *m, u8 *data, uword n_data_bytes)
{
	open_stream(m, data, n_data_bytes, 0);
}

void
unserialize_open_vector(serialize_main_t *m, u8 *vector)
{
	open_stream(m, vector, vec_len64(vector), 0);
}

/* More room at the end of the vector. */
static void
grow_vector(serialize_main_header_t *h, serialize_stream_t *s)
{
	uword n = clib_max((uword)VECTOR_LEAST_BYTES, 2 * (uword)s->n_buffer_bytes);

	if (serialize_is_end_of_stream(s))
		return;
	if (n > UINT32_MAX || vec_validate(s->buffer, n - 1))
		serialize_error(h, clib_error_create("no memory for %wu bytes", n));
	else
		s->n_buffer_bytes = (u32)n;
}

void
serialize_open_vector(serialize_main_t *m, u8 *vector)
{
	open_stream(m, vector, vec_len64(vector), grow_vector);
}

void *
serialize_close_vector(serialize_main_t *m)
{
	serialize_stream_t *s = &m->stream;
	u8 *v;

	drain(&m->header, s);
	v = s->buffer;
	if (m->header.error)
		vec_free(v);
	else if (v)
		vec_set_len(v, s->current_buffer_index);
	clib_error_free(m->header.error);
	vec_free(s->overflow_buffer);
	memset(m, 0, sizeof(*m));
	return v;
}

static void
write_file(serialize_main_header_t *h, serialize_stream_t *s)
{
	uword n_done = 0;

	while (n_done < s->current_buffer_index) {
		ssize_t n = write((int)s->data_function_opaque, s->buffer + n_done,
				  s->current_buffer_index - n_done);

		if (n >= 0)
			n_done += (uword)n;
		else if (errno != EINTR) {
			serialize_error(h, clib_error_return_unix(0, "write"));
			break;
		}
	}
	s->current_buffer_index = 0;
}

static void
read_file(serialize_main_header_t *h, serialize_stream_t *s)
{
	ssize_t n;

	do
		n = read((int)s->data_function_opaque, s->buffer, vec_len64(s->buffer));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		serialize_error(h, clib_error_return_unix(0, "read"));
	if (n <= 0)
		serialize_set_end_of_stream(s);
	s->current_buffer_index = 0;
	s->n_buffer_bytes = (u32)clib_max(n, (ssize_t)0);
}

static void
open_descriptor(serialize_main_t *m, int fd, serialize_data_function_t *fn)
{
	u8 *buffer = vec_new(u8, FILE_BUFFER_BYTES);

	/* A reader's buffer is empty at first. */
	open_stream(m, buffer, fn == read_file ? 0 : vec_len64(buffer), fn);
	m->stream.data_function_opaque = (uword)fd;
	if (!buffer)
		serialize_error_return(m, "no memory for a file's buffer");
}

void
serialize_open_clib_file_descriptor(serialize_main_t *m, int fd)
{
	open_descriptor(m, fd, write_file);
}

void
unserialize_open_clib_file_descriptor(serialize_main_t *m, int fd)
{
	open_descriptor(m, fd, read_file);
}

static clib_error_t *
open_file(serialize_main_t *m, const char *file, int flags, serialize_data_function_t *fn)
{
	int fd = open(file, flags | O_CLOEXEC, 0666);

	if (fd < 0) {
		memset(m, 0, sizeof(*m));
		return clib_error_return_unix(0, "open `%s'", file);
	}
	open_descriptor(m, fd, fn);
	return 0;
}

clib_error_t *
serialize_open_clib_file(serialize_main_t *m, char *file)
{
	return open_file(m, file, O_WRONLY | O_CREAT | O_TRUNC, write_file);
}

clib_error_t *
unserialize_open_clib_file(serialize_main_t *m, char *file)
{
	return open_file(m, file, O_RDONLY, read_file);
}

static clib_error_t *
close_stream(serialize_main_t *m, int is_write)
{
	serialize_data_function_t *fn = m->header.data_function;
	serialize_stream_t *s = &m->stream;
	clib_error_t *error;

	if (is_write) {
		drain(&m->header, s);
		serialize_set_end_of_stream(s);
		if (fn && !m->header.error)
			fn(&m->header, s);
	}
	if (fn == write_file || fn == read_file) {
		if (close((int)s->data_function_opaque) && is_write)
			serialize_error(&m->header, clib_error_return_unix(0, "close"));
		vec_free(s->buffer);
	}
	vec_free(s->overflow_buffer);
	error = m->header.error;
	memset(m, 0, sizeof(*m));
	return error;
}

clib_error_t *
serialize_close(serialize_main_t *m)
{
	return close_stream(m, 1);
}

clib_error_t *
unserialize_close(serialize_main_t *m)
{
	return close_stream(m, 0);
}

/* ---- run ---- */

clib_error_t *
va_serialize(serialize_main_t *m, va_list *va)
{
	serialize_function_t *f = va_arg(*va, serialize_function_t *);
	clib_error_t *error = 0;

	m->header.recursion_level++;
	if (!m->header.error)
		f(m, va);
	if (--m->header.recursion_level == 0) {
		error = m->header.error;
		m->header.error = 0;
	}
	return error;
}

clib_error_t *
serialize(serialize_main_t *m, ...)
{
	clib_error_t *error;
	va_list va;

	va_start(va, m);
	error = va_serialize(m, &va);
	va_end(va);
	return error;
}

clib_error_t *
unserialize(serialize_main_t *m, ...)
{
	clib_error_t *error;
	va_list va;

	va_start(va, m);
	error = va_serialize(m, &va);
	va_end(va);
	return error;
}

/* ---- numbers ---- */

/* The bytes a value takes, in the bits of the first: 0xxxxxxx; 10xxxxxx and a byte; 110..... and
 * four; 111..... and eight. */
#define TWO_BYTES_FROM 128
#define LONG_FROM (TWO_BYTES_FROM + (1 << 14))

void
serialize_likely_small_unsigned_integer(serialize_main_t *m, u64 x)
{
	if (x < TWO_BYTES_FROM) {
		serialize_integer(m, x, 1);
	} else if (x < LONG_FROM) {
		serialize_integer(m, 0x8000 | (x - TWO_BYTES_FROM), 2);
	} else if (x <= UINT32_MAX) {
		serialize_integer(m, 0xc0, 1);
		serialize_integer(m, x, 4);
	} else {
		serialize_integer(m, 0xe0, 1);
		serialize_integer(m, x, 8);
	}
}

u64
unserialize_likely_small_unsigned_integer(serialize_main_t *m)
{
	u8 first, second;
	u32 x4;
	u64 x8;

	unserialize_integer(m, &first, 1);
	if (first < 0x80)
		return first;
	if (first < 0xc0) {
		unserialize_integer(m, &second, 1);
		return TWO_BYTES_FROM + ((u64)(first & 0x3f) << 8 | second);
	}
	if (first < 0xe0) {
		unserialize_integer(m, &x4, 4);
		return x4;
	}
	unserialize_integer(m, &x8, 8);
	return x8;
}

#define INTEGER(n_bits, promoted)                                                                  \
	void serialize_##n_bits(serialize_main_t *m, va_list *va)                                  \
	{                                                                                          \
		serialize_integer(m, (u##n_bits)va_arg(*va, promoted), n_bits / 8);                \
	}                                                                                          \
	void unserialize_##n_bits(serialize_main_t *m, va_list *va)                                \
	{                                                                                          \
		unserialize_integer(m, va_arg(*va, u##n_bits *), n_bits / 8);                      \
	}                                                                                          \
	void serialize_vec_##n_bits(serialize_main_t *m, va_list *va)                              \
	{                                                                                          \
		u##n_bits *x = va_arg(*va, u##n_bits *);                                           \
		u32 n = va_arg(*va, u32);                                                          \
                                                                                                   \
		for (u32 i = 0; i < n && !m->header.error; i++)                                    \
			serialize_integer(m, x[i], n_bits / 8);                                    \
	}                                                                                          \
	void unserialize_vec_##n_bits(serialize_main_t *m, va_list *va)                            \
	{                                                                                          \
		u##n_bits *x = va_arg(*va, u##n_bits *);                                           \
		u32 n = va_arg(*va, u32);                                                          \
                                                                                                   \
		for (u32 i = 0; i < n && !m->header.error; i++)                                    \
			unserialize_integer(m, &x[i], n_bits / 8);                                 \
	}
INTEGER(8, u32)
INTEGER(16, u32)
INTEGER(32, u32)
INTEGER(64, u64)
#undef INTEGER

void
serialize_f64(serialize_main_t *m, va_list *va)
{
	f64 x = va_arg(*va, f64);
	u64 bits;

	memcpy(&bits, &x, 8);
	serialize_integer(m, bits, 8);
}

void
unserialize_f64(serialize_main_t *m, va_list *va)
{
	u64 bits;

	unserialize_integer(m, &bits, 8);
	memcpy(va_arg(*va, f64 *), &bits, 8);
}

void
serialize_f32(serialize_main_t *m, va_list *va)
{
	f32 x = (f32)va_arg(*va, f64);
	u32 bits;

	memcpy(&bits, &x, 4);
	serialize_integer(m, bits, 4);
}

void
unserialize_f32(serialize_main_t *m, va_list *va)
{
	u32 bits;

	unserialize_integer(m, &bits, 4);
	memcpy(va_arg(*va, f32 *), &bits, 4);
}

/* ---- containers ---- */

/* An element takes a byte at least, so a length beyond what is left is damage: an error. */
static int
is_beyond_end(serialize_main_t *m, uword n)
{
	if (!serialize_is_end_of_stream(&m->stream) || n <= n_left_in_buffer(&m->stream))
		return 0;
	serialize_error_return(m, "it ends too soon");
	return 1;
}

void
serialize_vector(serialize_main_t *m, va_list *va)
{
	void *v = va_arg(*va, void *);
	u32 elt_bytes = va_arg(*va, u32);
	serialize_function_t *f = va_arg(*va, serialize_function_t *);
	u32 n = vec_len(v);

	(void)elt_bytes;
	serialize_integer(m, n, 4);
	if (n)
		serialize(m, f, v, n);
}

void
unserialize_aligned_vector(serialize_main_t *m, va_list *va)
{
	void **v = va_arg(*va, void **);
	u32 elt_bytes = va_arg(*va, u32), header_bytes = va_arg(*va, u32);
	u32 align = va_arg(*va, u32), n;
	serialize_function_t *f = va_arg(*va, serialize_function_t *);

	unserialize_integer(m, &n, 4);
	*v = 0;
	if (!n)
		return;
	if (is_beyond_end(m, n))
		return;
	*v = _vec_new(n, elt_bytes, header_bytes, clib_max(align, (u32)VEC_MIN_ALIGN), 0);
	if (!*v)
		serialize_error_return(m, "no memory for a vector of %u", n);
	else
		unserialize(m, f, *v, n);
}

void
serialize_pool(serialize_main_t *m, va_list *va)
{
	u8 *pool = va_arg(*va, u8 *);
	uword elt_bytes = va_arg(*va, u32);
	serialize_function_t *f = va_arg(*va, serialize_function_t *);
	u32 n = vec_len(pool), *i;

	serialize_integer(m, n, 4);
	if (!n)
		return;
	serialize_integer(m, vec_len(pool_header(pool)->free_indices), 4);
	vec_foreach (i, pool_header(pool)->free_indices)
		serialize_likely_small_unsigned_integer(m, *i);
	for (u32 k = 0; k < n && !m->header.error; k++) {
		if (!pool_is_free_index(pool, k))
			serialize(m, f, pool + k * elt_bytes, 1);
	}
}

/* Indices are below the length, and none comes twice. */
static int
read_free_indices(serialize_main_t *m, u32 n_elts, u32 n_free, u32 **free_indices)
{
	uword *seen = 0;

	for (u32 k = 0; k < n_free && !m->header.error; k++) {
		u64 i = unserialize_likely_small_unsigned_integer(m);

		if (m->header.error)
			break;
		if (i >= n_elts || clib_bitmap_get(seen, i))
			serialize_error_return(m, "a pool's free index is wrong: %Lu of %u", i,
					       n_elts);
		seen = clib_bitmap_set(seen, i, 1);
		if (!clib_bitmap_get(seen, i) || vec_add1(*free_indices, (u32)i))
			serialize_error_return(m, "no memory for a pool");
	}
	clib_bitmap_free(seen);
	return m->header.error != 0;
}

u32
_unserialize_pool_shape(serialize_main_t *m, u32 **free_indices)
{
	u32 n, n_free;

	*free_indices = 0;
	unserialize_integer(m, &n, 4);
	if (!n || is_beyond_end(m, n))
		return 0;
	unserialize_integer(m, &n_free, 4);
	if (!m->header.error && n_free > n)
		serialize_error_return(m, "a pool of %u has %u free indices", n, n_free);
	if (m->header.error || read_free_indices(m, n, n_free, free_indices))
		return 0;
	return n;
}

void
serialize_bitmap(serialize_main_t *m, va_list *va)
{
	uword *b = va_arg(*va, uword *);
	u32 n = vec_len(b);

	serialize_integer(m, n, 4);
	for (u32 i = 0; i < n; i++)
		serialize_integer(m, b[i], 8);
}

uword *
unserialize_bitmap(serialize_main_t *m)
{
	uword *b = 0, x;
	u32 n;

	unserialize_integer(m, &n, 4);
	for (u32 i = 0; i < n && !m->header.error; i++) {
		unserialize_integer(m, &x, 8);
		if (!m->header.error && vec_add1(b, x))
			serialize_error_return(m, "no memory for a bitmap");
	}
	if (m->header.error)
		vec_free(b);
	return b;
}

void
serialize_cstring(serialize_main_t *m, char *string)
{
	u32 n = string ? (u32)strlen(string) + 1 : 0;
	void *p;

	/* 0: no string; else its bytes and the NUL. */
	serialize_likely_small_unsigned_integer(m, n);
	if (n > 1 && (p = serialize_get(m, n - 1)))
		memcpy(p, string, n - 1);
}

void
unserialize_cstring(serialize_main_t *m, char **string)
{
	u64 n = unserialize_likely_small_unsigned_integer(m);
	const void *p = 0;

	*string = 0;
	if (!n)
		return;
	if (n > 1)
		p = unserialize_get(m, n - 1);
	if (m->header.error)
		return;
	*string = vec_new(char, n);
	if (!*string)
		serialize_error_return(m, "no memory for a string");
	else if (n > 1)
		memcpy(*string, p, n - 1);
}

void
serialize_magic(serialize_main_t *m, void *magic, u32 n_bytes)
{
	void *p;

	serialize_integer(m, n_bytes, 4);
	p = serialize_get(m, n_bytes);
	if (p)
		memcpy(p, magic, n_bytes);
}

void
unserialize_check_magic(serialize_main_t *m, void *magic, u32 n_bytes)
{
	const void *p = 0;
	u32 n;

	unserialize_integer(m, &n, 4);
	if (n == n_bytes)
		p = unserialize_get(m, n);
	if (!m->header.error && (n != n_bytes || memcmp(p, magic, n)))
		serialize_error_return(m, "bad magic number");
}
