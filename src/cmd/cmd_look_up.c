/* SPDX-License-Identifier: ISC */
/*
 * cmd/cmd_look_up.c - sojourn -G: what the configuration makes of a TARGET
 *
 * In the words of `ssh -G`, as far as they are ours; with -v also which keys a
 * login would try.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/host_config.h"
#include "tool/die.h"
#include "tool/json.h"
#include "tool/printable.h"

static void
print(const char *name, const char *value)
{
	char text[4 * 1024];

	printf("%s %s\n", name, printable(value, text, sizeof(text)));
}

static void
print_words(const struct host_config *config)
{
	const struct target *target = &config->target;
	size_t i;

	print("host", target->typed_host);
	print("user", target->user);
	print("hostname", target->host);
	printf("port %u\n", target->port);
	if (target->application[0] != '\0')
		print("application", target->application);
	for (i = 0; i < config->identity_count; i++)
		print("identityfile", config->identity_files[i]);
	print("identitiesonly", config->identities_only ? "yes" : "no");
	print("stricthostkeychecking",
	    config->accept_new ? "accept-new" : "ask");
	if (config->server_key != NULL)
		print("serverkey", config->server_key);
	if (config->timeout_s != 0)
		printf("connecttimeout %u\n", config->timeout_s);
}

static void
print_keys(const struct host_config *config)
{
	char keys[KEY_FILES_SIZE], *rest = keys, *one;

	host_config_keys(config, 1, keys, sizeof(keys));
	while ((one = strsep(&rest, "\n")) != NULL && *one != '\0')
		print("key", one);
}

static void
print_json(const struct host_config *config)
{
	const struct target *target = &config->target;
	char place[TARGET_MAX], name[40];
	struct json json;
	size_t i;

	target_format(target, place, sizeof(place));
	json_begin(&json, stdout);
	json_text(&json, "host", target->typed_host);
	json_text(&json, "target", place);
	json_text(&json, "user", target->user);
	json_text(&json, "hostname", target->host);
	json_number(&json, "port", target->port);
	json_text(&json, "application", target->application);
	for (i = 0; i < config->identity_count; i++) {
		snprintf(name, sizeof(name), "identityfile%zu", i + 1);
		json_text(&json, name, config->identity_files[i]);
	}
	json_bool(&json, "identitiesonly", config->identities_only);
	json_bool(&json, "accept_new", config->accept_new);
	json_text(&json, "serverkey", config->server_key);
	json_number(&json, "connecttimeout", config->timeout_s);
	json_end(&json);
}

int
cmd_look_up(const struct command *command, int argc, char **argv)
{
	struct common common;
	struct host_config config;
	char error[1024];
	int result;

	if (command_options(command, &common, NULL, argc, argv) != 1)
		return command_misuse(command, "needs one TARGET");
	result = host_config_load(&config, argv[1], common.config,
	    common.verbose, error, sizeof(error));
	if (result != 0)
		result = complain_error(result, error);
	else if (common.json)
		print_json(&config);
	else
		print_words(&config);
	if (result == 0 && common.verbose && !common.json)
		print_keys(&config);
	host_config_free(&config);
	return result;
}
