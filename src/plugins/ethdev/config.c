/* SPDX-License-Identifier: Apache-2.0 */
/* dpdk { dev default { ... }  dev NAME { ... } }: the daemon has taken EAL's words out. */
#include "ethdev.h"

#define DEV_WORDS "dev default { ... } or dev NAME { ... }"
#define PARAM_WORDS "num-rx-queues N, num-tx-queues N, num-rx-desc N, num-tx-desc N, name NAME or }"

static clib_error_t *
check_count(const char *word, u32 n, u32 max)
{
	if (n >= 1 && n <= max)
		return NULL;
	return clib_error_return(0, "%s %u: at least 1, at most %u", word, n, max);
}

/* The words between { and }, on the same input so that an error's place is right. */
static clib_error_t *
parse_params(unformat_input_t *input, int is_default, ethdev_params_t *p)
{
	static const struct {
		const char *word, *format;
		u32 offset, max;
	} counts[] = {
		{ "num-rx-queues", "num-rx-queues %u", offsetof(ethdev_params_t, n_rx_queues),
		  RTE_MAX_QUEUES_PER_PORT },
		{ "num-tx-queues", "num-tx-queues %u", offsetof(ethdev_params_t, n_tx_queues),
		  RTE_MAX_QUEUES_PER_PORT },
		{ "num-rx-desc", "num-rx-desc %u", offsetof(ethdev_params_t, n_rx_desc), 32768 },
		{ "num-tx-desc", "num-tx-desc %u", offsetof(ethdev_params_t, n_tx_desc), 32768 },
	};

	while (!unformat(input, "}")) {
		clib_error_t *error;
		u32 i, n;

		for (i = 0; i < ARRAY_LEN(counts); i++) {
			if (!unformat(input, counts[i].format, &n))
				continue;
			if ((error = check_count(counts[i].word, n, counts[i].max)))
				return error;
			*(u16 *)((u8 *)p + counts[i].offset) = (u16)n;
			break;
		}
		if (i < ARRAY_LEN(counts))
			continue;
		if (!is_default && !p->name &&
		    unformat(input, "name %U", unformat_token, "a-zA-Z0-9_.:/-", &p->name)) {
			vec_add1(p->name, 0);
			if (vec_len(p->name) > RTE_ETH_NAME_MAX_LEN)
				return clib_error_return(0, "name %s: at most %u characters",
							 p->name, RTE_ETH_NAME_MAX_LEN - 1);
			continue;
		}
		return vmheap_config_unknown(input, PARAM_WORDS);
	}
	return NULL;
}

static clib_error_t *
ethdev_config(unformat_input_t *input)
{
	ethdev_config_t *c = &ethdev_main.config;

	while (unformat_skip_white_space(input), !unformat_is_eof(input)) {
		clib_error_t *error = NULL;
		ethdev_dev_t dev = { 0 };

		/* By itself, so that only the whole word matches. */
		if (!unformat(input, "dev"))
			return vmheap_config_unknown(input, DEV_WORDS);
		if (unformat(input, "default {"))
			error = parse_params(input, 1, &c->defaults);
		else if (unformat(input, "%U", unformat_token, "a-zA-Z0-9_.:/-", &dev.device)) {
			vec_add1(dev.device, 0);
			if (unformat(input, "{"))
				error = parse_params(input, 0, &dev.params);
			if (!error && vec_add1(c->devs, dev))
				error = clib_error_return(0, "dev %s: no memory", dev.device);
			if (error) {
				vec_free(dev.device);
				vec_free(dev.params.name);
			}
		} else
			error = vmheap_config_unknown(input, DEV_WORDS);
		if (error)
			return error;
	}
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(ethdev_config, "dpdk");
