/* SPDX-License-Identifier: ISC */
/* signer.c - the keys of a client: files and ssh-agent */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/crypto.h"
#include "core/cursor.h"
#include "core/services.h"
#include "io/driver.h"
#include "io/key_file.h"
#include "io/signer.h"
#include "io/ssh_agent.h"

#define NAMESPACE "sojourn-login-v1"
#define SIGNED_MAX 4096
#define JOBS_MAX 32
#define PATH_SIZE 512

/* A signature under way with the agent. */
struct job {
	struct signer *signer;
	struct ssh_agent *agent;        /* NULL: free */
	struct sj_endpoint *endpoint;
	uint64_t request;
	uint32_t number;                /* of the try, from 1 */
	char socket[PATH_SIZE];
	char file[PATH_SIZE];           /* tried after the agent's keys; or "" */
	bool wants_one;                 /* only the key in blob */
	uint8_t blob[KEY_BLOB_SIZE];
	/* copies of the facts */
	char server_name[256], application[256], user[256];
	uint8_t hash[32], server_key[32];
	uint32_t version;
};

struct signer {
	struct sj_signer table;
	struct driver *driver;
	struct job jobs[JOBS_MAX];
};

static void
fail(struct sj_endpoint *endpoint, uint64_t request, int error,
    const char *text)
{
	struct sj_answer answer = { .error = error, .text = text };

	sj_core_answer(endpoint, request, &answer);
}

static void
put_string(struct writer *writer, const void *bytes, size_t length)
{
	write_uint(writer, length, 4);
	write_bytes(writer, bytes, length);
}

static struct span
get_string(struct reader *reader)
{
	return read_span(reader, read_uint(reader, 4));
}

/* --- SSHSIG ------------------------------------------------------------ */

static void
facts_of(const struct job *job, struct sj_login_facts *facts)
{
	memset(facts, 0, sizeof *facts);
	facts->server_name = job->server_name;
	facts->application = job->application;
	facts->user = job->user;
	facts->version = job->version;
	facts->number = job->number;
	facts->handshake_hash = job->hash;
	facts->server_key = job->server_key;
}

/* What the key itself signs; its length. */
static size_t
signed_bytes(const struct job *job, const uint8_t *blob, uint8_t *out,
    size_t capacity)
{
	struct sj__crypto *crypto = sj__endpoint_crypto(job->endpoint);
	struct writer writer = writer_of(out, capacity);
	uint8_t message[SIGNED_MAX], hash[64];
	struct sj_login_facts facts;
	ptrdiff_t length;

	facts_of(job, &facts);
	length = sj_mech_publickey_message(&facts, blob, KEY_BLOB_SIZE, message,
	    sizeof message);
	if (length < 0)
		return 0;
	sj__sha512(crypto, message, (size_t)length, hash);
	write_bytes(&writer, "SSHSIG", 6);
	put_string(&writer, NAMESPACE, strlen(NAMESPACE));
	put_string(&writer, "", 0);
	put_string(&writer, "sha512", 6);
	put_string(&writer, hash, sizeof hash);
	return writer.failed ? 0 : (size_t)(writer.at - out);
}

/* The mechanism's message from a signature in ssh's form; origin is where the
 * key is, for whoever is told that it was refused. */
static void
answer_with(const struct job *job, const uint8_t *blob, struct span signature,
    const char *origin)
{
	char fingerprint[SJ__FINGERPRINT_SIZE];
	char text[SJ__FINGERPRINT_SIZE + PATH_SIZE + 16];
	uint8_t sshsig[1024], message[2048];
	struct writer inner = writer_of(sshsig, sizeof sshsig);
	struct writer outer = writer_of(message, sizeof message);
	struct sj_answer answer = { .bytes = message };

	write_bytes(&inner, "SSHSIG", 6);
	write_uint(&inner, 1, 4);
	put_string(&inner, blob, KEY_BLOB_SIZE);
	put_string(&inner, NAMESPACE, strlen(NAMESPACE));
	put_string(&inner, "", 0);
	put_string(&inner, "sha512", 6);
	put_string(&inner, signature.data, signature.length);
	put_string(&outer, blob, KEY_BLOB_SIZE);
	put_string(&outer, sshsig, (size_t)(inner.at - sshsig));
	answer.length = (size_t)(outer.at - message);
	if (inner.failed || outer.failed)
		answer.error = SJ_ERR_NO_CREDENTIAL;
	sj__fingerprint_of(sj__endpoint_crypto(job->endpoint),
	    (struct span){ blob, KEY_BLOB_SIZE }, fingerprint);
	snprintf(text, sizeof text, "key %s (%s)", fingerprint, origin);
	answer.text = text;
	sj_core_answer(job->endpoint, job->request, &answer);
}

