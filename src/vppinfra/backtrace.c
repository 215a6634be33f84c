/* SPDX-License-Identifier: Apache-2.0 */
/* A stack by its frame pointers.
 *
 * Code built with -fno-omit-frame-pointer keeps, on x86-64 and aarch64 alike, a chain of records
 * { caller's record, return address }.  Other code uses that register as it likes, so a record is
 * read only where memory is known to be there:
 *   - on the thread's own stack, whose top is where the loader put the thread's static TLS (or, in
 *     the main thread, where the kernel put the arguments): pages from the first frame seen up to
 *     that top are asked about once, pages below when a deeper frame is first seen;
 *   - on any other stack (a coroutine's, a signal's) page by page.
 * The kernel answers without touching anything: rt_sigprocmask() reads the new set before it finds
 * that `how` is nonsense.  Nothing here allocates or locks. */
#include <vppinfra/backtrace.h>

#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096ul
/* Stacks are 2 to 8 MiB by default; what is farther from the stack's top is another stack. */
#define MAX_OWN_STACK_BYTES MiB(64)
/* A function with more locals than that ends the walk. */
#define MAX_FRAME_BYTES MiB(8)
/* No code lies in the first page. */
#define LOWEST_RETURN_ADDRESS PAGE_BYTES

typedef struct frame_record {
	const struct frame_record *caller;
	uword return_address;
} frame_record_t;

/* Of the calling thread's own stack: pages known to be readable, and the end of the last. */
static __thread struct {
	uword lo, hi;
} own_stack __attribute__((tls_model("initial-exec")));

/* glibc: where the main thread's stack began. */
extern void *__libc_stack_end __attribute__((weak));

static int
page_is_readable(uword a)
{
	int saved = errno, is_readable;

	is_readable =
		syscall(SYS_rt_sigprocmask, ~0, a & ~(PAGE_BYTES - 1), NULL, sizeof(u64)) == 0 ||
		errno != EFAULT;
	errno = saved;
	return is_readable;
}

static int
pages_are_readable(uword lo, uword hi)
{
	for (; lo < hi; lo += PAGE_BYTES)
		if (!page_is_readable(lo))
			return 0;
	return 1;
}

/* Where the stack that `frame` is on ends, if it is the thread's own; 0 otherwise. */
static uword
own_stack_end(uword frame)
{
	uword page = frame & ~(PAGE_BYTES - 1), end = (uword)&own_stack;

	if (PREDICT_TRUE(frame >= own_stack.lo && frame < own_stack.hi))
		return own_stack.hi;
	if (own_stack.hi) {
		if (frame >= own_stack.hi || own_stack.lo - page > MAX_OWN_STACK_BYTES ||
		    !pages_are_readable(page, own_stack.lo))
			return 0;
		own_stack.lo = page;
		return own_stack.hi;
	}
	if (end < frame || end - frame > MAX_OWN_STACK_BYTES)
		end = &__libc_stack_end ? (uword)__libc_stack_end : 0;
	if (end < frame || end - frame > MAX_OWN_STACK_BYTES || !pages_are_readable(page, end))
		return 0;
	own_stack.lo = page;
	own_stack.hi = end;
	return end;
}

/* Pointer authentication signs return addresses on aarch64; a no-op where it does not. */
always_inline uword
plain_address(uword return_address)
{
#if defined(__aarch64__)
	register uword x30 __asm__("x30") = return_address;

	__asm__("hint #7" : "+r"(x30)); /* xpaclri */
	return x30;
#else
	return return_address;
#endif
}

/* Frame records are not variables: red zones of a sanitizer mean nothing here. */
__attribute__((no_sanitize("address"))) u32
clib_backtrace_from(const void *frame, uword *callers, u32 max_callers)
{
	uword fp = (uword)frame, end = own_stack_end(fp);
	uword readable_end = end ? end : (fp & ~(PAGE_BYTES - 1)) + PAGE_BYTES;
	u32 n = 0;

	while (n < max_callers) {
		const frame_record_t *record = (const frame_record_t *)fp;
		uword caller;

		if (PREDICT_FALSE(fp + sizeof(*record) > readable_end)) {
			if (end || !page_is_readable(fp) ||
			    !page_is_readable(fp + sizeof(*record) - 1))
				break;
			readable_end =
				((fp + sizeof(*record) - 1) & ~(PAGE_BYTES - 1)) + PAGE_BYTES;
		}
		if (record->return_address < LOWEST_RETURN_ADDRESS)
			break;
		callers[n++] = plain_address(record->return_address);
		caller = (uword)record->caller;
		/* Callers' frames lie above. */
		if (caller <= fp || caller - fp > MAX_FRAME_BYTES || caller % sizeof(uword))
			break;
		fp = caller;
	}
	return n;
}

/* Not inlined, so that the frame is this function's own. */
never_inline uword
clib_backtrace(uword *callers, uword max_callers, uword n_frames_to_skip)
{
	uword all[CLIB_BACKTRACE_MAX_CALLERS], n;

	n = clib_backtrace_from(__builtin_frame_address(0), all, ARRAY_LEN(all));
	n_frames_to_skip = clib_min(n_frames_to_skip, n);
	n = clib_min(n - n_frames_to_skip, max_callers);
	memcpy(callers, all + n_frames_to_skip, n * sizeof(callers[0]));
	return n;
}
