/* SPDX-License-Identifier: ISC */
/* signer.c - the keys of a client: files and ssh-agent */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/crypto.h"
#include "core/cursor.h"
#include "core/services.h"
#include "core/session.h"
#include "io/clock.h"
#include "io/driver.h"
#include "io/key_file.h"
#include "io/key_unlock.h"
#include "io/private_key.h"
#include "io/signer.h"
#include "io/ssh_agent.h"

#define NAMESPACE "sojourn-login-v1"
#define SIGNED_MAX 4096
#define PROOF_MAX (3 * SSH_KEY_BLOB_MAX + 512)
#define JOBS_MAX 32
#define PASSPHRASES_MAX 3
#define PATH_SIZE 512

/* A proof that is being made. */
struct job {
	struct signer *signer;
	bool is_open;
	struct ssh_agent *agent;        /* asked; or NULL */
	struct key_unlock *unlock;      /* under way; or NULL */
	int unlock_fd;
	unsigned passphrases;           /* tried so far */
	struct sj_endpoint *endpoint;
	struct sj_session *session;     /* NULL: over, nobody wants the proof */
	struct sj__question question;
	uint64_t request;
	uint32_t number;                /* of the try, from 1 */
	uint32_t number_in_agent;       /* which of the agent's keys */
	char socket[PATH_SIZE];
	char prompt[PATH_SIZE + 80];
	char file[PATH_SIZE];           /* tried after the agent's keys; or "" */
	bool is_listed;                 /* another key may follow */
	bool wants_one;                 /* only the key in blob */
	uint8_t blob[SSH_KEY_BLOB_MAX];
	size_t blob_length;
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

/* The job is done: the answer goes to the session, if it is still there. */
static void
finish(struct job *job, const struct sj_answer *answer)
{
	struct sj_endpoint *endpoint = job->endpoint;
	uint64_t request = job->request;

	if (job->session != NULL)
		sj__session_attach(job->session, clock_now(), NULL);
	job->is_open = false;
	/* This may start the next try, in this very slot. */
	sj_core_answer(endpoint, request, answer);
}

static void start(struct job *job, const char *key_file);

/* Of several keys that are named, the next one. */
static bool
start_next(struct job *job)
{
	if (!job->is_listed || job->session == NULL)
		return false;
	job->session->keys_passed++;
	start(job, job->session->options.key_file);
	return true;
}

static void
fail(struct job *job, int error, const char *text)
{
	struct sj_answer answer = { .error = error, .text = text };

	if (!start_next(job))
		finish(job, &answer);
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
signed_bytes(const struct job *job, struct span blob, uint8_t *out,
    size_t capacity)
{
	struct sj__crypto *crypto = sj__endpoint_crypto(job->endpoint);
	struct writer writer = writer_of(out, capacity);
	uint8_t message[SIGNED_MAX], hash[64];
	struct sj_login_facts facts;
	ptrdiff_t length;

	facts_of(job, &facts);
	length = sj_mech_publickey_message(&facts, blob.data, blob.length,
	    message, sizeof message);
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
answer_with(struct job *job, struct span blob, struct span signature,
    const char *origin)
{
	char fingerprint[SJ__FINGERPRINT_SIZE];
	char text[SJ__FINGERPRINT_SIZE + PATH_SIZE + 16];
	uint8_t sshsig[2 * SSH_KEY_BLOB_MAX + 256], message[PROOF_MAX];
	struct writer inner = writer_of(sshsig, sizeof sshsig);
	struct writer outer = writer_of(message, sizeof message);
	struct sj_answer answer = { .bytes = message };

	write_bytes(&inner, "SSHSIG", 6);
	write_uint(&inner, 1, 4);
	put_string(&inner, blob.data, blob.length);
	put_string(&inner, NAMESPACE, strlen(NAMESPACE));
	put_string(&inner, "", 0);
	put_string(&inner, "sha512", 6);
	put_string(&inner, signature.data, signature.length);
	put_string(&outer, blob.data, blob.length);
	put_string(&outer, sshsig, (size_t)(inner.at - sshsig));
	answer.length = (size_t)(outer.at - message);
	if (inner.failed || outer.failed)
		answer.error = SJ_ERR_NO_CREDENTIAL;
	sj__fingerprint_of(sj__endpoint_crypto(job->endpoint), blob,
	    fingerprint);
	snprintf(text, sizeof text, "key %s (%s)", fingerprint, origin);
	answer.text = text;
	if (job->wants_one && job->session != NULL) {
		job->session->keys_passed++;
		job->session->keys_answered++;
	}
	finish(job, &answer);
}

/* --- A key in a file --------------------------------------------------- */

static void
sign_with(struct job *job, const struct key_file *key)
{
	struct sj__crypto *crypto = sj__endpoint_crypto(job->endpoint);
	uint8_t bytes[256], formatted[SSH_SIGNATURE_MAX];
	struct span blob = { key->blob, key->blob_length };
	struct span message = { bytes, 0 }, signature = { formatted, 0 };
	ptrdiff_t length;

	message.length = signed_bytes(job, blob, bytes, sizeof bytes);
	length = private_key_sign(key->private_key, message, formatted,
	    sizeof formatted);
	signature.length = length > 0 ? (size_t)length : 0;
	/* A wrong one, by a damaged file or a fault while it was computed, could
	 * give the key away. */
	if (message.length == 0 || length < 0 ||
	    sj__ssh_verify(crypto, blob, message, signature) < 0)
		fail(job, SJ_ERR_NO_CREDENTIAL,
		    "the key in the file does not sign as it should");
	else
		answer_with(job, blob, signature, job->file);
}

/* --- Its passphrase ----------------------------------------------------- */

static void
ask_passphrase(struct job *job)
{
	if (job->session == NULL) {
		job->is_open = false;
		return;
	}
	snprintf(job->prompt, sizeof job->prompt, "%sPassphrase for key %s: ",
	    job->passphrases > 0 ? "That is not it. " : "", job->file);
	job->question.text = job->prompt;
	sj__session_ask(job->session, clock_now());
}

static void
on_unlocked(void *data, uint32_t events)
{
	struct job *job = data;
	struct key_file key;
	char error[PATH_SIZE + 200];
	int result;

	(void)events;
	driver_unwatch(job->signer->driver, job->unlock_fd);
	result = key_unlock_take(job->unlock, &key, error, sizeof error);
	job->unlock = NULL;
	if (result < 0) {
		fail(job, SJ_ERR_NO_CREDENTIAL, error);
	} else if (key.private_key != NULL) {
		sign_with(job, &key);
	} else if (++job->passphrases < PASSPHRASES_MAX) {
		ask_passphrase(job);
	} else {
		snprintf(error, sizeof error, "%s: the passphrase is wrong",
		    job->file);
		fail(job, SJ_ERR_NO_CREDENTIAL, error);
	}
	key_file_clear(&key);
}

static void
on_answered(struct sj__question *question, const char *answer)
{
	struct job *job = container_of(question, struct job, question);
	char error[PATH_SIZE + 100];

	if (answer == NULL || answer[strspn(answer, "\r\n")] == '\0') {
		snprintf(error, sizeof error, "%s: it has a passphrase, which "
		    "was not given; or add it to ssh-agent with `ssh-add`",
		    job->file);
		fail(job, SJ_ERR_NO_CREDENTIAL, error);
		return;
	}
	job->unlock = key_unlock_start(job->file, answer, &job->unlock_fd);
	if (job->unlock == NULL || driver_watch(job->signer->driver,
	    job->unlock_fd, EPOLLIN, on_unlocked, job) < 0) {
		key_unlock_cancel(job->unlock);
		job->unlock = NULL;
		fail(job, SJ_ERR_LIMIT, NULL);
	}
}

/* The job's file, when the agent has nothing (more) to offer. */
static void
try_file(struct job *job)
{
	struct key_file key;
	char error[PATH_SIZE + 200];
	int result;

	if (job->file[0] == '\0') {
		fail(job, SJ_ERR_NO_CREDENTIAL, NULL);
		return;
	}
	result = key_file_read(job->file, NULL, &key, error, sizeof error);
	if (result < 0) {
		fail(job, SJ_ERR_NO_CREDENTIAL, error);
	} else if (key.is_foreign) {
		snprintf(error, sizeof error, "%s: it is encrypted in a way "
		    "that is not known here; `ssh-keygen -p -f` writes it "
		    "anew, or add it to ssh-agent with `ssh-add`", job->file);
		fail(job, SJ_ERR_NO_CREDENTIAL, error);
	} else if (key.is_encrypted) {
		ask_passphrase(job);
	} else if (key.private_key == NULL) {
		snprintf(error, sizeof error, "%s: it holds no private key; add "
		    "it to ssh-agent with `ssh-add`", job->file);
		fail(job, SJ_ERR_NO_CREDENTIAL, error);
	} else {
		sign_with(job, &key);
	}
	key_file_clear(&key);
}

/* --- A key in the agent ------------------------------------------------ */

/* gpg-agent leaves zeros out that RFC 8332 does not count among the number:
 * the length is that of the modulus. Others come as they are. */
static struct span
pad_rsa(struct span blob, struct span signature, uint8_t *out, size_t capacity)
{
	struct reader reader = reader_of(signature.data, signature.length);
	struct writer writer = writer_of(out, capacity);
	struct span name = get_string(&reader), raw = get_string(&reader);
	size_t size = sj__ssh_rsa_size(blob);

	if (reader.failed || reader.at != reader.end || raw.length >= size)
		return signature;
	put_string(&writer, name.data, name.length);
	write_uint(&writer, size, 4);
	for (size_t i = raw.length; i < size; i++)
		write_uint(&writer, 0, 1);
	write_bytes(&writer, raw.data, raw.length);
	return writer.failed ? signature :
	    (struct span){ out, (size_t)(writer.at - out) };
}

static void
on_signed(void *data, unsigned type, const uint8_t *body, size_t length)
{
	struct job *job = data;
	struct reader reader = reader_of(body != NULL ? body :
	    (const uint8_t *)"", body != NULL ? length : 0);
	struct span blob = { job->blob, job->blob_length }, signature;
	uint8_t padded[SSH_SIGNATURE_MAX];

	job->agent = NULL;
	signature = get_string(&reader);
	if (body == NULL || type != SSH_AGENT_SIGN + 1 || reader.failed)
		fail(job, SJ_ERR_NO_CREDENTIAL,
		    body == NULL && type == ETIMEDOUT ?
		    "ssh-agent did not answer in time" :
		    "ssh-agent refused to sign");
	else
		answer_with(job, blob, pad_rsa(blob, signature, padded,
		    sizeof padded), "ssh-agent");
}

static void
ask_to_sign(struct job *job)
{
	uint8_t bytes[256], request[SSH_KEY_BLOB_MAX + 512];
	struct writer writer = writer_of(request, sizeof request);
	struct span blob = { job->blob, job->blob_length };
	size_t length = signed_bytes(job, blob, bytes, sizeof bytes);

	put_string(&writer, blob.data, blob.length);
	put_string(&writer, bytes, length);
	write_uint(&writer, sj__ssh_rsa_size(blob) > 0 ?
	    SSH_AGENT_RSA_SHA2_512 : 0, 4);
	/* It may ask for a confirmation, or for a touch of the key. */
	if (job->session != NULL)
		sj__session_wait(job->session, clock_now());
	job->agent = ssh_agent_ask(job->signer->driver, job->socket,
	    SSH_AGENT_SIGN, request, (size_t)(writer.at - request), on_signed,
	    job);
	if (job->agent == NULL)
		fail(job, SJ_ERR_NO_CREDENTIAL, "ssh-agent went away");
}

/* The key of this try: the wanted one, or the nth that can be used. */
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
		if (reader.failed || sj__ssh_key_type(blob) == NULL)
			continue;
		if (job->wants_one ? blob.length == job->blob_length &&
		    memcmp(blob.data, job->blob, blob.length) == 0 :
		    ++*found == job->number_in_agent) {
			memcpy(job->blob, blob.data, blob.length);
			job->blob_length = blob.length;
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
	if (!job->wants_one && job->number_in_agent > found + 1)
		fail(job, SJ_ERR_NO_CREDENTIAL, NULL);
	else
		try_file(job);
}

/* --- The table --------------------------------------------------------- */

/* The first of the files that ssh looks for. */
static void
home_file(char *out, size_t size)
{
	static const char *const names[] = { "id_ed25519", "id_ecdsa",
	    "id_rsa" };
	const char *home = getenv("HOME");
	struct passwd *entry;

	if (home == NULL && (entry = getpwuid(getuid())) != NULL)
		home = entry->pw_dir;
	for (size_t i = 0; i < 3 && home != NULL; i++) {
		snprintf(out, size, "%s/.ssh/%s", home, names[i]);
		if (access(out, R_OK) == 0)
			return;
	}
	out[0] = '\0';
}

/* The line of key_file whose turn it is, to out; false: there is none. */
static bool
pick_line(struct job *job, const char *key_file, char *out, size_t size)
{
	unsigned passed = job->session != NULL ? job->session->keys_passed : 0;
	size_t length;

	for (; passed > 0 && key_file != NULL; passed--) {
		key_file = strchr(key_file, '\n');
		if (key_file != NULL)
			key_file++;
	}
	if (key_file == NULL)
		return false;
	length = strcspn(key_file, "\n");
	job->is_listed = key_file[length] == '\n';
	return snprintf(out, size, "%.*s", (int)length, key_file) < (int)size;
}

/* One of options.key_file as signer.h describes it. */
static void
read_options(struct job *job, const char *key_file)
{
	const char *socket = getenv("SSH_AUTH_SOCK"), *colon;
	size_t length;

	if (key_file != NULL && strcmp(key_file, "agent:") == 0) {
		if (socket != NULL && strlen(socket) < sizeof job->socket)
			strcpy(job->socket, socket);
		return; /* the files are named by themselves */
	}
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
	char error[PATH_SIZE + 200];
	bool done = true;

	if (key_file_read(job->file, NULL, &key, error, sizeof error) < 0) {
		fail(job, SJ_ERR_NO_CREDENTIAL, error);
	} else if (key.private_key != NULL) {
		sign_with(job, &key);
	} else {
		memcpy(job->blob, key.blob, key.blob_length);
		job->blob_length = key.blob_length;
		done = false;
	}
	key_file_clear(&key);
	return done;
}

/* The session is over. What is under way ends by itself. */
static void
on_forgotten(struct sj__question *question)
{
	struct job *job = container_of(question, struct job, question);

	job->session = NULL;
	if (question->text != NULL) {
		question->text = NULL;
		job->is_open = false;
	}
}

/* Begins with the key whose turn it is. */
static void
start(struct job *job, const char *key_file)
{
	char line[PATH_SIZE];
	unsigned answered = job->session != NULL ?
	    job->session->keys_answered : 0;

	job->socket[0] = job->file[0] = '\0';
	job->wants_one = job->is_listed = false;
	job->blob_length = 0;
	job->passphrases = 0;
	job->number_in_agent = job->number - answered;
	if (key_file != NULL && !pick_line(job, key_file, line, sizeof line)) {
		fail(job, SJ_ERR_NO_CREDENTIAL, NULL);
		return;
	}
	read_options(job, key_file != NULL ? line : NULL);
	if (job->wants_one && sign_named(job))
		return;
	if (job->socket[0] != '\0' &&
	    (!job->wants_one || job->blob_length > 0))
		job->agent = ssh_agent_ask(job->signer->driver, job->socket,
		    SSH_AGENT_IDENTITIES, NULL, 0, on_identities, job);
	if (job->agent != NULL)
		return;
	if (!job->wants_one && job->number_in_agent > 1)
		fail(job, SJ_ERR_NO_CREDENTIAL, NULL);
	else
		try_file(job);
}

static void
sign(const struct sj_signer *table, struct sj_endpoint *endpoint,
    uint64_t request, const struct sj_login_facts *facts)
{
	struct signer *signer = table->context;
	struct sj_answer full = { .error = SJ_ERR_LIMIT };
	struct job *job = NULL;

	for (int i = 0; i < JOBS_MAX && job == NULL; i++)
		if (!signer->jobs[i].is_open)
			job = &signer->jobs[i];
	if (job == NULL) {
		sj_core_answer(endpoint, request, &full);
		return;
	}
	memset(job, 0, sizeof *job);
	job->is_open = true;
	job->signer = signer;
	job->endpoint = endpoint;
	job->request = request;
	job->session = facts->session;
	job->question.answered = on_answered;
	job->question.forgotten = on_forgotten;
	sj__session_attach(job->session, clock_now(), &job->question);
	copy_facts(job, facts);
	start(job, facts->options->key_file);
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

	for (int i = 0; i < JOBS_MAX; i++) {
		ssh_agent_cancel(signer->jobs[i].agent);
		if (signer->jobs[i].unlock != NULL)
			driver_unwatch(signer->driver,
			    signer->jobs[i].unlock_fd);
		key_unlock_cancel(signer->jobs[i].unlock);
	}
	free(signer);
}
