/* SPDX-License-Identifier: Apache-2.0 */
/* Another process in a zone: allocates a block without mapping it, says so, waits to be killed.
 *   zone_user ZONE BLOCK BYTES */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <vppinfra/mmz.h>

int
main(int argc, char **argv)
{
	mmz_t *zone;
	mmz_id_t id;
	int rv = argc == 4 ? mmz_open(argv[1], &zone) : -EINVAL;

	if (!rv)
		rv = mmz_alloc(zone, argv[2], strtoul(argv[3], NULL, 0), 0, &id);
	printf("%d\n", rv);
	fflush(stdout);
	pause();
	return 1;
}
