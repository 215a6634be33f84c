/* SPDX-License-Identifier: Apache-2.0 */
/* format: text into vectors, and text back into values.
 *
 *   s = format(s, "%-10v %U\n", name, format_memory_size, n_bytes);
 *
 * appends to the vector s (NULL is empty; there is no NUL at the end, "%c" with 0 adds one) and
 * returns it, as s may have moved.  A conversion is
 *
 *   %[- + =][0][width or *][. precision or *][l ll L w]conversion
 *
 *   -  left    +  right (the default)    =  centre, the odd blank on the left
 *   0  what is added on the left is zeros, in a number after its sign or 0x
 *   l long, ll and L long long, w machine word; without one an int
 *
 *   d u x X o   integers; the precision is the least number of digits
 *   c           character           p   pointer, 0x...
 *   s           C string, NULL is (nil)            S   the same, `_' printed as a blank
 *   v           vector of u8, NULL is empty        %.Ns %.NS %.Nv   at most N bytes
 *   f e g       f64, 6 digits after the point unless a precision says otherwise, as in C
 *   U           u8 *fn(u8 *s, va_list *va) and its arguments; the width is that of all it adds
 *   %           a percent sign
 *
 * The width is exact: longer text is cut from the right.  An unknown conversion replaces the
 * string by `**** CLIB unknown format ...' and ends it, since the arguments after it cannot be
 * told apart any more.  When memory ends the string stays as far as it got.
 *
 *   if (unformat(input, "size %U", unformat_memory_size, &n_bytes)) ...
 *
 * yields 1 and consumes, or yields 0 and leaves the input where it was (values parsed before the
 * point of failure have been stored all the same, as in scanf).
 *
 *   d           signed decimal           u x o b   unsigned, base 10, 16, 8, 2 (no 0x: `0x%x')
 *   D X         as d and x, with a size in bytes as an argument before the pointer
 *   l ll L w    before these: long, long long, machine word; without one an int
 *   f           f64
 *   s           a word into a new NUL-terminated vector: up to a blank or the character that
 *               follows the conversion; {...} nests and loses its outer braces; \ quotes.
 *               The pointer may be NULL: the word is skipped
 *   v           the same without the NUL
 *   U           uword fn(unformat_input_t *input, va_list *va) and its arguments
 *   =           stores a constant: (int *, int).  As the last conversion it takes a number that
 *               follows instead: with "verbose %=" `verbose 3' stores 3
 *   |           ORs a constant into an int: (int *, int)
 *   _           from here on blanks count (and, next time, do not)
 *   %           a percent sign
 *
 * Before each conversion and word blanks are skipped (but not by a format that begins with %_).  A
 * blank in the format matches any run of blanks.  A format that ends in a word matches whole words
 * only: "foo" does not match `food'. An integer that does not fit its type does not match; d takes
 * all that fits as signed or unsigned, so ~0 can be written 4294967295.
 *
 * Threads: any, each with its own vectors and inputs.  Memory: the current heap. */
#ifndef included_format_h
#define included_format_h

#include <stdarg.h>
#include <stdio.h>
#include <vppinfra/clib.h>
#include <vppinfra/vec.h>

/** What %U of format() calls: appends to s and returns it. */
typedef u8 *(format_function_t)(u8 *s, va_list *args);

/** Append to s.  @return s, which may have moved; NULL only if it was NULL and nothing was added */
CLIB_EXPORT u8 *format(u8 *s, const char *fmt, ...);
CLIB_EXPORT u8 *va_format(u8 *s, const char *fmt, va_list *va);

/** Write to a stream or descriptor.  @return bytes written; -errno when the write failed */
CLIB_EXPORT word fformat(FILE *f, const char *fmt, ...);
CLIB_EXPORT word va_fformat(FILE *f, const char *fmt, va_list *va);
CLIB_EXPORT word fdformat(int fd, const char *fmt, ...);

/** Column where the next byte of s will stand: bytes after its last newline. */
CLIB_EXPORT u32 format_get_indent(u8 *s);

