/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses in words.  For control threads: a symbolizer may read files and take locks. */
#include <vppinfra/backtrace.h>

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <vppinfra/format.h>

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the dynamic linker knows: the nearest exported symbol below. */
static void
symbolize_by_dladdr(uword address, clib_symbol_t *symbol)
{
	Dl_info info;

	if (!dladdr((void *)(address - 1), &info))
		return;
	if (info.dli_fname)
		snprintf(symbol->object, sizeof(symbol->object), "%s", base_name(info.dli_fname));
	if (info.dli_sname) {
		snprintf(symbol->function, sizeof(symbol->function), "%s", info.dli_sname);
		symbol->offset = address - (uword)info.dli_saddr;
	} else {
		symbol->offset = address - (uword)info.dli_fbase;
	}
}

static _Atomic(clib_symbolizer_t *) symbolizer = symbolize_by_dladdr;

void
clib_set_symbolizer(clib_symbolizer_t *fn)
{
	atomic_store_explicit(&symbolizer, fn ? fn : symbolize_by_dladdr, memory_order_relaxed);
}

void
clib_symbolize(uword address, clib_symbol_t *symbol)
{
	memset(symbol, 0, sizeof(*symbol));
	atomic_load_explicit(&symbolizer, memory_order_relaxed)(address, symbol);
}

/* Appends what is known; nothing when nothing is. */
static u8 *
add_symbol(u8 *s, const clib_symbol_t *symbol)
{
	if (symbol->object[0])
		s = format(s, "%s + 0x%wx", symbol->function[0] ? symbol->function : symbol->object,
			   symbol->offset);
	if (symbol->file[0])
		s = format(s, " (%s:%u)", symbol->file, symbol->line);
	return s;
}

u8 *
format_clib_symbol(u8 *s, va_list *va)
{
	uword address = va_arg(*va, uword), n_before = vec_len(s);
	clib_symbol_t symbol;

	clib_symbolize(address, &symbol);
	s = add_symbol(s, &symbol);
	return vec_len(s) > n_before ? s : format(s, "0x%wx", address);
}

u8 *
format_backtrace(u8 *s, va_list *va)
{
	const uword *callers = va_arg(*va, const uword *);
	int n_callers = va_arg(*va, int);
	u32 indent = format_get_indent(s);
	clib_symbol_t symbol;

	for (int i = 0; callers && i < n_callers; i++) {
		if (i > 0)
			s = format(s, "\n%U", format_white_space, indent);
		clib_symbolize(callers[i], &symbol);
		s = format(s, "0x%012wx%s", callers[i], symbol.object[0] ? " " : "");
		s = add_symbol(s, &symbol);
	}
	return s;
}
