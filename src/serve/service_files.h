/* SPDX-License-Identifier: ISC */
/*
 * serve/service_files.h - the built-in service "files": copy's other end
 *
 * Runs in a process of its own, started by the monitor: descriptor 0 is the
 * control stream, descriptor 3 a SOCK_SEQPACKET socket on which net hands over
 * every child stream as a descriptor. tool/copy_wire.h says what is spoken.
 */
#ifndef SOJOURN_SERVE_SERVICE_FILES_H
#define SOJOURN_SERVE_SERVICE_FILES_H

/* The whole process; its exit code. */
int service_files_main(void);

#endif
