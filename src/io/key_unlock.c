/* SPDX-License-Identifier: ISC */
/* key_unlock.c - opening a key file with its passphrase, without blocking */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/key_unlock.h"

/* Thread and owner each hold it; who lets go last frees it. */
struct key_unlock {
	atomic_int holders;
	int fd;                         /* the owner's end of the pipe */
	int thread_fd;
	int result;
	struct key_file key;
	char error[1024];
	char path[4096];
	char passphrase[PASSPHRASE_MAX];
};

static void
let_go(struct key_unlock *unlock)
{
	if (atomic_fetch_sub(&unlock->holders, 1) > 1)
		return;
	key_file_clear(&unlock->key);
	sj__wipe(unlock, sizeof *unlock);
	free(unlock);
}

static void *
run(void *data)
{
	struct key_unlock *unlock = data;
	int fd = unlock->thread_fd;

	unlock->result = key_file_read(unlock->path, unlock->passphrase,
	    &unlock->key, unlock->error, sizeof unlock->error);
	sj__wipe(unlock->passphrase, sizeof unlock->passphrase);
	let_go(unlock);
	close(fd);                      /* the end of the pipe is the word */
	return NULL;
}

struct key_unlock *
key_unlock_start(const char *path, const char *passphrase, int *fd)
{
	struct key_unlock *unlock = calloc(1, sizeof *unlock);
	sigset_t all, old;
	pthread_attr_t attributes;
	pthread_t thread;
	int ends[2], error;

	if (unlock == NULL)
		return NULL;
	if (strlen(path) >= sizeof unlock->path ||
	    strlen(passphrase) >= sizeof unlock->passphrase ||
	    pipe2(ends, O_CLOEXEC) < 0) {
		free(unlock);
		return NULL;
	}
	atomic_init(&unlock->holders, 2);
	strcpy(unlock->path, path);
	/* Who read it with fgets() has the end of the line in it. */
	memcpy(unlock->passphrase, passphrase, strcspn(passphrase, "\r\n"));
	*fd = unlock->fd = ends[0];
	unlock->thread_fd = ends[1];
	/* Signals belong to the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, run, unlock);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		return unlock;
	close(ends[0]);
	close(ends[1]);
	sj__wipe(unlock, sizeof *unlock);
	free(unlock);
	errno = error;
	return NULL;
}

int
key_unlock_take(struct key_unlock *unlock, struct key_file *key, char *error,
    size_t capacity)
{
	int result = unlock->result;

	*key = unlock->key;
	unlock->key.private_key = NULL;
	snprintf(error, capacity, "%s", unlock->error);
	key_unlock_cancel(unlock);
	return result;
}

void
key_unlock_cancel(struct key_unlock *unlock)
{
	if (unlock == NULL)
		return;
	close(unlock->fd);
	let_go(unlock);
}
