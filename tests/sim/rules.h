/* SPDX-License-Identifier: ISC */
/* rules.h - what the files of the rules share: two endpoints, and frames */
#ifndef SIM_RULES_H
#define SIM_RULES_H

#include "pair.h"

struct rule {
	const char *name;               /* NULL: the end of the table */
	void (*run)(void);
};
extern const struct rule rules_login[], rules_streams[], rules_paths[];

void expect(bool is_so, const char *text);
/* Endpoints that have not spoken yet; a login that goes well; a channel whose
 * client says nothing of a login. */
struct pair *pair_begin(void);
struct pair *pair_logged_in(void);
struct pair *pair_unproven(void);
void pair_end(struct pair *pair);
struct sj_session *start_login(struct pair *pair);
struct sj_session *server_session(struct pair *pair);
/* The server has closed a channel, since its client broke a rule. */
bool is_cut_off(const struct pair *pair);
/* What a client with this script gets for it. */
void expect_cut_off(void (*write)(struct writer *), const char *text);

void put_bytes(struct writer *writer, uint64_t stream, uint64_t offset,
    const struct stream_opening *opening, const void *bytes, size_t length);
void write_ping(struct writer *writer);
/* The least that an opening says; stream 0 lends. */
extern const struct stream_opening small;

#endif