/* ---- format functions; the arguments that %U takes are in the comment.  Those that print several
 * lines keep the column they began in. ---- */

/** (u32 n): n blanks. */
CLIB_EXPORT format_function_t format_white_space;
/** (u8 *bytes, int n_bytes): hex digits; above 32 bytes in lines of 32, each with its offset. */
CLIB_EXPORT format_function_t format_hex_bytes;
/** (u8 *bytes, int n_bytes): hex digits on one line, however many. */
CLIB_EXPORT format_function_t format_hex_bytes_no_wrap;
/** (u8 *bytes, int n_bytes): the bytes as they are. */
CLIB_EXPORT format_function_t format_ascii_bytes;
/** (u8 *data, uword n_bytes): lines of offset, 16 bytes in hex, and as text in brackets. */
CLIB_EXPORT format_function_t format_hexdump;
/** (u16, u32 or u64 *data, u32 n_elts): lines of offset and 16 bytes as such numbers. */
CLIB_EXPORT format_function_t format_hexdump_u16;
CLIB_EXPORT format_function_t format_hexdump_u32;
CLIB_EXPORT format_function_t format_hexdump_u64;
/** (uword *words, int n_words): bit numbers, then a line a word, the last first: 1 and `.'. */
CLIB_EXPORT format_function_t format_uword_bitmap;
/** (u32 *v, char *fmt): the elements of a vector, each by fmt, with commas between. */
CLIB_EXPORT format_function_t format_vec32;
/** (uword *v, char *fmt). */
CLIB_EXPORT format_function_t format_vec_uword;
/** (uword n_bytes): 512, 1.50k, 3m, 2g; units of 1024, decimals only where needed. */
CLIB_EXPORT format_function_t format_memory_size;
/** (u64 n): 999, 1.50K, 3.00M, 2.00G; units of 1000. */
CLIB_EXPORT format_function_t format_base10;
/** (int log2_bytes): 4K, 2M, 1G; unknown (0), default (1), default-hugepage (2). */
CLIB_EXPORT format_function_t format_log2_page_size;
/** (char *fmt, f64 seconds): d days; h hours, m minutes and s seconds below the unit above, two
 *  digits; f milliseconds and u microseconds of the second.  Other characters stand for
 *  themselves: "d:h:m:s:f". */
CLIB_EXPORT format_function_t format_time_interval;
/** (char *fmt, struct timeval *tv): local time to the nearest millisecond: y m d H M S, F
 *  milliseconds.  fmt NULL: "y/m/d H:M:S:F"; tv NULL: now. */
CLIB_EXPORT format_function_t format_timeval;
/** (char *fmt, f64 seconds since 1970): the same; 0 or less: now. */
CLIB_EXPORT format_function_t format_time_float;
/** (char *name): a C string or a vector of u8, with a blank for each `_'. */
CLIB_EXPORT format_function_t format_c_identifier;
/** (int family): INET, INET6, UNIX ... */
CLIB_EXPORT format_function_t format_address_family;
/** (int family, u8 *address): 10.0.0.1, ::1; AF_UNSPEC is ethernet, 02:fe:00:00:00:01. */
CLIB_EXPORT format_function_t format_network_address;
/** (struct sockaddr *): 10.0.0.1:80, [::1]:80, a path.  Ports are numbers always. */
CLIB_EXPORT format_function_t format_sockaddr;
/** (int number): SIGSEGV. */
CLIB_EXPORT format_function_t format_signal;
/** (ucontext_t *): the address at which a signal met the thread. */
CLIB_EXPORT format_function_t format_ucontext_pc;
/** (uword start, uword n_bytes): how many pages of that memory are on each NUMA node, and how many
 *  are not there; a line each. */
CLIB_EXPORT format_function_t format_page_map;
/** (uword *callers, int n_callers): a line each, address and, where known, symbol + offset and
 *  source line. */
