/* SPDX-License-Identifier: Apache-2.0 */
/* show kmem and its family: what they say about caches whose state is known, in both forms. */
#include <cli/cli.h>
#include <vppinfra/kmem.h>
#include <vppinfra/vec.h>
#include "unit.h"

static u8 *
answer_to(const char *line, u32 format, u8 *status)
{
	cli_answer_t a;

	cli_run((const u8 *)line, strlen(line), format, 0, &a);
	*status = a.status;
	vec_add1(a.body, 0);
	return a.body;
}

/* Whether the answer has the text in it. */
static bool
says(const char *line, u32 format, const char *text)
{
	u8 status, *body = answer_to(line, format, &status);
	bool is_there = strstr((char *)body, text) != NULL;

	if (!is_there)
		printf("%s: no '%s' in:\n%s", line, text, body);
	vec_free(body);
	return is_there;
}

static bool
fails(const char *line, const char *text)
{
	u8 status, *body = answer_to(line, CLI_FORMAT_TEXT, &status);
	bool is_right = status == CLI_STATUS_ERROR && strstr((char *)body, text) != NULL;

	if (!is_right)
		printf("%s: %s", line, body);
	vec_free(body);
	return is_right;
}

/* Nothing there is said, not an empty table. */
static void
no_caches_are_said_so(void)
{
	CU_ASSERT_TRUE(says("show kmem", CLI_FORMAT_TEXT, "no caches"));
	CU_ASSERT_TRUE(says("show kmem", CLI_FORMAT_JSON, "\"caches\": []"));
	CU_ASSERT_TRUE(says("show percpu", CLI_FORMAT_TEXT, "units"));
}

/* A row for each cache, the one with most memory first; counts as they are. */
static void
caches_are_listed_by_memory(void)
{
	struct kmem_cache *small = kmem_cache_create("small", 64, 0, 0, NULL);
	struct kmem_cache *large = kmem_cache_create("large", 9000, 0, 0, NULL);
	void *a = kmem_cache_alloc(small, 0), *b = kmem_cache_alloc(large, 0);
	u8 status, *body = answer_to("show kmem", CLI_FORMAT_TEXT, &status);
	char *first = strstr((char *)body, "large"), *second = strstr((char *)body, "small");

	CU_ASSERT_EQUAL(status, CLI_STATUS_OK);
	CU_ASSERT_TRUE(first && second && first < second);
	vec_free(body);
	CU_ASSERT_TRUE(says("show kmem", CLI_FORMAT_JSON, "\"live\": 1"));
	CU_ASSERT_TRUE(says("show kmem", CLI_FORMAT_JSON, "\"object_bytes\": 9000"));
	CU_ASSERT_TRUE(says("show kmem small", CLI_FORMAT_JSON, "\"object_bytes\": 64"));
	CU_ASSERT_TRUE(says("show kmem small", CLI_FORMAT_TEXT, "on-slab"));
	CU_ASSERT_TRUE(says("show kmem large", CLI_FORMAT_TEXT, "off-slab"));
	CU_ASSERT_TRUE(says("show kmem verbose", CLI_FORMAT_JSON, "\"details\""));
	CU_ASSERT_TRUE(fails("show kmem nosuch", "the name of a cache"));
	kmem_cache_free(small, a);
	kmem_cache_free(large, b);
	CU_ASSERT_TRUE(says("kmem shrink small", CLI_FORMAT_JSON, "\"bytes\": 4096"));
	CU_ASSERT_TRUE(says("show kmem small", CLI_FORMAT_JSON, "\"slabs\": 0"));
	CU_ASSERT_TRUE(says("kmem shrink", CLI_FORMAT_TEXT, "given back"));
	CU_ASSERT_TRUE(fails("kmem shrink nosuch", "the name of a cache"));
	CU_ASSERT_EQUAL(kmem_cache_destroy(small), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(large), 0);
}

static never_inline void *
the_one_who_allocates(struct kmem_cache *c)
{
	void *p = kmem_cache_alloc(c, 0);

	CLIB_COMPILER_BARRIER();
	return p;
}

/* Debugging is switched by the command, and a verbose listing then knows who allocated. */
static void
debugging_is_switched_by_command(void)
{
	struct kmem_cache *c = kmem_cache_create("audited", 64, 0, 0, NULL);
	char object[32];
	void *p;

	CU_ASSERT_TRUE(says("kmem debug audit* audit poison", CLI_FORMAT_JSON, "\"switched\": 1"));
	CU_ASSERT_TRUE(says("show kmem audited", CLI_FORMAT_JSON, "\"flags\": \"poison audit\""));
	p = the_one_who_allocates(c);
	snprintf(object, sizeof(object), "%p", p);
	CU_ASSERT_TRUE(says("show kmem audited verbose", CLI_FORMAT_TEXT, object));
	CU_ASSERT_TRUE(says("show kmem audited verbose", CLI_FORMAT_JSON, "\"allocated_by\": \""));
	CU_ASSERT_TRUE(says("show kmem audited verbose", CLI_FORMAT_JSON, "\"check\": \"ok\""));
	CU_ASSERT_TRUE(says("kmem debug audited off", CLI_FORMAT_JSON, "\"busy\": 1"));
	kmem_cache_free(c, p);
	CU_ASSERT_TRUE(says("kmem debug audit* off", CLI_FORMAT_TEXT, "1 caches switched"));
	CU_ASSERT_TRUE(fails("kmem debug", "the name of a cache or a pattern"));
	CU_ASSERT_TRUE(fails("kmem debug x wings", "redzone, poison, audit or off"));
	CU_ASSERT_TRUE(fails("kmem debug x off audit", "nothing else"));
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

static const unit_test_t tests[] = {
	UNIT(no_caches_are_said_so),
	UNIT(caches_are_listed_by_memory),
	UNIT(debugging_is_switched_by_command),
};

int
main(void)
{
	return unit_run("cli_kmem_commands", tests, ARRAY_LEN(tests));
}
