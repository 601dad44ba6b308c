/* SPDX-License-Identifier: ISC */
/*
 * bench/tls_common.h - what the TLS 1.3 peers share
 *
 * OpenSSL over TCP on loopback: AES-128-GCM, X25519, a P-256 certificate made
 * here and checked by the client, no client authentication, no tickets.
 */
#ifndef BENCH_TLS_COMMON_H
#define BENCH_TLS_COMMON_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>

struct tls {
	SSL_CTX *server, *client;
	int listener;
	struct sockaddr_in address;
};

/* With a listener on a port of its own. controller: of TCP; NULL: whatever the
 * system has. Exit code 3: this kernel does not have it, or forbids it. */
void tls_open(struct tls *tls, const char *controller);
/* A socket for the client, with that controller. */
int tls_socket(const char *controller);
void tls_connect_tcp(const struct tls *tls, int fd);
void tls_set_nonblocking(int fd);
SSL *tls_new(SSL_CTX *context, int fd);
/* A handshake that waits; dies if it fails. */
SSL *tls_accept(const struct tls *tls);
SSL *tls_connect(const struct tls *tls, const char *controller);
/* Exactly so many bytes; false: the end came before the first. */
bool tls_read(SSL *ssl, void *bytes, size_t length);
void tls_write(SSL *ssl, const void *bytes, size_t length);
/* Members of the result. */
const char *tls_describe(void);

#endif
