/* SPDX-License-Identifier: Apache-2.0 */
/* clib_symbolize() by libbacktrace, which maps its memory itself and keeps it. */
#include <cli/symbolize.h>

#include <vppinfra/backtrace.h>

#if VMHEAP_HAVE_LIBBACKTRACE

#	ifdef VMHEAP_BACKTRACE_H
#		include VMHEAP_BACKTRACE_H
#	else
#		include <backtrace.h>
#	endif
#	include <dlfcn.h>
#	include <stdio.h>
#	include <string.h>

static struct backtrace_state *state;

/* Objects without debug information are no error. */
static void
ignore_error(void *data, const char *what, int error)
{
}

/* What the compiler was told begins with the folder of the build: not of interest. */
static const char *
source_path(const char *file)
{
	const char *p = file, *at;

	while ((at = strstr(p, "../")) != NULL)
		p = at + 3;
	return p;
}

/* Called for an inlined function first and for the function it was inlined into last: the line of
 * that one is the line that goes with its name. */
static int
take_line(void *data, uintptr_t pc, const char *file, int line, const char *function)
{
	clib_symbol_t *symbol = data;

	if (!file)
		return 0;
	snprintf(symbol->file, sizeof(symbol->file), "%s", source_path(file));
	symbol->line = (u32)line;
	if (function)
		snprintf(symbol->function, sizeof(symbol->function), "%s", function);
	return 0;
}

static void
take_function(void *data, uintptr_t pc, const char *name, uintptr_t start, uintptr_t n_bytes)
{
	clib_symbol_t *symbol = data;

	if (!name)
		return;
	snprintf(symbol->function, sizeof(symbol->function), "%s", name);
	symbol->offset = pc + 1 - start;
}

static void
symbolize(uword address, clib_symbol_t *symbol)
{
	const char *slash;
	Dl_info info;

	if (!state)
		state = backtrace_create_state(NULL, 0, ignore_error, NULL);
	if (dladdr((void *)(address - 1), &info) && info.dli_fname) {
		slash = strrchr(info.dli_fname, '/');
		snprintf(symbol->object, sizeof(symbol->object), "%s",
			 slash ? slash + 1 : info.dli_fname);
		symbol->offset = address - (uword)info.dli_fbase;
		if (info.dli_sname) {
			snprintf(symbol->function, sizeof(symbol->function), "%s", info.dli_sname);
			symbol->offset = address - (uword)info.dli_saddr;
		}
	}
	if (!state)
		return;
	backtrace_pcinfo(state, address - 1, take_line, ignore_error, symbol);
	backtrace_syminfo(state, address - 1, take_function, ignore_error, symbol);
}

void
cli_symbolizer_install(void)
{
	clib_set_symbolizer(symbolize);
}

#else

void
cli_symbolizer_install(void)
{
	clib_set_symbolizer(NULL);
}

#endif
