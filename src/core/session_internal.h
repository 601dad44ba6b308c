/* SPDX-License-Identifier: ISC */
/* session_internal.h - what the files about a session's streams share */
#ifndef SJ_CORE_SESSION_INTERNAL_H
#define SJ_CORE_SESSION_INTERNAL_H

#include "core/services.h"
#include "core/session.h"

/* A control frame of the stream is to go: bits of enum stream_want. */
void sj__stream_want(struct sj_stream *stream, uint8_t wants);
/* The peer has seen the opening: what waited for that may go. */
void sj__stream_on_opening_known(struct sj_stream *stream);

/* --- session_credit.c */
/* What the reader is done with, in bytes and in refunded charges. */
uint64_t sj__credit_released(const struct sj_stream *stream);
/* The first grant of the stream's own, if the budget has one. */
void sj__credit_grant_first(struct sj_stream *stream);
/* The stream's window goes back to the budget; one that starved gets some. */
void sj__credit_return(struct sj_stream *stream);
/* Gives the lender back what a child of the peer's took. */
void sj__credit_refund(struct sj_stream *stream, uint64_t amount);
/* The peer's child takes from its lender; SJ_ERR_PROTOCOL: more than there is. */
int sj__credit_charge(struct sj_stream *lender, uint64_t amount);
/* Pays for the opening of a stream of ours; false: nobody can now. */
bool sj__credit_borrow(struct sj_session *session, struct sj_stream *stream);

#endif
