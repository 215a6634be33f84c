/* SPDX-License-Identifier: Apache-2.0 */
/* No stdio, no lock, no malloc, no plain load from a place that may be damaged. */
#include <vppinfra/fault.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <ucontext.h>
#include <unistd.h>
#include <vppinfra/mheap.h>
#include <vppinfra/vm.h>
#include <vppinfra/vm_guard.h>

#ifndef SEGV_PKUERR
#	define SEGV_PKUERR 4
#endif

/* x86's exception of an address that is none: it comes without the address. */
#define TRAP_GENERAL_PROTECTION 13

/* A stack that is used up faults this close to its pointer: a frame and what it calls. */
#define NEAR_STACK_BYTES KiB(64)

static struct {
	/* Only install and uninstall write them; one thread at a time. */
	struct sigaction old_segv, old_bus;
	atomic_int is_installed;
	/* A thread is reporting. */
	atomic_flag is_busy;
} fault_main = { .is_busy = ATOMIC_FLAG_INIT };

const char *
clib_fault_cause_name(clib_fault_cause_t cause)
{
	static const char *names[] = {
		[CLIB_FAULT_OUTSIDE] = "outside",
		[CLIB_FAULT_RIGHTS] = "rights",
		[CLIB_FAULT_NOT_COMMITTED] = "not committed",
		[CLIB_FAULT_NO_PAGE] = "no page",
		[CLIB_FAULT_COPY_ON_WRITE] = "copy on write",
		[CLIB_FAULT_NOT_ATTACHED] = "not attached",
		[CLIB_FAULT_KEY] = "key",
	};

	return (uword)cause < ARRAY_LEN(names) && names[cause] ? names[cause] : "unknown";
}

#define say(fault, ...) clib_fault_print((fault)->text, sizeof((fault)->text), __VA_ARGS__)

/* ---- what it was ---- */

/* Whether a page is there, by pagemap: bit 63 of the entry. */
static int
page_is_present(uword address)
{
	u64 entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = pread(fd, &entry, sizeof(entry),
		  (off_t)(address / (uword)sysconf(_SC_PAGESIZE) * sizeof(entry)));
	close(fd);
	return n == sizeof(entry) && entry >> 63;
}

static clib_fault_cause_t
cause_of(const siginfo_t *info, int is_in_range, int is_committed)
{
	uword address = pointer_to_uword(info->si_addr);

	if (info->si_signo == SIGBUS)
		return page_is_present(address) ? CLIB_FAULT_COPY_ON_WRITE : CLIB_FAULT_NO_PAGE;
	if (info->si_code == SEGV_PKUERR)
		return CLIB_FAULT_KEY;
	if (is_in_range && !is_committed)
		return CLIB_FAULT_NOT_COMMITTED;
	return info->si_code == SEGV_ACCERR ? CLIB_FAULT_RIGHTS : CLIB_FAULT_OUTSIDE;
}

#if defined(__x86_64__)
static int
is_canonical(u64 address)
{
	i64 high = (i64)address >> 47;

	return high == 0 || high == -1;
}

/* Which register it was nobody tells; those that hold no address are few. */
static void
say_registers(clib_fault_t *f, const ucontext_t *uc)
{
	static const struct {
		const char *name;
		int index;
	} registers[] = {
		{ "rax", REG_RAX }, { "rbx", REG_RBX }, { "rcx", REG_RCX }, { "rdx", REG_RDX },
		{ "rsi", REG_RSI }, { "rdi", REG_RDI }, { "rbp", REG_RBP }, { "rsp", REG_RSP },
		{ "r8", REG_R8 },   { "r9", REG_R9 },   { "r10", REG_R10 }, { "r11", REG_R11 },
		{ "r12", REG_R12 }, { "r13", REG_R13 }, { "r14", REG_R14 }, { "r15", REG_R15 },
	};

	for (u32 i = 0; i < ARRAY_LEN(registers); i++) {
		u64 value = (u64)uc->uc_mcontext.gregs[registers[i].index];

		if (!is_canonical(value))
			say(f, ", %s is 0x%lx", registers[i].name, value);
	}
}
#endif

