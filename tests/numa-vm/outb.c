/* SPDX-License-Identifier: Apache-2.0 */
/* outb STATUS: end the emulated machine.  Its debug exit port makes the emulator end with
 * 2 * STATUS + 1.  Static: it runs where there is no library yet, or none any more. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

#define EXIT_PORT 0xf4

int
main(int argc, char **argv)
{
	if (argc != 2 || ioperm(EXIT_PORT, 1, 1)) {
		perror("outb");
		return 1;
	}
	outb((unsigned char)atoi(argv[1]), EXIT_PORT);
	return 0;
}
