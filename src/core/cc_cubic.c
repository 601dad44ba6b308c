/* SPDX-License-Identifier: ISC */
/*
 * cc_cubic.c - CUBIC (RFC 9438) with HyStart++ (RFC 9406)
 *
 * Integers only: bytes, nanoseconds, and milliseconds for the cubic curve, so
 * that every machine computes the same window. A round of HyStart++ is counted
 * in bytes sent on the path, as channels that share it have no packet numbers
 * in common.
 */
#include "core/path.h"

#define BETA_PERCENT 70                 /* RFC 9438 section 4.6 */
#define HYSTART_RTT_MIN_NS (4 * NS_PER_MS)
#define HYSTART_RTT_MAX_NS (16 * NS_PER_MS)
#define HYSTART_SAMPLES 8
#define HYSTART_GROWTH_DIVISOR 4
#define HYSTART_ROUNDS 5
#define CURVE_MAX_MS 150000

static void
init(struct sj__path *path)
{
	memset(&path->cubic, 0, sizeof path->cubic);
	path->cubic.round_rtt_ns = path->cubic.last_round_rtt_ns = NEVER_NS;
	path->cubic.baseline_rtt_ns = NEVER_NS;
}

static uint64_t
cube_root(uint64_t value)
{
	uint64_t low = 0, high = 2642245, middle;

	while (low < high) {
		middle = (low + high + 1) / 2;
		if (middle * middle * middle <= value)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* --- Slow start -------------------------------------------------------- */

static void
leave_slow_start(struct sj__path *path)
{
	path->threshold = path->window;
	path->cubic.epoch_ns = 0;
	path->cubic.maximum = path->window;
}

static void
end_round(struct sj__path *path)
{
	struct sj__cubic_state *cubic = &path->cubic;

	cubic->last_round_rtt_ns = cubic->round_rtt_ns;
	cubic->round_rtt_ns = NEVER_NS;
	cubic->round_samples = 0;
	cubic->round_end = path->sent_total;
	if (cubic->is_conservative &&
	    ++cubic->conservative_rounds >= HYSTART_ROUNDS)
		leave_slow_start(path);
}

/* RFC 9406 section 4.2: a round whose round-trip time rose is the sign that a
 * queue builds up. */
static void
watch_delay(struct sj__path *path, const struct sj__acked *acked)
{
	struct sj__cubic_state *cubic = &path->cubic;
	uint64_t threshold;

	if (acked->rtt_ns > 0) {
		cubic->round_rtt_ns = min_u64(cubic->round_rtt_ns,
		    acked->rtt_ns);
		cubic->round_samples++;
	}
	if (cubic->round_samples >= HYSTART_SAMPLES &&
	    cubic->round_rtt_ns != NEVER_NS &&
	    cubic->last_round_rtt_ns != NEVER_NS) {
		threshold = max_u64(HYSTART_RTT_MIN_NS, min_u64(
		    HYSTART_RTT_MAX_NS, cubic->last_round_rtt_ns / 8));
		if (!cubic->is_conservative && cubic->round_rtt_ns >=
		    cubic->last_round_rtt_ns + threshold) {
			cubic->is_conservative = true;
			cubic->conservative_rounds = 0;
			cubic->baseline_rtt_ns = cubic->round_rtt_ns;
		} else if (cubic->is_conservative &&
		    cubic->round_rtt_ns < cubic->baseline_rtt_ns) {
			cubic->is_conservative = false;
		}
	}
	if (acked->sent_total > cubic->round_end)
		end_round(path);
}

static void
slow_start(struct sj__path *path, const struct sj__acked *acked)
{
	if (acked->is_limited)
		path->window += path->cubic.is_conservative ?
		    acked->bytes / HYSTART_GROWTH_DIVISOR : acked->bytes;
	watch_delay(path, acked);
}

/* --- Congestion avoidance ---------------------------------------------- */

static void
start_epoch(struct sj__path *path, uint64_t now_ns)
{
	struct sj__cubic_state *cubic = &path->cubic;
	uint64_t missing;

	cubic->epoch_ns = now_ns;
	cubic->start_window = cubic->estimate = path->window;
	cubic->fraction = 0;
	if (path->window >= cubic->maximum) {
		cubic->maximum = path->window;
		cubic->k_ms = 0;
		return;
	}
	/* K = cbrt((W_max - cwnd) / C), C = 0.4 segments / s^3 */
	missing = min_u64(cubic->maximum - path->window,
	    UINT64_C(1) << 31);
	cubic->k_ms = cube_root(missing * UINT64_C(2500000000) / path->mtu);
}

/* W_cubic at a time after the start of the epoch. */
static uint64_t
curve(const struct sj__path *path, uint64_t at_ns)
{
	const struct sj__cubic_state *cubic = &path->cubic;
	int64_t distance = (int64_t)(at_ns / NS_PER_MS) - (int64_t)cubic->k_ms;
	int64_t growth;

	if (distance > CURVE_MAX_MS)
		distance = CURVE_MAX_MS;
	if (distance < -CURVE_MAX_MS)
		distance = -CURVE_MAX_MS;
	growth = distance * distance * distance / 1000 *
	    (int64_t)path->mtu / 2500000;
	if (growth < 0 && (uint64_t)-growth > cubic->maximum)
		return 0;
	return (uint64_t)((int64_t)cubic->maximum + growth);
}

static void
avoid_congestion(struct sj__path *path, uint64_t now_ns,
    const struct sj__acked *acked)
{
	struct sj__cubic_state *cubic = &path->cubic;
	uint64_t target, limit;

	if (!acked->is_limited) {
		cubic->epoch_ns = 0;    /* no growth while idle, section 5.8 */
		return;
	}
	if (cubic->epoch_ns == 0)
		start_epoch(path, now_ns);
	/* Reno-friendly: alpha = 3 * (1 - beta) / (1 + beta) = 9/17 until the
	 * window before the loss is reached, then 1. */
	cubic->estimate += acked->bytes * path->mtu / path->window *
	    (cubic->estimate < cubic->maximum ? 9 : 17) / 17;
	target = curve(path, now_ns - cubic->epoch_ns + sj__path_rtt_ns(path));
	limit = path->window + path->window / 2;
	target = min_u64(max_u64(target, path->window), limit);
	cubic->fraction += (target - path->window) * acked->bytes;
	path->window += cubic->fraction / path->window;
	cubic->fraction %= path->window;
	path->window = max_u64(path->window, cubic->estimate);
}

static void
on_acked(struct sj__path *path, uint64_t now_ns, const struct sj__acked *acked)
{
	if (acked->sent_ns <= path->recovery_start_ns &&
	    path->recovery_start_ns != 0)
		return;                 /* sent before the window was cut */
	if (path->window < path->threshold)
		slow_start(path, acked);
	else
		avoid_congestion(path, now_ns, acked);
}

static void
on_congestion(struct sj__path *path, uint64_t now_ns, uint64_t sent_ns)
{
	struct sj__cubic_state *cubic = &path->cubic;
	uint64_t least = (uint64_t)WINDOW_MIN_PACKETS * path->mtu;

	if (path->recovery_start_ns != 0 && sent_ns <= path->recovery_start_ns)
		return;
	path->recovery_start_ns = now_ns;
	/* Fast convergence, RFC 9438 section 4.7. */
	cubic->maximum = path->window < cubic->maximum ?
	    path->window * (100 + BETA_PERCENT) / 200 : path->window;
	path->window = max_u64(path->window * BETA_PERCENT / 100, least);
	path->threshold = path->window;
	cubic->epoch_ns = 0;
	cubic->is_conservative = false;
}

static void
on_persistent(struct sj__path *path)
{
	path->window = (uint64_t)WINDOW_MIN_PACKETS * path->mtu;
	path->recovery_start_ns = 0;
	path->cubic.epoch_ns = 0;
}

const struct sj__controller sj__cubic = {
	.name = "cubic",
	.init = init,
	.on_acked = on_acked,
	.on_congestion = on_congestion,
	.on_persistent = on_persistent,
};