CLIB_EXPORT format_function_t format_backtrace;
/** (uword address): a return address as symbol + 0x1f (file.c:12), as far as it is known. */
CLIB_EXPORT format_function_t format_clib_symbol;

/* ---- input ---- */

/** A place on the C stack that parsing may go back to. */
typedef struct unformat_mark {
	struct unformat_mark *outer;
	uword index;
} unformat_mark_t;

typedef struct _unformat_input_t {
	/** Text (vector), and the index of the next byte or UNFORMAT_END_OF_INPUT. */
	u8 *buffer;
	uword index;

	/** Innermost place that a running unformat() may go back to. */
	unformat_mark_t *buffer_marks;

	/** Called when the text is used up: appends to buffer and returns index, or returns
	 *  UNFORMAT_END_OF_INPUT.  NULL: there is no more. */
	uword (*fill_buffer)(struct _unformat_input_t *i);
	void *fill_buffer_arg;

	/** Why the text ended early or a word could not be kept: -ENOMEM, or what reading gave;
	 *  0 while all is well. */
	int error;
} unformat_input_t;

/** What %U of unformat() calls: 1 and the input consumed, or 0 (the input is put back). */
typedef uword(unformat_function_t)(unformat_input_t *input, va_list *args);

/** Where the next byte is when there is none; and what a fill function may return instead of the
 *  index of the text it appended. */
#define UNFORMAT_END_OF_INPUT (~(uword)0)
#define UNFORMAT_MORE_INPUT 0

/** @return 1 with the input consumed, 0 with the input where it was */
CLIB_EXPORT uword unformat(unformat_input_t *input, const char *fmt, ...);
CLIB_EXPORT uword va_unformat(unformat_input_t *input, const char *fmt, va_list *va);
/** Call one unformat function, as %U does but without skipping blanks. */
CLIB_EXPORT uword unformat_user(unformat_input_t *input, unformat_function_t *func, ...);

/* Starting an input.  Those that copy return 0, or -ENOMEM with an input that is at its end (and
 * says so in error). */
CLIB_EXPORT void unformat_init(unformat_input_t *i, uword (*fill_buffer)(unformat_input_t *),
			       void *fill_buffer_arg);
/** Copies n_bytes (which may hold NULs); 0 or less is an empty input. */
CLIB_EXPORT int unformat_init_string(unformat_input_t *input, const char *string, int n_bytes);
CLIB_EXPORT int unformat_init_cstring(unformat_input_t *input, const char *cstring);
/** Owns the vector from now on. */
CLIB_EXPORT void unformat_init_vector(unformat_input_t *input, u8 *vector);
/** argv[1] and on, blanks between. */
CLIB_EXPORT int unformat_init_command_line(unformat_input_t *input, char *argv[]);
/** @return 1, or 0 when the variable is not set (the input is then empty) */
CLIB_EXPORT uword unformat_init_unix_env(unformat_input_t *input, const char *variable);
/** Reads from fd as parsing goes; fd stays the caller's. */
CLIB_EXPORT void unformat_init_clib_file(unformat_input_t *input, int fd);
/** Frees what the input owns; it may be started anew. */
CLIB_EXPORT void unformat_free(unformat_input_t *i);

CLIB_EXPORT uword _unformat_fill_input(unformat_input_t *i);

/** Index of the next byte, UNFORMAT_END_OF_INPUT when there is none. */
always_inline uword
unformat_check_input(unformat_input_t *i)
{
	if (i->index >= vec_len64(i->buffer) && i->index != UNFORMAT_END_OF_INPUT)
		_unformat_fill_input(i);
	return i->index;
}

/** Whether there is no next byte. */
always_inline int
unformat_is_eof(unformat_input_t *input)
{
	return unformat_check_input(input) == UNFORMAT_END_OF_INPUT;
}

/** Take the next byte; UNFORMAT_END_OF_INPUT at the end. */
always_inline uword
unformat_get_input(unformat_input_t *input)
{
	uword i = unformat_check_input(input);

	if (i == UNFORMAT_END_OF_INPUT)
		return i;
	input->index = i + 1;
	return input->buffer[i];
}

