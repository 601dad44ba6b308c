/* SPDX-License-Identifier: ISC */
/* channel_internal.h - what the files that make up the channel share */
#ifndef SJ_CORE_CHANNEL_INTERNAL_H
#define SJ_CORE_CHANNEL_INTERNAL_H

#include "core/channel.h"
#include "core/text.h"

/* Records of the channel's own frames; those of its user are above. */
enum channel_record {
	RECORD_ACK = 1,                 /* offset: the largest it acknowledged */
	RECORD_NEW_ID,                  /* id: the sequence */
	RECORD_RETIRE_ID,
	RECORD_PARAMETERS,
	RECORD_PING,
	RECORD_MTU,                     /* id: generation of the path; offset: size */
	CHANNEL_RECORD_MAX = 0x3f
};

void sj__channel_set_state(struct sj__channel *channel,
    enum channel_state state);
void sj__channel_set_deadline(struct sj__channel *channel,
    enum channel_deadline which, uint64_t at_ns);
/* Deadlines of recovery and acknowledgement as they stand. */
void sj__channel_rearm(struct sj__channel *channel, struct sj_time now);
int sj__channel_go_on(struct sj__channel *channel, struct sj_time now);
int sj__channel_open_keys(struct sj__channel *channel);
uint64_t sj__channel_next_skip(struct sj__channel *channel);
/* The close went out, or nobody is there to hear it. */
void sj__channel_closed_for_good(struct sj__channel *channel);
/* A record settled: the channel's own, or the user's. */
void sj__channel_on_settled(void *channel,
    const struct sj__sent_record *record, bool delivered);

/* --- channel_path.c */
#define CHALLENGE_TRIES 4

int sj__channel_fill_ids(struct sj__channel *channel);
void sj__channel_forget_ids(struct sj__channel *channel);
int sj__channel_on_new_id(struct sj__channel *channel,
    const struct frame *frame);
int sj__channel_on_retire_id(struct sj__channel *channel,
    const struct frame *frame);
void sj__channel_new_id_lost(struct sj__channel *channel, uint64_t sequence);
void sj__channel_retire_id(struct sj__channel *channel, uint64_t sequence);
uint64_t sj__channel_sequence_of(const struct sj__channel *channel,
    const uint8_t *id);
void sj__channel_follow_id(struct sj__channel *channel, uint64_t sequence);

size_t sj__channel_path_room(const struct channel_path *at);
bool sj__channel_path_wants(const struct channel_path *at);
/* The path of this channel with that key; NULL: none. */
struct channel_path *sj__channel_path_of(struct sj__channel *channel,
    const struct sj_path *key);
int sj__channel_share_path(struct sj__channel *channel,
    struct channel_path *at);
void sj__channel_drop_path(struct sj__channel *channel,
    struct channel_path *at);
int sj__channel_open_elsewhere(struct sj__channel *channel,
    const struct sj_path *key);
void sj__channel_probe_path(struct sj__channel *channel,
    const struct sj_path *key, size_t length);
void sj__channel_on_challenge_deadline(struct sj__channel *channel);
int sj__channel_on_path_response(struct sj__channel *channel,
    struct sj_time now, const uint8_t bytes[8]);

#endif
