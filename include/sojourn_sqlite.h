/* SPDX-License-Identifier: ISC */
/* sojourn_sqlite.h - a session store in an SQLite file (libsojourn-sqlite) */
#ifndef SOJOURN_SQLITE_H
#define SOJOURN_SQLITE_H

#include <sojourn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens or makes the file (mode 0600). Never NULL: a store that could not be
 * opened answers every request with SJ_ERR_STORE and says why, and
 * sj_endpoint_open() refuses it with that text. Hand it to an endpoint, which
 * closes it. */
SJ_API struct sj_store *sj_store_sqlite(const char *path);

#ifdef __cplusplus
}
#endif

#endif
