/* SPDX-License-Identifier: Apache-2.0 */
#include <plugins/framework/framework_impl.h>

#include <stdio.h>
#include <vppinfra/vec.h>

static vmheap_log_function_t *log_function;

void
vmheap_log_set_function(vmheap_log_function_t *fn)
{
	log_function = fn;
}

void
vmheap_log(const char *fmt, ...)
{
	u8 *line;
	va_list va;

	va_start(va, fmt);
	line = va_format(NULL, fmt, &va);
	va_end(va);
	line = format(line, "%c", 0);
	if (log_function)
		log_function(line ? (char *)line : "out of memory while logging");
	else
		fprintf(stderr, "vmheap: %s\n",
			line ? (char *)line : "out of memory while logging");
	vec_free(line);
}