/* --- A key in a file --------------------------------------------------- */

static void
sign_with_seed(const struct job *job, const struct key_file *key)
{
	struct sj__crypto *crypto = sj__endpoint_crypto(job->endpoint);
	uint8_t bytes[256], raw[64], formatted[128];
	struct writer writer = writer_of(formatted, sizeof formatted);
	struct span span = { bytes, 0 };

	span.length = signed_bytes(job, key->blob, bytes, sizeof bytes);
	if (span.length == 0 ||
	    sj__ed25519_sign(crypto, key->seed, span, raw) < 0) {
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL, NULL);
		return;
	}
	put_string(&writer, "ssh-ed25519", 11);
	put_string(&writer, raw, sizeof raw);
	answer_with(job, key->blob, (struct span){ formatted,
	    (size_t)(writer.at - formatted) }, job->file);
}

/* The job's file, when the agent has nothing (more) to offer. */
static void
try_file(struct job *job)
{
	struct key_file key;
	char error[PATH_SIZE + 100];
	int result;

	if (job->file[0] == '\0') {
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL, NULL);
		return;
	}
	result = key_file_read(job->file, &key, error, sizeof error);
	if (result < 0) {
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL, error);
	} else if (!key.has_seed) {
		snprintf(error, sizeof error, "%s: %s; add it to ssh-agent with "
		    "`ssh-add`", job->file, key.is_encrypted ?
		    "it has a passphrase" : "it is a public key");
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL, error);
	} else {
		sign_with_seed(job, &key);
	}
	sj__wipe(&key, sizeof key);
}

/* --- A key in the agent ------------------------------------------------ */

static void
on_signed(void *data, unsigned type, const uint8_t *body, size_t length)
{
	struct job *job = data;
	struct reader reader = reader_of(body, body != NULL ? length : 0);
	struct span signature;

	job->agent = NULL;
	signature = get_string(&reader);
	if (body == NULL || type != SSH_AGENT_SIGN + 1 || reader.failed) {
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL,
		    body == NULL && type == ETIMEDOUT ?
		    "ssh-agent did not answer in time" :
		    "ssh-agent refused to sign");
		return;
	}
	answer_with(job, job->blob, signature, "ssh-agent");
}

static void
ask_to_sign(struct job *job)
{
	uint8_t bytes[256], request[512];
	struct writer writer = writer_of(request, sizeof request);
	size_t length = signed_bytes(job, job->blob, bytes, sizeof bytes);

	put_string(&writer, job->blob, KEY_BLOB_SIZE);
	put_string(&writer, bytes, length);
	write_uint(&writer, 0, 4);
	job->agent = ssh_agent_ask(job->signer->driver, job->socket,
	    SSH_AGENT_SIGN, request, (size_t)(writer.at - request), on_signed,
	    job);
	if (job->agent == NULL)
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL,
		    "ssh-agent went away");
}

/* The key of this try: the wanted one, or the nth Ed25519 key. */
static bool
pick_key(struct job *job, const uint8_t *body, size_t length, unsigned *found)
{
	struct reader reader = reader_of(body, length);
	uint64_t count = read_uint(&reader, 4);
	struct span blob;

	*found = 0;
	for (uint64_t i = 0; i < count && !reader.failed; i++) {
		blob = get_string(&reader);
		get_string(&reader);
		if (reader.failed || blob.length != KEY_BLOB_SIZE ||
		    memcmp(blob.data + 4, "ssh-ed25519", 11) != 0)
			continue;
		if (job->wants_one ? memcmp(blob.data, job->blob,
		    KEY_BLOB_SIZE) == 0 : ++*found == job->number) {
			memcpy(job->blob, blob.data, KEY_BLOB_SIZE);
			return true;
		}
	}
	return false;
}

