/* SPDX-License-Identifier: ISC */
/*
 * bench/ceiling.c - what UDP and the AEAD alone reach; no protocol
 *
 * ceiling SECONDS: trains of 45 datagrams of 1,452 bytes by UDP_SEGMENT and
 * UDP_GRO over loopback, each sealed and opened by itself with AES-128-GCM: by
 * intel-ipsec-mb where it loads, else by libcrypto. A datagram is a number of
 * eight bytes, text, and a tag of sixteen. No acknowledgement, no credit, no
 * resending: shared memory tells the sender how much is out, so that it does
 * not run the receiver over. Tags are checked, content is not looked at.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<intel-ipsec-mb.h>)
#define HAS_IPSECMB 1
#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#endif
#endif

#define SEGMENTS 45
#define TRAIN ((size_t)SEGMENTS * DATAGRAM_SIZE)
#define NUMBER_SIZE ((size_t)8)
#define TAG_SIZE ((size_t)16)
#define TEXT_SIZE ((size_t)DATAGRAM_SIZE - NUMBER_SIZE - TAG_SIZE)

struct shared {
	_Alignas(64) _Atomic uint64_t received;  /* datagrams */
	_Alignas(64) _Atomic uint64_t sent;
	_Atomic int is_over;
};

struct aead {
	char provider[96];
	EVP_CIPHER_CTX *context;
#ifdef HAS_IPSECMB
	IMB_MGR *manager;
	_Alignas(64) struct gcm_key_data key;
	struct gcm_context_data scratch;
#endif
};

static const uint8_t key_bytes[16] = "a throw-away key";

#ifdef HAS_IPSECMB
static bool
load(struct aead *aead)
{
	void *library = dlopen("libIPSec_MB.so.1", RTLD_NOW);
	IMB_MGR *(*allocate)(uint64_t);
	void (*init)(IMB_MGR *, IMB_ARCH *);
	const char *(*version)(void);

	if (library == NULL)
		return false;
	*(void **)&allocate = dlsym(library, "alloc_mb_mgr");
	*(void **)&init = dlsym(library, "init_mb_mgr_auto");
	*(void **)&version = dlsym(library, "imb_get_version_str");
	if (allocate == NULL || init == NULL || version == NULL)
		return false;
	aead->manager = allocate(0);
	if (aead->manager == NULL)
		return false;
	init(aead->manager, NULL);
	aead->manager->gcm128_pre(key_bytes, &aead->key);
	snprintf(aead->provider, sizeof aead->provider, "intel-ipsec-mb %s",
	    version());
	return true;
}
#endif

static struct aead *
aead_open_library(int is_sender)
{
	struct aead *aead = aligned_alloc(64,
	    (sizeof *aead + 63) / 64 * 64);

	if (aead == NULL)
		die("out of memory");
	memset(aead, 0, sizeof *aead);
#ifdef HAS_IPSECMB
	if (load(aead))
		return aead;
	aead->manager = NULL;
#endif
	aead->context = EVP_CIPHER_CTX_new();
	if (EVP_CipherInit_ex(aead->context, EVP_aes_128_gcm(), NULL,
	    key_bytes, NULL, is_sender) != 1)
		die("no AES-128-GCM");
	snprintf(aead->provider, sizeof aead->provider, "libcrypto %s",
	    OpenSSL_version(OPENSSL_VERSION_STRING));
	return aead;
}

static void
make_nonce(const uint8_t *datagram, uint8_t nonce[12])
{
	memset(nonce, 0, 4);
	memcpy(nonce + 4, datagram, NUMBER_SIZE);
}

