/* SPDX-License-Identifier: ISC */
/* error.c - names, sentences and next steps of the errors in sojourn.h */
#include "core/base.h"

static const struct error {
	int value;
	enum sj_class class_;
	const char *name, *text, *next;
} errors[] = {
#define SJ_ERROR_ROW(name, value, class_, text, next) \
	{ value, SJ_CLASS_##class_, #name, text, next },
	SJ_ERRORS(SJ_ERROR_ROW)
#undef SJ_ERROR_ROW
};

static const struct error *
find(int value)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (errors[i].value == value)
			return &errors[i];
	return NULL;
}

const char *
sj_version(void)
{
	return "0.1.0";
}

const char *
sj_strerror(int err)
{
	const struct error *error = find(err);

	return error != NULL ? error->text : "unknown error";
}

const char *
sj_error_name(int err)
{
	const struct error *error = find(err);

	return error != NULL ? error->name : "SJ_ERR_UNKNOWN";
}

const char *
sj_error_next(int err)
{
	const struct error *error = find(err);

	return error != NULL ? error->next : "";
}

int
sj_error_class(int err)
{
	const struct error *error = find(err);

	return error != NULL ? (int)error->class_ : SJ_CLASS_NONE;
}
