/* SPDX-License-Identifier: ISC */
/*
 * tool/die.h - errors as people meet them
 *
 *     sojourn: CLASS: cause
 *       next: what to do
 */
#ifndef SOJOURN_TOOL_DIE_H
#define SOJOURN_TOOL_DIE_H

#define EXIT_SOJOURN 255
/* Beside enum sj_err: what a configuration file says cannot be. */
#define ERROR_CONFIGURED (-1000)

/* Prints the two lines; next NULL or "": one. Control characters in the cause
 * are escaped. Returns 255, for main to return. */
__attribute__((format(printf, 3, 4)))
int complain(const char *class_name, const char *next, const char *format, ...);
/* Of an enum sj_err or ERROR_CONFIGURED; cause NULL or "": the error's own
 * sentence. */
int complain_error(int error, const char *cause);
/* complain(), then exit(255). */
__attribute__((format(printf, 3, 4), noreturn))
void die(const char *class_name, const char *next, const char *format, ...);
/* "login" of SJ_ERR_REFUSED; "usage" of SJ_ERR_ARGUMENT: here it is what was
 * typed, not what a program called. */
const char *error_class_name(int error);
/* As sj_error_next(), for whoever uses the command. */
const char *error_next(int error);

#endif