/* The processor refused an address without naming it.  Value: whether it was that. */
static int
say_no_address(clib_fault_t *f, const void *context)
{
#if defined(__x86_64__)
	const ucontext_t *uc = context;

	if (f->signal != SIGSEGV || !uc ||
	    uc->uc_mcontext.gregs[REG_TRAPNO] != TRAP_GENERAL_PROTECTION)
		return 0;
	say(f,
	    "vmheap: SIGSEGV by the instruction at 0x%lx: %s: the address cannot be one (or the "
	    "instruction is not for programs), so the processor does not name it",
	    f->instruction, clib_fault_cause_name(f->cause));
	say_registers(f, uc);
	say(f, "\n");
	return 1;
#else
	return 0;
#endif
}

static int
is_near_stack_pointer(const clib_fault_t *f, const void *context)
{
#if defined(__x86_64__)
	if (context)
		return f->address + NEAR_STACK_BYTES -
			       (uword)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP] <
		       2 * NEAR_STACK_BYTES;
#elif defined(__aarch64__)
	if (context)
		return f->address + NEAR_STACK_BYTES -
			       ((const ucontext_t *)context)->uc_mcontext.sp <
		       2 * NEAR_STACK_BYTES;
#endif
	return 0;
}

static void
say_cause(clib_fault_t *f, const siginfo_t *info, int is_in_range)
{
	switch (f->cause) {
	case CLIB_FAULT_OUTSIDE:
		if (is_in_range)
			say(f, ": private pages of the process that forked this one, which does "
			       "not inherit them, or somebody unmapped them");
		else
			say(f, ": no mapping of this process holds it%s",
			    f->address < KiB(64) ? " (a NULL pointer and an offset?)" : "");
		break;
	case CLIB_FAULT_RIGHTS:
		say(f, ": it is mapped, but not for this kind of access");
		break;
	case CLIB_FAULT_NOT_COMMITTED:
		say(f, ": address space only, no page was committed there, or it was given back");
		break;
	case CLIB_FAULT_NO_PAGE:
		say(f, ": the mapping promises a page that cannot be had: no huge page is free, "
		       "or the file is shorter");
		break;
	case CLIB_FAULT_COPY_ON_WRITE:
		say(f, ": the page is shared and no page is free for a private copy");
		break;
	case CLIB_FAULT_NOT_ATTACHED:
		say(f, ": another process grew it, and this one has not attached that part yet");
		break;
	case CLIB_FAULT_KEY:
#ifdef si_pkey
		say(f, ": protection key %d forbids it", (int)info->si_pkey);
#else
		say(f, ": a protection key forbids it");
#endif
		break;
	}
}

static void
say_heap(clib_fault_t *f)
{
	const u8 *v = mheap_of_address(uword_to_pointer(f->address, void *));
	mheap_nearest_t near = { 0 };
	uword uo;
	int rv;

	if (!v)
		return;
	uo = f->address - pointer_to_uword(v);
	rv = mheap_nearest(v, uo, &near);
	say(f, "vmheap:   heap '%s', offset 0x%lx: ", mheap_header(v)->name, uo);
	if (rv == -ENOENT)
		say(f, "the heap is empty\n");
	else if (rv)
		say(f, "its elements cannot be read (error %d)\n", -rv);
	else if (near.is_past_end)
		say(f, "%lu bytes past its last element, which is %s, %lu bytes at offset 0x%lx\n",
		    uo - near.uoffset - near.n_bytes, near.is_free ? "free" : "in use",
		    near.n_bytes, near.uoffset);
	else if (uo < near.uoffset)
		say(f, "in the header of an element %s, %lu bytes at offset 0x%lx\n",
		    near.is_free ? "that is free" : "in use", near.n_bytes, near.uoffset);
	else
		say(f, "byte %lu of an element %s, %lu bytes at offset 0x%lx\n", uo - near.uoffset,
		    near.is_free ? "that is free" : "in use", near.n_bytes, near.uoffset);
}

static void
set_access(clib_fault_t *f, const void *context)
{
	f->is_write = -1;
#if defined(__x86_64__)
	if (context) {
		const ucontext_t *uc = context;

		/* Bit 1 of the page-fault error code. */
		f->is_write = uc->uc_mcontext.gregs[REG_ERR] >> 1 & 1;
		f->instruction = (uword)uc->uc_mcontext.gregs[REG_RIP];
	}
#elif defined(__aarch64__)
	if (context)
		f->instruction = ((const ucontext_t *)context)->uc_mcontext.pc;
#endif
}

