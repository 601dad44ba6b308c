/* SPDX-License-Identifier: ISC */
/*
 * tool/json.h - JSON objects, one a line, out and (flat ones) in
 */
#ifndef SOJOURN_TOOL_JSON_H
#define SOJOURN_TOOL_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* {"name":...,...}\n: begin, fields in order, end. */
struct json {
	FILE *file;
	int count;
};
void json_begin(struct json *json, FILE *file);
/* NULL becomes null. Bytes that are not printable ASCII are escaped; bytes
 * that are not UTF-8 become U+FFFD. */
void json_text(struct json *json, const char *name, const char *text);
void json_number(struct json *json, const char *name, uint64_t number);
/* A number of seconds, to the microsecond. */
void json_seconds(struct json *json, const char *name, uint64_t ns);
void json_bool(struct json *json, const char *name, int is_true);
void json_end(struct json *json);

/* From one flat object (no object or array inside). 1: found, 0: not, or not
 * a flat object. A text that is cut is not found. */
int json_find_text(const char *line, const char *name, char *out,
    size_t capacity);
int json_find_number(const char *line, const char *name, uint64_t *number);

#endif
