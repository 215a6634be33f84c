/* SPDX-License-Identifier: Apache-2.0 */
/* VA to PA through /proc/self/pagemap: 64 bits for each page of the system's size, whatever the
 * size of the page that is really there. */
#include "vm_impl.h"

#include <fcntl.h>
#include <unistd.h>

#define PAGEMAP_IS_PRESENT (1ULL << 63)
#define PAGEMAP_PFN_MASK ((1ULL << 55) - 1)

/* Opened once; the file shows the address space that opened it, so a forked child opens its own.
 * Both are under the lock, as is the read between them. */
static pthread_mutex_t pagemap_lock = PTHREAD_MUTEX_INITIALIZER;
static int pagemap_fd = -1;
static pid_t pagemap_pid;

static int
read_entry(uword va, u64 *entry)
{
	pid_t pid = getpid();
	ssize_t n = -1;

	pthread_mutex_lock(&pagemap_lock);
	if (pagemap_pid != pid) {
		if (pagemap_fd >= 0)
			close(pagemap_fd);
		pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		pagemap_pid = pid;
	}
	if (pagemap_fd >= 0)
		n = pread(pagemap_fd, entry, sizeof(*entry),
			  (off_t)(va / vm_system_page_bytes() * sizeof(*entry)));
	pthread_mutex_unlock(&pagemap_lock);
	if (n == sizeof(*entry))
		return 0;
	/* Past the end of the address space there is no entry to read. */
	return n == 0 ? -ENOENT : -EPERM;
}

int
vm_va_to_pa(const void *va, u64 *pa)
{
	uword a = pointer_to_uword(va), page_bytes = vm_system_page_bytes();
	u64 entry;
	int rv = read_entry(a, &entry);

	if (rv)
		return rv;
	if (!(entry & PAGEMAP_IS_PRESENT))
		return -ENOENT;
	/* Without CAP_SYS_ADMIN the number is blanked; page 0 is never given to a process. */
	if (!(entry & PAGEMAP_PFN_MASK))
		return -EPERM;
	*pa = (entry & PAGEMAP_PFN_MASK) * page_bytes + a % page_bytes;
	return 0;
}
