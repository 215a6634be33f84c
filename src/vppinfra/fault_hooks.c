/* SPDX-License-Identifier: Apache-2.0 */
/* What layers below the fault handler use of it: they name themselves, and print. */
#include <vppinfra/fault.h>

#include <stdarg.h>
#include <stdatomic.h>

static _Atomic(clib_fault_describer_t *) describers[CLIB_FAULT_MAX_DESCRIBERS];

/* ---- text ---- */

static uword
put_number(char *text, uword n_text, uword n, uword value, uword base)
{
	char digits[24];
	uword n_digits = 0;

	do {
		digits[n_digits++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n_digits && n + 1 < n_text)
		text[n++] = digits[--n_digits];
	return n;
}

static uword
put_string(char *text, uword n_text, uword n, const char *s)
{
	while (*s && n + 1 < n_text)
		text[n++] = *s++;
	return n;
}

void
clib_fault_print(char *text, uword n_text, const char *fmt, ...)
{
	uword n = strnlen(text, n_text);
	va_list va;

	va_start(va, fmt);
	for (; *fmt && n + 1 < n_text; fmt++) {
		if (*fmt != '%') {
			text[n++] = *fmt;
			continue;
		}
		fmt++;
		if (*fmt == 's')
			n = put_string(text, n_text, n, va_arg(va, const char *));
		else if (*fmt == 'd') {
			int d = va_arg(va, int);

			if (d < 0 && n + 1 < n_text)
				text[n++] = '-';
			n = put_number(text, n_text, n, d < 0 ? -(uword)d : (uword)d, 10);
		} else if (*fmt == 'u')
			n = put_number(text, n_text, n, va_arg(va, u32), 10);
		else if (*fmt == 'l')
			n = put_number(text, n_text, n, va_arg(va, uword), *++fmt == 'x' ? 16 : 10);
	}
	va_end(va);
	if (n < n_text)
		text[n] = 0;
}

int
clib_fault_add_describer(clib_fault_describer_t *fn)
{
	for (u32 i = 0; i < CLIB_FAULT_MAX_DESCRIBERS; i++)
		if (atomic_load_explicit(&describers[i], memory_order_relaxed) == fn)
			return -EEXIST;
	for (u32 i = 0; i < CLIB_FAULT_MAX_DESCRIBERS; i++) {
		clib_fault_describer_t *none = NULL;

		if (atomic_compare_exchange_strong_explicit(
			    &describers[i], &none, fn, memory_order_relaxed, memory_order_relaxed))
			return 0;
	}
	return -ENOSPC;
}

int
clib_fault_remove_describer(clib_fault_describer_t *fn)
{
	for (u32 i = 0; i < CLIB_FAULT_MAX_DESCRIBERS; i++) {
		clib_fault_describer_t *found = fn;

		if (atomic_compare_exchange_strong_explicit(&describers[i], &found, NULL,
							    memory_order_relaxed,
							    memory_order_relaxed))
			return 0;
	}
	return -ENOENT;
}

void
clib_fault_describe(clib_fault_t *fault)
{
	for (u32 i = 0; i < CLIB_FAULT_MAX_DESCRIBERS; i++) {
		clib_fault_describer_t *fn =
			atomic_load_explicit(&describers[i], memory_order_relaxed);

		if (fn)
			fn(fault);
	}
}