static void
on_identities(void *data, unsigned type, const uint8_t *body, size_t length)
{
	struct job *job = data;
	unsigned found = 0;

	job->agent = NULL;
	if (body != NULL && type == SSH_AGENT_IDENTITIES + 1 &&
	    pick_key(job, body, length, &found)) {
		ask_to_sign(job);
		return;
	}
	/* After the agent's keys, the file; once. */
	if (!job->wants_one && job->number > found + 1)
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL, NULL);
	else
		try_file(job);
}

/* --- The table --------------------------------------------------------- */

static void
home_file(char *out, size_t size)
{
	const char *home = getenv("HOME");
	struct passwd *entry;

	if (home == NULL && (entry = getpwuid(getuid())) != NULL)
		home = entry->pw_dir;
	out[0] = '\0';
	if (home != NULL)
		snprintf(out, size, "%s/.ssh/id_ed25519", home);
	if (access(out, R_OK) < 0)
		out[0] = '\0';
}

/* options.key_file as signer.h describes it. */
static void
read_options(struct job *job, const char *key_file)
{
	const char *socket = getenv("SSH_AUTH_SOCK"), *colon;
	size_t length;

	if (key_file != NULL && strncmp(key_file, "agent:", 6) == 0) {
		socket = key_file + 6;
		colon = strchr(socket, ':');
		length = colon != NULL ? (size_t)(colon - socket) :
		    strlen(socket);
		if (length < sizeof job->socket) {
			memcpy(job->socket, socket, length);
			job->socket[length] = '\0';
		}
		key_file = colon != NULL ? colon + 1 : NULL;
	} else if (socket != NULL && strlen(socket) < sizeof job->socket) {
		strcpy(job->socket, socket);
	}
	if (key_file != NULL)
		snprintf(job->file, sizeof job->file, "%s", key_file);
	else
		home_file(job->file, sizeof job->file);
	job->wants_one = key_file != NULL;
}

static void
copy_facts(struct job *job, const struct sj_login_facts *facts)
{
	snprintf(job->server_name, sizeof job->server_name, "%s",
	    facts->server_name);
	snprintf(job->application, sizeof job->application, "%s",
	    facts->application);
	snprintf(job->user, sizeof job->user, "%s", facts->user);
	memcpy(job->hash, facts->handshake_hash, 32);
	memcpy(job->server_key, facts->server_key, 32);
	job->version = facts->version;
	job->number = facts->number;
}

/* A named key: from the file if that is enough, else from the agent. */
static bool
sign_named(struct job *job)
{
	struct key_file key;
	char error[400];
	bool done = true;

	if (job->number > 1) {
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL, NULL);
	} else if (key_file_read(job->file, &key, error, sizeof error) < 0) {
		fail(job->endpoint, job->request, SJ_ERR_NO_CREDENTIAL, error);
	} else if (key.has_seed) {
		sign_with_seed(job, &key);
	} else {
		memcpy(job->blob, key.blob, KEY_BLOB_SIZE);
		done = false;
	}
	sj__wipe(&key, sizeof key);
	return done;
}

static void
sign(const struct sj_signer *table, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	struct signer *signer = table->context;
	struct job *job = NULL;

	for (int i = 0; i < JOBS_MAX && job == NULL; i++)
		if (signer->jobs[i].agent == NULL)
			job = &signer->jobs[i];
	if (job == NULL) {
		fail(endpoint, request, SJ_ERR_LIMIT, NULL);
		return;
	}
	memset(job, 0, sizeof *job);
	job->signer = signer;
	job->endpoint = endpoint;
	job->request = request;
	copy_facts(job, facts);
	read_options(job, facts->options->key_file);
	if (job->wants_one && sign_named(job))
		return;
	if (job->socket[0] != '\0')
		job->agent = ssh_agent_ask(signer->driver, job->socket,
		    SSH_AGENT_IDENTITIES, NULL, 0, on_identities, job);
	if (job->agent != NULL)
		return;
	if (job->number > 1)
		fail(endpoint, request, SJ_ERR_NO_CREDENTIAL, NULL);
	else
		try_file(job);
}

struct sj_signer *
signer_open(struct driver *driver)
{
	struct signer *signer = calloc(1, sizeof *signer);

	if (signer == NULL)
		return NULL;
	signer->driver = driver;
	signer->table.context = signer;
	signer->table.sign = sign;
	return &signer->table;
}

void
signer_close(struct sj_signer *table)
{
	struct signer *signer = table->context;

	for (int i = 0; i < JOBS_MAX; i++)
		ssh_agent_cancel(signer->jobs[i].agent);
	free(signer);
}
