/* SPDX-License-Identifier: ISC */
/* clock.h - the two clocks of struct sj_time */
#ifndef SJ_IO_CLOCK_H
#define SJ_IO_CLOCK_H

#include <sojourn_core.h>

struct sj_time clock_now(void);

#endif
