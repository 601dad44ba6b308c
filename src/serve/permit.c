/* SPDX-License-Identifier: ISC */
/*
 * serve/permit.c - see permit.h
 */
#include <string.h>
#include <strings.h>

#include "serve/permit.h"

int
permit_switch(int *forbidden, const char *value, const char **why)
{
	/* "local" is what clients ask the server to connect, as -L does;
	 * "remote" is what the server would listen on */
	static const struct { const char *word; int forbidden; } words[] = {
		{ "yes", 0 }, { "all", 0 }, { "local", 0 },
		{ "no", 1 }, { "remote", 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(words[i].word, value) != 0)
			continue;
		*forbidden = words[i].forbidden;
		return 0;
	}
	*why = "not yes, no, all, local or remote";
	return SJ_ERR_ARGUMENT;
}

static int
add_place(struct permit *permit, char *word)
{
	struct permit_place *place = &permit->places[permit->count];
	char *colon = strrchr(word, ':'), *host = word;

	if (colon == NULL || colon == word)
		return SJ_ERR_ARGUMENT;
	*colon = '\0';
	if (host[0] == '[' && colon[-1] == ']') {
		host++;
		colon[-1] = '\0';
	} else if (strchr(host, ':') != NULL) {
		return SJ_ERR_ARGUMENT;
	}
	if (host[0] == '\0' || strlen(host) >= sizeof(place->host))
		return SJ_ERR_ARGUMENT;
	place->port = 0;
	if (strcmp(colon + 1, "*") != 0 &&
	    !forward_parse_port(colon + 1, 0, &place->port))
		return SJ_ERR_ARGUMENT;
	strcpy(place->host, host);
	permit->count++;
	return 0;
}

int
permit_open(struct permit *permit, const char *value, const char **why)
{
	char copy[4096], *rest = copy, *word;

	if (strcasecmp(value, "any") == 0)
		return 0;
	permit->only_listed = 1;
	if (strcasecmp(value, "none") == 0)
		return 0;
	*why = "places are HOST:PORT or [IPV6]:PORT, * for any host or port";
	if (strlen(value) >= sizeof(copy))
		return SJ_ERR_ARGUMENT;
	strcpy(copy, value);
	while ((word = strsep(&rest, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (permit->count == PERMIT_PLACES_MAX) {
			*why = "too many places";
			return SJ_ERR_ARGUMENT;
		}
		if (add_place(permit, word) != 0)
			return SJ_ERR_ARGUMENT;
	}
	return 0;
}

int
permit_allows(const struct permit *permit, const struct forward_place *place)
{
	size_t i;

	if (place->is_path)
		return !permit->no_paths;
	if (permit->no_tcp)
		return 0;
	if (!permit->only_listed)
		return 1;
	for (i = 0; i < permit->count; i++)
		if ((permit->places[i].port == 0 ||
		    permit->places[i].port == place->port) &&
		    (strcmp(permit->places[i].host, "*") == 0 ||
		    strcasecmp(permit->places[i].host, place->host) == 0))
			return 1;
	return 0;
}
