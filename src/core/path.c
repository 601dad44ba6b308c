/* SPDX-License-Identifier: ISC */
/* path.c - a UDP 4-tuple: round-trip time, congestion control, pacing, ECN */
#include "core/path.h"

void
sj__path_init(struct sj__path *path, const struct sj_path *key, uint32_t mtu)
{
	memset(path, 0, sizeof *path);
	path->key = *key;
	list_init(&path->all);
	list_init(&path->blocked);
	path->mtu = mtu;
	path->controller = &sj__cubic;
	path->window = (uint64_t)WINDOW_INITIAL_PACKETS * mtu;
	path->threshold = UINT64_MAX;
	path->tokens = PACING_BURST_MAX;
	sj__path_mtu_init(path, mtu);
	path->controller->init(path);
}

/* --- Round-trip time, RFC 9002 section 5 -------------------------------- */

void
sj__path_on_rtt(struct sj__path *path, uint64_t sample_ns, uint64_t delay_ns,
    uint64_t now_ns)
{
	uint64_t adjusted = sample_ns, difference;

	(void)now_ns;
	path->latest_ns = sample_ns;
	if (!path->has_rtt) {
		path->has_rtt = true;
		path->minimum_ns = path->smoothed_ns = sample_ns;
		path->variation_ns = sample_ns / 2;
		return;
	}
	path->minimum_ns = min_u64(path->minimum_ns, sample_ns);
	if (sample_ns >= path->minimum_ns + delay_ns)
		adjusted = sample_ns - delay_ns;
	difference = path->smoothed_ns > adjusted ?
	    path->smoothed_ns - adjusted : adjusted - path->smoothed_ns;
	path->variation_ns = (3 * path->variation_ns + difference) / 4;
	path->smoothed_ns = (7 * path->smoothed_ns + adjusted) / 8;
}

uint64_t
sj__path_rtt_ns(const struct sj__path *path)
{
	return path->has_rtt ? max_u64(path->smoothed_ns, 1) : RTT_INITIAL_NS;
}

uint64_t
sj__path_probe_timeout_ns(const struct sj__path *path)
{
	if (!path->has_rtt)
		return 2 * RTT_INITIAL_NS;
	return path->smoothed_ns +
	    max_u64(4 * path->variation_ns, GRANULARITY_NS);
}

void
sj__path_merge_rtt(struct sj__path *path, const struct sj__path *from)
{
	if (path->has_rtt || !from->has_rtt)
		return;
	path->has_rtt = true;
	path->latest_ns = from->latest_ns;
	path->smoothed_ns = from->smoothed_ns;
	path->variation_ns = from->variation_ns;
	path->minimum_ns = from->minimum_ns;
}

/* --- Window and pace --------------------------------------------------- */

uint64_t
sj__path_window_bytes(const struct sj__path *path)
{
	return path->window;
}

/* Twice the window a round trip in slow start, 1.25 times after it, so that
 * the pace never is what limits (RFC 9002 section 7.7). */
uint64_t
sj__path_rate_bytes_s(const struct sj__path *path)
{
	uint64_t rtt_us = max_u64(sj__path_rtt_ns(path) / 1000, 1);
	uint64_t gain = path->window < path->threshold ? 200 : 125;

	return path->window * 10000 * gain / rtt_us;
}

static uint64_t
burst_bytes(const struct sj__path *path)
{
	uint64_t millisecond = sj__path_rate_bytes_s(path) / 1000;

	return max_u64(min_u64(millisecond, PACING_BURST_MAX),
	    2 * (uint64_t)path->mtu);
}

static int64_t
tokens_now(const struct sj__path *path, uint64_t now_ns)
{
	uint64_t elapsed = now_ns - path->tokens_ns, more;
	uint64_t rate = sj__path_rate_bytes_s(path);
	int64_t burst = (int64_t)burst_bytes(path);

	if (now_ns <= path->tokens_ns)
		return path->tokens;
	/* Bounded so that the product cannot overflow; a slow path needs long. */
	elapsed = min_u64(elapsed, (rate < 1000000 ? 10000 : 10) * NS_PER_S);
	more = rate * (elapsed / 1000) / 1000000;
	if (path->tokens + (int64_t)more > burst)
		return path->tokens > burst ? path->tokens : burst;
	return path->tokens + (int64_t)more;
}

uint64_t
sj__path_can_send(const struct sj__path *path, uint64_t now_ns)
{
	int64_t tokens = tokens_now(path, now_ns);
	uint64_t room = path->window > path->in_flight ?
	    path->window - path->in_flight : 0;

	return tokens <= 0 ? 0 : min_u64(room, (uint64_t)tokens);
}

