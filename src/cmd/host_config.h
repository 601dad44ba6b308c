/* SPDX-License-Identifier: ISC */
/*
 * cmd/host_config.h - what the configuration files make of a TARGET
 *
 * Three places, of which the first that gives a value counts: the command
 * line, ~/.config/sojourn/config, ~/.ssh/config. sojourn-config(5) tells users
 * what is read there.
 */
#ifndef SOJOURN_CMD_HOST_CONFIG_H
#define SOJOURN_CMD_HOST_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "tool/target.h"

#define IDENTITY_FILES_MAX 100
#define KEY_FILES_SIZE 512           /* of sj_login_options.key_file */

struct host_config {
	struct target target;        /* where it leads */
	int names_host;              /* a HostName was given: host is an alias */
	char *identity_files[IDENTITY_FILES_MAX]; /* as written, in order */
	size_t identity_count;
	int identities_only;
	char *server_key;            /* or NULL */
	int accept_new;
	uint32_t timeout_s;          /* 0: not given */
};

/* text: [user@]host[:port][/application]. file: of --config, "none", or NULL
 * for the usual ones. words: tell on stderr what was left out. 0, or a negative
 * enum sj_err or ERROR_CONFIGURED with error filled; to be freed in both
 * cases. */
int host_config_load(struct host_config *config, const char *text,
    const char *file, int words, char *error, size_t capacity);
void host_config_free(struct host_config *config);
/* The keys to log in with, for sj_login_options.key_file: files that are there,
 * and the agent; a file that is not there, for its error, if there is nothing
 * else. out is "" where the configuration says nothing of keys. */
void host_config_keys(const struct host_config *config, int words, char *out,
    size_t capacity);

#endif
