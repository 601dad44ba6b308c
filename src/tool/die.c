/* SPDX-License-Identifier: ISC */
/*
 * tool/die.c - see die.h
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sojourn.h>

#include "tool/die.h"
#include "tool/printable.h"

static void
print_line(const char *text)
{
	char line[4 * 2048];

	fprintf(stderr, "%s\n", printable(text, line, sizeof(line)));
}

static void
complain_list(const char *class_name, const char *next, const char *format,
    va_list arguments)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, arguments);
	fflush(stdout);
	fprintf(stderr, "sojourn: %s: ", class_name);
	print_line(text);
	if (next != NULL && next[0] != '\0') {
		fputs("  next: ", stderr);
		print_line(next);
	}
}

int
complain(const char *class_name, const char *next, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain_list(class_name, next, format, arguments);
	va_end(arguments);
	return EXIT_SOJOURN;
}

int
complain_error(int error, const char *cause)
{
	if (cause == NULL || cause[0] == '\0')
		cause = sj_strerror(error);
	return complain(error_class_name(error), error_next(error), "%s",
	    cause);
}

void
die(const char *class_name, const char *next, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain_list(class_name, next, format, arguments);
	va_end(arguments);
	exit(EXIT_SOJOURN);
}

const char *
error_next(int error)
{
	if (error == ERROR_CONFIGURED)
		return "correct it there; `sojourn -G TARGET` reads it again";
	if (error == SJ_ERR_ARGUMENT)
		return "sojourn help";
	return sj_error_next(error);
}

const char *
error_class_name(int error)
{
	if (error == ERROR_CONFIGURED)
		return "local";
	if (error == SJ_ERR_ARGUMENT)
		return "usage";
	switch ((enum sj_class)sj_error_class(error)) {
	case SJ_CLASS_CALLER:
		return "program";
	case SJ_CLASS_LOCAL:
		return "local";
	case SJ_CLASS_NETWORK:
		return "network";
	case SJ_CLASS_LOGIN:
		return "login";
	case SJ_CLASS_SESSION:
		return "session";
	case SJ_CLASS_STREAM:
		return "stream";
	case SJ_CLASS_NONE:
		break;
	}
	return "program";
}
