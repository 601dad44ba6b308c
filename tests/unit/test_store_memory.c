/* SPDX-License-Identifier: ISC */
/* test_store_memory.c - the store that is gone with the process */
#include "store_cases.h"

static struct sj_store *
open_store(void)
{
	return sj_store_memory();
}

int
main(void)
{
	const struct CMUnitTest tests[] = { STORE_CASES };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
