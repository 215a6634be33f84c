/* SPDX-License-Identifier: Apache-2.0 */
/* Which element holds a place.  The heap may be damaged and the caller may be a signal handler, so
 * memory is read through process_vm_readv(), which answers EFAULT where a load would fault. */
#include <sys/uio.h>
#include <unistd.h>
#include "mheap_impl.h"

/* Headers of neighbouring small elements come in one read. */
#define WINDOW_BYTES 1024

typedef struct {
	const void *v;
	uword offset, n_bytes; /* of what is in bytes, from v */
	u8 bytes[WINDOW_BYTES];
} window_t;

static int
read_memory(const void *from, void *to, uword n_bytes)
{
	struct iovec local = { .iov_base = to, .iov_len = n_bytes };
	struct iovec remote = { .iov_base = (void *)from, .iov_len = n_bytes };
	ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	if (n == (ssize_t)n_bytes)
		return 0;
	return n < 0 && (errno == ENOSYS || errno == EPERM) ? -EPERM : -EFAULT;
}

/* The two header words of the element with its data at uo. */
static int
read_header(window_t *w, uword uo, uword len, u64 words[2])
{
	uword at = uo - MHEAP_ELT_OVERHEAD_BYTES, n;
	int rv;

	if (at < w->offset || at + 16 > w->offset + w->n_bytes) {
		/* Not past the end's header: what is behind it may not be mapped. */
		n = clib_min((uword)WINDOW_BYTES, len - at);
		rv = read_memory((const u8 *)w->v + at, w->bytes, n);
		if (rv == -EFAULT && n > 16) {
			n = 16;
			rv = read_memory((const u8 *)w->v + at, w->bytes, n);
		}
		if (rv)
			return rv;
		w->offset = at;
		w->n_bytes = n;
	}
	memcpy(words, w->bytes + (at - w->offset), 16);
	return 0;
}

int
mheap_nearest(const void *v, uword uo, mheap_nearest_t *nearest)
{
	window_t w = { .v = v };
	uword at = MHEAP_ELT_OVERHEAD_BYTES;
	vec_header_t header;
	int is_found = 0, rv;
	u64 words[2];

	rv = read_memory(_vec_find(v), &header, sizeof(header));
	if (rv)
		return rv == -EFAULT ? -EUCLEAN : rv;
	while (at <= header.len) {
		uword n_bytes;

		rv = read_header(&w, at, header.len, words);
		if (rv)
			return rv == -EFAULT ? -EUCLEAN : rv;
		if ((words[1] & HDR_N_MASK) == MHEAP_N_USER_DATA_INVALID) {
			if (at != header.len)
				return -EUCLEAN;
			nearest->is_past_end = 1;
			return is_found ? 0 : -ENOENT;
		}
		n_bytes = (words[1] & HDR_N_MASK) * MHEAP_USER_DATA_WORD_BYTES;
		if (n_bytes < MHEAP_MIN_USER_DATA_BYTES || n_bytes > header.len - at)
			return -EUCLEAN;
		*nearest = (mheap_nearest_t){ .uoffset = at,
					      .n_bytes = n_bytes,
					      .is_free = (words[1] & HDR_FREE) != 0 };
		is_found = 1;
		if (uo < at + n_bytes)
			return 0;
		at += n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	}
	return -EUCLEAN;
}
