/* SPDX-License-Identifier: Apache-2.0 */
/* The address arithmetic, apart from any heap so that it can be checked against the source's
 * own numbers. */
#include <vppinfra/mheap.h>

mheap_layout_t
mheap_layout(uword base, uword size, uword header_bytes, uword page_bytes)
{
	mheap_layout_t layout;
	uword vector = round_pow2(base, page_bytes);

	/* The header does not fit below this page boundary: the next one, and so on. */
	while (vector - base < header_bytes)
		vector += page_bytes;
	layout.vector = vector;
	layout.header = vector - header_bytes;
	layout.size = vector - base < size ? size - (vector - base) : 0;
	return layout;
}