void
clib_fault_inspect(const siginfo_t *info, const void *context, clib_fault_t *f)
{
	int is_committed = 0, is_in_range, layer_knows;
	vm_range_info_t range;
	clib_fault_cause_t cause;
	clib_fault_t notes;

	memset(f, 0, sizeof(*f));
	f->signal = info->si_signo;
	f->code = info->si_code;
	f->address = pointer_to_uword(info->si_addr);
	set_access(f, context);
	is_in_range = !vm_peek(info->si_addr, &range, &is_committed);
	cause = f->cause = cause_of(info, is_in_range, is_committed);

	/* Describers first: they may know the cause better. */
	notes = *f;
	clib_fault_describe(&notes);
	f->cause = notes.cause;
	layer_knows = f->cause != cause;

	if (say_no_address(f, context))
		return;
	say(f, "vmheap: %s: %s 0x%lx", f->signal == SIGBUS ? "SIGBUS" : "SIGSEGV",
	    f->instruction == f->address ? "jump to"
	    : f->is_write < 0            ? "access to"
	    : f->is_write                ? "write to"
					 : "read of",
	    f->address);
	if (f->instruction)
		say(f, " by the instruction at 0x%lx", f->instruction);
	say(f, ": %s", clib_fault_cause_name(f->cause));
	say_cause(f, info, is_in_range && !layer_knows);
	if (!is_in_range && is_near_stack_pointer(f, context))
		say(f, " (beside the stack pointer: is the stack used up?)");
	say(f, "\n");
	if (is_in_range)
		say(f, "vmheap:   range '%s', offset 0x%lx of 0x%lx, pages of 0x%lx bytes\n",
		    range.name, f->address - range.base, range.reserve_bytes,
		    1ul << range.log2_page_size);
	say_heap(f);
	say(f, "%s", notes.text);
}

/* ---- the handler ---- */

static void
give_back(void)
{
	sigaction(SIGSEGV, &fault_main.old_segv, NULL);
	sigaction(SIGBUS, &fault_main.old_bus, NULL);
	atomic_store_explicit(&fault_main.is_installed, 0, memory_order_relaxed);
}

static void
handle(int CLIB_UNUSED(signo), siginfo_t *info, void *context)
{
	int saved_errno = errno;
	/* The kernel takes all rights from a handler, also that of reading what is guarded. */
	u32 guard = vm_guard_open();
	clib_fault_t fault;

	/* Sent by somebody, not by the processor: nothing of ours to tell.  The handlers before us
	 * get it by the signal being sent again. */
	if (info->si_code <= 0) {
		vm_guard_close(guard);
		give_back();
		raise(info->si_signo);
		errno = saved_errno;
		return;
	}
	if (!atomic_flag_test_and_set_explicit(&fault_main.is_busy, memory_order_relaxed)) {
		clib_fault_inspect(info, context, &fault);
		if (write(STDERR_FILENO, fault.text, strlen(fault.text)) < 0) {
			/* Nobody to tell. */
		}
		give_back();
		atomic_flag_clear_explicit(&fault_main.is_busy, memory_order_relaxed);
	}
	vm_guard_close(guard);
	errno = saved_errno;
}

int
clib_fault_install(void)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (atomic_exchange_explicit(&fault_main.is_installed, 1, memory_order_relaxed))
		return -EALREADY;
	/* Both: a fault inside the report, of either kind, ends the process.  Taken as a second
	 * thread's it would be left alone, and met again for ever. */
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGSEGV);
	sigaddset(&action.sa_mask, SIGBUS);
	if (sigaction(SIGSEGV, &action, &fault_main.old_segv) ||
	    sigaction(SIGBUS, &action, &fault_main.old_bus)) {
		atomic_store_explicit(&fault_main.is_installed, 0, memory_order_relaxed);
		return -errno;
	}
	return 0;
}

static int
is_ours(int signo)
{
	struct sigaction now;

	return !sigaction(signo, NULL, &now) && now.sa_flags & SA_SIGINFO &&
	       now.sa_sigaction == handle;
}

int
clib_fault_uninstall(void)
{
	if (!atomic_load_explicit(&fault_main.is_installed, memory_order_relaxed))
		return -ENOENT;
	if (!is_ours(SIGSEGV) || !is_ours(SIGBUS))
		return -EBUSY;
	give_back();
	return 0;
}
