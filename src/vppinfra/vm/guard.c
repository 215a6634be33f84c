/* SPDX-License-Identifier: Apache-2.0 */
/* One key for everything: processes have 15.  The register that says what a thread may do with each
 * key (PKRU) has two bits a key: no access, and no writing. */
#include <vppinfra/vm_guard.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PKEY_DISABLE_WRITE
#	define PKEY_DISABLE_WRITE 2
#endif

#define NO_ACCESS 1u
#define NO_WRITE 2u

static _Atomic int key;

int
vm_guard_key(void)
{
	return atomic_load_explicit(&key, memory_order_relaxed);
}

#if defined(__x86_64__)

/* By their bytes: the compiler's functions for them need a flag of their own. */
static u32
read_rights(void)
{
	u32 rights, high;

	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(rights), "=d"(high) : "c"(0) : "memory");
	return rights;
}

/* No store moves across it, nor any load. */
static void
write_rights(u32 rights)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(rights), "c"(0), "d"(0) : "memory");
}

static int
take_key(const char **why)
{
	int k = (int)syscall(SYS_pkey_alloc, 0, PKEY_DISABLE_WRITE);

	if (k > 0)
		return k;
	*why = errno == ENOSPC ? "the process has used all of its protection keys, or the "
				 "processor has none (flag pku in /proc/cpuinfo)"
			       : "the kernel offers no protection keys";
	return errno == ENOSPC ? -ENOSPC : -ENOTSUP;
}

/* The kernel says the same of a processor without keys and of a process that has used them up. */
static int
has_keys(void)
{
	u32 a = 7, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c >> 4 & 1; /* OSPKE: there are keys, and the kernel has switched them on */
}

#else

static u32
read_rights(void)
{
	return 0;
}

static void
write_rights(u32 CLIB_UNUSED(rights))
{
}

static int
take_key(const char **CLIB_UNUSED(why))
{
	return -ENOTSUP;
}

static int
has_keys(void)
{
	return 0;
}

#endif

int
vm_guard_enable(const char **why)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const char *reason = "";
	int rv = 0;

	pthread_mutex_lock(&lock);
	if (!vm_guard_key()) {
		if (has_keys()) {
			rv = take_key(&reason);
		} else {
			reason = "the processor has no protection keys, or the kernel does not use "
				 "them (flag ospke in /proc/cpuinfo)";
			rv = -ENOTSUP;
		}
		if (rv > 0) {
			atomic_store_explicit(&key, rv, memory_order_relaxed);
			rv = 0;
		}
	}
	pthread_mutex_unlock(&lock);
	if (why && rv)
		*why = reason;
	return rv;
}

u32
vm_guard_open(void)
{
	int k = vm_guard_key();
	u32 before;

	if (PREDICT_TRUE(!k))
		return 0;
	before = read_rights();
	write_rights(before & ~((NO_ACCESS | NO_WRITE) << 2 * k));
	return before;
}

void
vm_guard_close(u32 before)
{
	int k = vm_guard_key();

	/* Nothing was changed: it was off, or all was open before. */
	if (PREDICT_TRUE(!k || !before))
		return;
	/* A thread that could not even read may do so from its first call on. */
	if (before & NO_ACCESS << 2 * k)
		before = (before & ~(NO_ACCESS << 2 * k)) | NO_WRITE << 2 * k;
	write_rights(before);
}

int
vm_guard_protect(void *start, uword n_bytes)
{
	int k = vm_guard_key();

	if (!k)
		return 0;
	return syscall(SYS_pkey_mprotect, start, n_bytes, PROT_READ | PROT_WRITE, k) ? -ENOMEM : 0;
}

void
vm_guard_unprotect(void *start, uword n_bytes)
{
	if (vm_guard_key())
		syscall(SYS_pkey_mprotect, start, n_bytes, PROT_READ | PROT_WRITE, 0);
}
