/* SPDX-License-Identifier: Apache-2.0 */
/* The command line is a library of its own, vmheap_company.so: a program that does not ask for it
 * is not burdened with libevent and jansson. */
#include "driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void (*stop)(void);

/* Where it is, seen from the driver: installed, or in a build. */
static const char *const places[] = { "vmheap/vmheap_company.so", "../../cli/vmheap_company.so" };

static void *
load(char *what, uword n_what)
{
	char path[1024];
	Dl_info self;
	int n_folder;

	if (!dladdr((void *)load, &self) || !self.dli_fname)
		return NULL;
	n_folder = (int)(strrchr(self.dli_fname, '/')
				 ? strrchr(self.dli_fname, '/') - self.dli_fname + 1
				 : 0);
	for (u32 i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof(path), "%.*s%s", n_folder, self.dli_fname, places[i]);
		if (!access(path, R_OK)) {
			void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

			if (!handle)
				snprintf(what, n_what, "%s", dlerror());
			return handle;
		}
	}
	snprintf(what, n_what,
		 "no vmheap_company.so in %.*svmheap/, where it is installed with the driver",
		 n_folder, self.dli_fname);
	return NULL;
}

int
driver_company_start(const char *path, char *what, uword n_what)
{
	int (*start)(const char *path, char *what, uword n_what);
	void *handle;

	/* The library would bring a second copy of the pools. */
	if (DRIVER_IS_STATIC) {
		snprintf(what, n_what, "not in a statically linked program");
		return -ENOTSUP;
	}
	handle = load(what, n_what);
	if (!handle)
		return -ENOENT;
	start = (int (*)(const char *, char *, uword))dlsym(handle, "vmheap_company_start");
	stop = (void (*)(void))dlsym(handle, "vmheap_company_stop");
	if (!start || !stop) {
		snprintf(what, n_what, "%s", dlerror());
		stop = NULL;
		return -ENOENT;
	}
	return start(path, what, n_what);
}

void
driver_company_stop(void)
{
	if (stop)
		stop();
	stop = NULL;
}