uint64_t
sj__path_next_send_ns(const struct sj__path *path, uint64_t now_ns)
{
	int64_t tokens = tokens_now(path, now_ns), missing;
	uint64_t rate = max_u64(sj__path_rate_bytes_s(path), 1);

	if (path->window < path->in_flight + path->mtu)
		return NEVER_NS;
	/* Wait for a whole burst: a timer for each packet costs too much. */
	missing = (int64_t)burst_bytes(path) - tokens;
	if (tokens >= (int64_t)path->mtu || missing <= 0)
		return now_ns;
	return now_ns + (uint64_t)missing * NS_PER_S / rate + 1000;
}

/* --- Evidence, RFC 7661 ------------------------------------------------- */

static uint64_t
first_window(const struct sj__path *path)
{
	return min_u64((uint64_t)WINDOW_INITIAL_PACKETS * path->mtu,
	    max_u64(WINDOW_INITIAL_BYTES,
	    (uint64_t)WINDOW_MIN_PACKETS * path->mtu));
}

/* [SJ-PA-12] What was not used for long is worth half, and half of that later on;
 * slow start goes most of the way back. */
static void
let_evidence_age(struct sj__path *path, uint64_t now_ns)
{
	struct sj__evidence *evidence = &path->evidence;
	uint64_t first = first_window(path);

	if (evidence->fresh_ns == 0)
		evidence->fresh_ns = now_ns;
	while (evidence->fresh_ns + EVIDENCE_FRESH_NS <= now_ns &&
	    path->window > first) {
		path->threshold = max_u64(path->threshold,
		    path->window / 4 * 3);
		path->window = max_u64(path->window / 2, first);
		path->cubic.epoch_ns = 0;
		evidence->fresh_ns += EVIDENCE_FRESH_NS;
	}
	if (evidence->fresh_ns + EVIDENCE_FRESH_NS <= now_ns)
		evidence->fresh_ns = now_ns;
}

static uint64_t
sampling_ns(const struct sj__path *path)
{
	return max_u64(3 * sj__path_rtt_ns(path), NS_PER_S);
}

static void
gather_evidence(struct sj__path *path, uint64_t now_ns,
    const struct sj__acked *acked)
{
	struct sj__evidence *evidence = &path->evidence;

	if (now_ns >= evidence->round_ns + sj__path_rtt_ns(path)) {
		evidence->round_ns = now_ns;
		evidence->round_bytes = 0;
	}
	if (now_ns >= evidence->period_ns + sampling_ns(path)) {
		evidence->most_before = evidence->most;
		evidence->most = 0;
		evidence->period_ns = now_ns;
	}
	evidence->round_bytes += acked->bytes;
	evidence->most = max_u64(evidence->most, evidence->round_bytes);
	if (acked->is_limited)
		evidence->fresh_ns = now_ns;
}

/* A loss while the window was not in use is the loss of what was used: RFC 7661
 * section 4.4.1. Who knows nothing may send a first window. */
static void
use_evidence(struct sj__path *path, uint64_t now_ns)
{
	const struct sj__evidence *evidence = &path->evidence;
	uint64_t used = max_u64(max_u64(evidence->most, evidence->most_before),
	    path->in_flight);

	if (now_ns > evidence->limited_ns + sampling_ns(path))
		path->window = min_u64(path->window, max_u64(used,
		    first_window(path)));
}

/* --- What happens to packets -------------------------------------------- */

void
sj__path_on_sent(struct sj__path *path, uint64_t now_ns, uint64_t bytes)
{
	let_evidence_age(path, now_ns);
	path->tokens = tokens_now(path, now_ns) - (int64_t)bytes;
	path->tokens_ns = now_ns;
	path->in_flight += bytes;
	if (2 * path->in_flight >= path->window)
		path->evidence.limited_ns = now_ns;
	path->sent_total += bytes;
}

void
sj__path_on_gone(struct sj__path *path, uint64_t bytes)
{
	assert(bytes <= path->in_flight);
	path->in_flight -= bytes;
}

void
sj__path_on_acked(struct sj__path *path, uint64_t now_ns,
    const struct sj__acked *acked)
{
	sj__path_on_gone(path, acked->bytes);
	gather_evidence(path, now_ns, acked);
	path->controller->on_acked(path, now_ns, acked);
}

void
sj__path_on_congestion(struct sj__path *path, uint64_t now_ns, uint64_t sent_ns)
{
	if (path->recovery_start_ns == 0 || sent_ns > path->recovery_start_ns)
		use_evidence(path, now_ns);
	path->controller->on_congestion(path, now_ns, sent_ns);
}

void
sj__path_on_persistent(struct sj__path *path)
{
	path->controller->on_persistent(path);
}

uint8_t
sj__path_ecn(const struct sj__path *path)
{
	return path->ecn == ECN_FAILED ? SJ_ECN_NONE : SJ_ECN_ECT0;
}
