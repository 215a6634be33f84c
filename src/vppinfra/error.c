/* SPDX-License-Identifier: Apache-2.0 */
/* An error must arrive even when there is no memory for its words: one static error, built as the
 * vector it pretends to be, stands in then.  It is shared and never changed. */
#include <vppinfra/error.h>

#include <pthread.h>
#include <stdlib.h>
#include <vppinfra/os.h>

#define OUT_OF_MEMORY "out of memory"

static struct {
	vec_header_t header;
	u8 text[sizeof(OUT_OF_MEMORY) - 1];
} out_of_memory_text = {
	.header = { .magic = VEC_HEADER_MAGIC,
		    .max_bytes = sizeof(OUT_OF_MEMORY) - 1,
		    .len = sizeof(OUT_OF_MEMORY) - 1 },
	.text = { 'o', 'u', 't', ' ', 'o', 'f', ' ', 'm', 'e', 'm', 'o', 'r', 'y' },
};

static struct {
	vec_header_t header;
	clib_error_t error;
} out_of_memory = {
	.header = { .magic = VEC_HEADER_MAGIC, .max_bytes = sizeof(clib_error_t), .len = 1 },
	.error = { .what = out_of_memory_text.text,
		   .flags = CLIB_ERROR_ERRNO_VALID,
		   .code = ENOMEM },
};

typedef struct {
	clib_error_handler_func_t *func;
	void *arg;
} handler_t;

/* Under handlers_lock; called on a copy, so a handler may register and unregister. */
static pthread_mutex_t handlers_lock = PTHREAD_MUTEX_INITIALIZER;
static handler_t handlers[CLIB_ERROR_MAX_HANDLERS];
static u32 n_handlers;

/* A handler that itself reports is answered on stderr, or it would call itself for ever. */
static __thread int in_handler;

static u8 *
add_errno_words(u8 *s, int code)
{
	char text[128];

	return format(s, "%s%s", vec_len64(s) ? ": " : "", strerror_r(code, text, sizeof(text)));
}

/* ---- errors that are returned ---- */

clib_error_t *
_clib_error_return(clib_error_t *errors, any code, uword flags, const char *where, const char *fmt,
		   ...)
{
	u8 *what = NULL;
	clib_error_t *e;
	va_list va;

	if (vec_add2(errors, e, 1))
		return errors ? errors : &out_of_memory.error;
	if (fmt) {
		va_start(va, fmt);
		what = va_format(NULL, fmt, &va);
		va_end(va);
	}
	if (flags & CLIB_ERROR_ERRNO_VALID)
		what = add_errno_words(what, (int)code);
	*e = (clib_error_t){
		.what = what, .where = (const u8 *)where, .flags = flags, .code = code
	};
	return errors;
}

clib_error_t *
clib_error_free_vector(clib_error_t *errors)
{
	clib_error_t *e;

	if (errors == &out_of_memory.error)
		return NULL;
	vec_foreach (e, errors)
		vec_free(e->what);
	vec_free(errors);
	return NULL;
}

any
clib_error_get_code(clib_error_t *errors)
{
	return errors ? errors[0].code : 0;
}

clib_error_t *
clib_error_set_code(clib_error_t *errors, any code)
{
	if (errors && errors != &out_of_memory.error)
		errors[0].code = code;
	return errors;
}

u8 *
format_clib_error(u8 *s, va_list *va)
{
	clib_error_t *errors = va_arg(*va, clib_error_t *), *e;

	vec_foreach (e, errors) {
		if (e > errors)
			s = format(s, "\nfrom ");
		if (e->where)
			s = format(s, vec_len64(e->what) ? "%s: " : "%s", e->where);
		s = format(s, "%v", e->what);
	}
	return s;
}

/* ---- messages ---- */

static void
to_handlers(u8 *msg, uword n)
{
	handler_t copy[CLIB_ERROR_MAX_HANDLERS];
	u32 n_copy;

	pthread_mutex_lock(&handlers_lock);
	n_copy = n_handlers;
	memcpy(copy, handlers, sizeof(copy));
	pthread_mutex_unlock(&handlers_lock);
	if (n_copy == 0 || in_handler) {
		os_puts(msg, n, 1);
		return;
	}
	in_handler = 1;
	for (u32 i = 0; i < n_copy; i++)
		copy[i].func(copy[i].arg, msg, (int)n);
	in_handler = 0;
}

/* Print msg, which is freed, with a newline at its end. */
static void
print(u8 *msg)
{
	static const char no_memory[] = "out of memory for an error message\n";
	u8 text[sizeof(no_memory)];

	if (vec_len64(msg) && msg[vec_len64(msg) - 1] != '\n' && vec_add1(msg, '\n'))
		msg[vec_len64(msg) - 1] = '\n';
	if (msg)
		to_handlers(msg, vec_len64(msg));
	else {
		memcpy(text, no_memory, sizeof(text));
		to_handlers(text, sizeof(text) - 1);
	}
	vec_free(msg);
}

static void
die(uword flags)
{
	if (flags & CLIB_ERROR_ABORT)
		os_panic();
	if (flags & CLIB_ERROR_FATAL)
		os_exit(1);
}

clib_error_t *
_clib_error_report(clib_error_t *errors)
{
	uword flags = 0;
	clib_error_t *e;

	if (!errors)
		return NULL;
	vec_foreach (e, errors)
		flags |= e->flags;
	print(format(NULL, "%U", format_clib_error, errors));
	die(flags);
	return clib_error_free_vector(errors);
}

void
_clib_error(int how_to_die, const char *function, uword line, const char *fmt, ...)
{
	int code = errno;
	u8 *msg = NULL, *what;
	va_list va;

	va_start(va, fmt);
	what = va_format(NULL, fmt, &va);
	va_end(va);
	if (how_to_die & CLIB_ERROR_ERRNO_VALID)
		what = format(add_errno_words(what, code), " (errno %d)", code);
	if (function)
		msg = line > 0 ? format(msg, "%s:%lu: ", function, line)
			       : format(msg, "%s: ", function);
	print(format(msg, "%v", what));
	vec_free(what);
	die((uword)how_to_die);
	errno = code;
}

static u32
find_handler(clib_error_handler_func_t *func, void *arg)
{
	u32 i = 0;

	while (i < n_handlers && !(handlers[i].func == func && handlers[i].arg == arg))
		i++;
	return i;
}

int
clib_error_register_handler(clib_error_handler_func_t *func, void *arg)
{
	int error = 0;

	pthread_mutex_lock(&handlers_lock);
	if (find_handler(func, arg) < n_handlers)
		error = -EEXIST;
	else if (n_handlers == CLIB_ERROR_MAX_HANDLERS)
		error = -ENOSPC;
	else
		handlers[n_handlers++] = (handler_t){ func, arg };
	pthread_mutex_unlock(&handlers_lock);
	return error;
}

int
clib_error_unregister_handler(clib_error_handler_func_t *func, void *arg)
{
	u32 i;
	int error = 0;

	pthread_mutex_lock(&handlers_lock);
	i = find_handler(func, arg);
	if (i == n_handlers)
		error = -ENOENT;
	else
		handlers[i] = handlers[--n_handlers];
	pthread_mutex_unlock(&handlers_lock);
	return error;
}