static void
seal(struct aead *aead, uint8_t *datagram, const uint8_t *text)
{
	uint8_t *to = datagram + NUMBER_SIZE, nonce[12];
	int n;

	make_nonce(datagram, nonce);
#ifdef HAS_IPSECMB
	if (aead->manager != NULL) {
		aead->manager->gcm128_enc(&aead->key, &aead->scratch, to, text,
		    TEXT_SIZE, nonce, datagram, NUMBER_SIZE, to + TEXT_SIZE,
		    TAG_SIZE);
		return;
	}
#endif
	if (EVP_EncryptInit_ex(aead->context, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_EncryptUpdate(aead->context, NULL, &n, datagram,
	    (int)NUMBER_SIZE) != 1 || EVP_EncryptUpdate(aead->context, to, &n,
	    text, (int)TEXT_SIZE) != 1 ||
	    EVP_EncryptFinal_ex(aead->context, to, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_GET_TAG,
	    (int)TAG_SIZE, to + TEXT_SIZE) != 1)
		die("cannot seal");
}

static void
open_in_place(struct aead *aead, uint8_t *datagram)
{
	uint8_t *text = datagram + NUMBER_SIZE, nonce[12];
	int n;

	make_nonce(datagram, nonce);
#ifdef HAS_IPSECMB
	if (aead->manager != NULL) {
		uint8_t tag[TAG_SIZE];

		aead->manager->gcm128_dec(&aead->key, &aead->scratch, text,
		    text, TEXT_SIZE, nonce, datagram, NUMBER_SIZE, tag,
		    TAG_SIZE);
		if (memcmp(tag, text + TEXT_SIZE, TAG_SIZE) != 0)
			die("a wrong tag");
		return;
	}
#endif
	if (EVP_DecryptInit_ex(aead->context, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_DecryptUpdate(aead->context, NULL, &n, datagram,
	    (int)NUMBER_SIZE) != 1 || EVP_DecryptUpdate(aead->context, text,
	    &n, text, (int)TEXT_SIZE) != 1 ||
	    EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_SET_TAG,
	    (int)TAG_SIZE, text + TEXT_SIZE) != 1 ||
	    EVP_DecryptFinal_ex(aead->context, text, &n) != 1)
		die("a wrong tag");
}

/* Waits until the window has room; what is not there after 50 ms is lost. */
static uint64_t
wait_room(struct shared *shared, uint64_t sent, uint64_t lost, uint64_t window)
{
	uint64_t until_ns = 0;

	while (sent - lost - atomic_load_explicit(&shared->received,
	    memory_order_relaxed) > window) {
		static const struct timespec moment = { 0, 10000 };
		uint64_t now_ns = clock_ns();

		/* No spinning: the two cores may share one's time. */
		nanosleep(&moment, NULL);
		if (until_ns == 0)
			until_ns = now_ns + 50000000;
		else if (now_ns > until_ns)
			return sent - atomic_load(&shared->received);
	}
	return lost;
}

static void
send_all(struct shared *shared, int fd, double seconds, uint64_t window)
{
	static struct content content;
	static uint8_t train[TRAIN];
	struct aead *aead = aead_open_library(1);
	uint64_t number = 0, lost = 0;
	uint64_t end_ns = clock_ns() + (uint64_t)(seconds * 1e9);
	int size = DATAGRAM_SIZE;

	content_init(&content);
	prctl(PR_SET_TIMERSLACK, 1000);
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) != 0)
		die("this kernel has no UDP_SEGMENT");
	while (clock_ns() < end_ns) {
		for (size_t i = 0; i < SEGMENTS; i++) {
			uint8_t *datagram = train + i * DATAGRAM_SIZE;

			memcpy(datagram, &number, sizeof number);
			seal(aead, datagram, content.table +
			    number * TEXT_SIZE % (PERIOD - TEXT_SIZE));
			number++;
		}
		lost = wait_room(shared, number, lost, window);
		if (send(fd, train, TRAIN, 0) != (ssize_t)TRAIN)
			die("cannot send");
	}
	atomic_store(&shared->sent, number);
	atomic_store(&shared->is_over, 1);
	exit(0);
}

static void
receive_all(struct shared *shared, int fd, struct aead *aead,
    struct measure *measure)
{
	static uint8_t train[65536];
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint64_t received = 0;

	for (;;) {
		ssize_t n = recv(fd, train, sizeof train, MSG_DONTWAIT);

		if (n < 0) {
			/* Over first, then the last look at the socket. */
			int is_over = atomic_load(&shared->is_over);

			if (poll(&readable, 1, 20) == 0 && is_over)
				return;
			continue;
		}
		if (n % DATAGRAM_SIZE != 0)
			die("a train of another size");
		for (ssize_t at = 0; at < n; at += DATAGRAM_SIZE)
			open_in_place(aead, train + at);
		received += (uint64_t)n / DATAGRAM_SIZE;
		atomic_store_explicit(&shared->received, received,
		    memory_order_relaxed);
		measure_add(measure, (uint64_t)n / DATAGRAM_SIZE * TEXT_SIZE);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	struct measure measure = { 0 };
	struct shared *shared = mmap(NULL, sizeof *shared,
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int in = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	int out = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;
	uint64_t window;
	struct aead *aead;
	struct ends ends;
	char more[256];

	if (argc != 2)
		die("usage: ceiling SECONDS");
	if (shared == MAP_FAILED ||
	    bind(in, (struct sockaddr *)&address, size) != 0 ||
	    getsockname(in, (struct sockaddr *)&address, &size) != 0 ||
	    connect(out, (struct sockaddr *)&address, size) != 0)
		die("no sockets");
	if (setsockopt(in, IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0)
		die("this kernel has no UDP_GRO");
	if (setsockopt(in, SOL_SOCKET, SO_RCVBUFFORCE, &room,
	    sizeof room) != 0)
		setsockopt(in, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	size = sizeof room;
	getsockopt(in, SOL_SOCKET, SO_RCVBUF, &room, &size);
	/* Half a megabyte stays in the cache; less where less fits. */
	window = (uint64_t)(room / 2 < 524288 ? room / 2 : 524288) /
	    DATAGRAM_SIZE;
	if (split(&ends))
		send_all(shared, out, atof(argv[1]), window);
	aead = aead_open_library(0);
	receive_all(shared, in, aead, &measure);
	snprintf(more, sizeof more, ",\"checked\":\"tags\","
	    "\"cipher\":\"AES-128-GCM\",\"provider\":\"%s\","
	    "\"datagram\":%d,\"segments\":%d,\"lost\":%llu", aead->provider,
	    DATAGRAM_SIZE, SEGMENTS, (unsigned long long)
	    (atomic_load(&shared->sent) - atomic_load(&shared->received)));
	report(&measure, &ends, atomic_load(&shared->sent) * TEXT_SIZE,
	    more);
	return 0;
}
