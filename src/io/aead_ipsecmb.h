/* SPDX-License-Identifier: ISC */
/*
 * aead_ipsecmb.h - AES-GCM by intel-ipsec-mb, where it is installed
 *
 * Loaded at run time: the library does not depend on it. The tables are made
 * for sj_io.aeads and outlive every endpoint that uses them.
 */
#ifndef SJ_IO_AEAD_IPSECMB_H
#define SJ_IO_AEAD_IPSECMB_H

#include <sojourn_core.h>

struct sj__ipsecmb;

/* NULL: no such library, not this processor, or it fails a known answer. */
struct sj__ipsecmb *sj__ipsecmb_open(void);
/* After the last context is finished; NULL is fine. */
void sj__ipsecmb_close(struct sj__ipsecmb *ipsecmb);
/* NULL-terminated; NULL for NULL. */
const struct sj_aead *const *sj__ipsecmb_aeads(
    const struct sj__ipsecmb *ipsecmb);

#endif
