/* SPDX-License-Identifier: ISC */
/*
 * bench/tls.c - the peer: TLS 1.3 over TCP by OpenSSL
 *
 * tls SECONDS CONTROLLER: one connection over loopback, AES-128-GCM, writes of
 * 16 KiB, a P-256 certificate made here and checked by the client. Exit code
 * 3: this kernel does not have the congestion controller, or forbids it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define CIPHER "TLS_AES_128_GCM_SHA256"

static X509 *
make_certificate(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, key);
	if (X509_sign(certificate, key, EVP_sha256()) == 0)
		die("no certificate");
	return certificate;
}

static SSL *
make_ssl(const SSL_METHOD *method, X509 *certificate, EVP_PKEY *key, int fd)
{
	SSL_CTX *context = SSL_CTX_new(method);
	SSL *ssl;

	if (context == NULL ||
	    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, CIPHER) != 1)
		die("no TLS 1.3");
	if (key != NULL) {
		if (SSL_CTX_use_certificate(context, certificate) != 1 ||
		    SSL_CTX_use_PrivateKey(context, key) != 1)
			die("the certificate does not fit");
		SSL_CTX_set_num_tickets(context, 0);
	} else {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(context),
		    certificate);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	}
	ssl = SSL_new(context);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		die("no TLS connection");
	return ssl;
}

static void
set_controller(int fd, const char *name)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
	    (socklen_t)strlen(name)) != 0) {
		fprintf(stderr, "bench: this kernel does not let us use %s\n",
		    name);
		exit(3);
	}
}

static void
send_all(X509 *certificate, struct sockaddr_in address,
    const char *controller, double seconds, int out)
{
	static struct content content;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t end_ns;
	SSL *ssl;

	content_init(&content);
	set_controller(fd, controller);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		die("cannot connect");
	ssl = make_ssl(TLS_client_method(), certificate, NULL, fd);
	if (SSL_connect(ssl) != 1)
		die("the TLS handshake failed");
	end_ns = clock_ns() + (uint64_t)(seconds * 1e9);
	while (clock_ns() < end_ns) {
		size_t length;
		const uint8_t *bytes = content_next(&content, &length);

		if (SSL_write(ssl, bytes, (int)length) != (int)length)
			die("TLS: cannot write");
		content_advance(&content, length);
	}
	SSL_shutdown(ssl);
	tell(out, content.offset);
	/* Until the receiver has read its end: no reset may overtake it. */
	shutdown(fd, SHUT_WR);
	SSL_read(ssl, &end_ns, sizeof end_ns);
	exit(0);
}

int
main(int argc, char **argv)
{
	static struct content content;
	static uint8_t buffer[WRITE_SIZE];
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t address_size = sizeof address;
	struct measure measure = { 0 };
	int listener, fd, child, n, ends[2];
	EVP_PKEY *key;
	X509 *certificate;
	uint64_t sent;
	char more[256];
	SSL *ssl;

	if (argc != 3)
		die("usage: tls SECONDS CONTROLLER");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	set_controller(listener, argv[2]);
	key = EVP_EC_gen("P-256");
	if (key == NULL || pipe(ends) != 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(listener, 1) != 0 || getsockname(listener,
	    (struct sockaddr *)&address, &address_size) != 0)
		die("cannot listen");
	certificate = make_certificate(key);
	child = fork();
	if (child < 0)
		die("no second process");
	if (child == 0) {
		child_begin(0);
		close(ends[0]);
		send_all(certificate, address, argv[2], atof(argv[1]),
		    ends[1]);
	}
	close(ends[1]);
	pin(1);
	content_init(&content);
	fd = accept(listener, NULL, NULL);
	ssl = make_ssl(TLS_server_method(), certificate, key, fd);
	if (SSL_accept(ssl) != 1)
		die("the TLS handshake failed");
	while ((n = SSL_read(ssl, buffer, sizeof buffer)) > 0) {
		if (!content_check(&content, buffer, (size_t)n))
			die("wrong content near byte %llu",
			    (unsigned long long)content.offset);
		measure_add(&measure, (uint64_t)n);
	}
	if (SSL_get_error(ssl, n) != SSL_ERROR_ZERO_RETURN)
		die("TLS: cannot read");
	snprintf(more, sizeof more, ",\"checked\":true,\"cipher\":\"%s\","
	    "\"provider\":\"%s\",\"controller\":\"%s\",\"write_size\":%zu",
	    SSL_get_cipher_name(ssl), OpenSSL_version(OPENSSL_VERSION_STRING),
	    argv[2], WRITE_SIZE);
	sent = hear(ends[0]);
	if (sent != content.offset)
		die("%llu bytes sent, %llu received", (unsigned long long)sent,
		    (unsigned long long)content.offset);
	close(fd);
	report(&measure, child, sent, more);
	return 0;
}