/** Give back the byte just taken; the end of input needs no giving back. */
always_inline void
unformat_put_input(unformat_input_t *input)
{
	if (input->index != UNFORMAT_END_OF_INPUT && input->index > 0)
		input->index--;
}

/** The next byte, left where it is. */
always_inline uword
unformat_peek_input(unformat_input_t *input)
{
	uword i = unformat_check_input(input);

	return i == UNFORMAT_END_OF_INPUT ? i : input->buffer[i];
}

/** Blank, tab or line end; UNFORMAT_END_OF_INPUT is none. */
always_inline int
is_white_space(uword c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/** @return how many blanks, tabs and line ends were skipped */
CLIB_EXPORT uword unformat_skip_white_space(unformat_input_t *input);
/** Skip to the start of the next line. */
CLIB_EXPORT void unformat_skip_line(unformat_input_t *input);

/* ---- unformat functions; results through pointers as in the comment ---- */

/** (u8 **line): the rest of the line as a vector, its newline consumed; no match if empty. */
CLIB_EXPORT unformat_function_t unformat_line;
/** (unformat_input_t *line): the same as an input of its own, to be freed. */
CLIB_EXPORT unformat_function_t unformat_line_input;
/** (unformat_input_t *result): a word, or what stands in {...}, as an input, to be freed. */
CLIB_EXPORT unformat_function_t unformat_input;
/** (char *set, u8 **token): the longest run of bytes in the set as a vector; ranges as in
 *  "a-z0-9"; set NULL: "a-zA-Z0-9_". */
CLIB_EXPORT unformat_function_t unformat_token;
/** (): blanks up to the end of input. */
CLIB_EXPORT unformat_function_t unformat_eof;
/** (uword *n_bytes): decimal, then k, m, g or t in either case for powers of 1024. */
CLIB_EXPORT unformat_function_t unformat_memory_size;
/** (int *log2_bytes): 4K, 2M, 1G, any power of two; default (1), default-hugepage (2). */
CLIB_EXPORT unformat_function_t unformat_log2_page_size;
/** (u8 **bytes): hex digits, two a byte, into a new vector. */
CLIB_EXPORT unformat_function_t unformat_hex_string;
/** (u64 *n): decimal, then k, m or g in either case for powers of 1000. */
CLIB_EXPORT unformat_function_t unformat_base10;
/** (u64 *n_bytes): decimal, then K, M or G for powers of 1024, and perhaps a b. */
CLIB_EXPORT unformat_function_t unformat_data_size;
/** (char *array, u32 n_bytes): a word that fits with its NUL; the rest of the array is zero. */
CLIB_EXPORT unformat_function_t unformat_c_string_array;
/** (u8 **string): what stands between quotes, as a NUL-terminated vector; \ quotes, and a blank or
 *  the end follows. */
CLIB_EXPORT unformat_function_t unformat_single_quoted_string;
CLIB_EXPORT unformat_function_t unformat_double_quoted_string;
/** (gid_t *): a number, or the name of a group of this system. */
CLIB_EXPORT unformat_function_t unformat_unix_gid;
/** (u8 *), (u16 *): decimal that fits. */
CLIB_EXPORT unformat_function_t unformat_u8;
CLIB_EXPORT unformat_function_t unformat_u16;

/** (unformat_input_t *): the next bytes, at most 30, for an error message; controls escaped. */
CLIB_EXPORT format_function_t format_unformat_error;
/** (unformat_input_t *): all that is left, for debugging. */
CLIB_EXPORT format_function_t format_unformat_input;

/** A clib_error_t that quotes the input where parsing stopped. */
#define unformat_parse_error(input)                                                                \
	clib_error_return(0, "parse error `%U'", format_unformat_error, input)

/* VPP's source has errors where it has format. */
#include <vppinfra/error.h>

#endif
