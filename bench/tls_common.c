/* SPDX-License-Identifier: ISC */
/* bench/tls_common.c - see tls_common.h */
#include "common.h"
#include "tls_common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CIPHER "TLS_AES_128_GCM_SHA256"
#define GROUP "X25519"

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

static SSL_CTX *
make_context(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (context == NULL ||
	    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, CIPHER) != 1 ||
	    SSL_CTX_set1_groups_list(context, GROUP) != 1)
		die("no TLS 1.3");
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return context;
}

static void
set_controller(int fd, const char *name)
{
	if (name != NULL && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
	    (socklen_t)strlen(name)) != 0) {
		fprintf(stderr, "bench: this kernel does not let us use %s\n",
		    name);
		exit(3);
	}
}

void
tls_open(struct tls *tls, const char *controller)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	socklen_t size = sizeof tls->address;
	X509 *certificate;

	if (key == NULL)
		die("no key");
	certificate = make_certificate(key);
	tls->server = make_context(TLS_server_method());
	tls->client = make_context(TLS_client_method());
	if (SSL_CTX_use_certificate(tls->server, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(tls->server, key) != 1)
		die("the certificate does not fit");
	SSL_CTX_set_num_tickets(tls->server, 0);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(tls->client), certificate);
	SSL_CTX_set_verify(tls->client, SSL_VERIFY_PEER, NULL);
	enter_server_net();
	tls->listener = tls_socket(controller);
	tls->address = (struct sockaddr_in){ .sin_family = AF_INET };
	if (inet_pton(AF_INET, server_address(), &tls->address.sin_addr) != 1)
		die("%s is no address", server_address());
	if (bind(tls->listener, (struct sockaddr *)&tls->address,
	    sizeof tls->address) != 0 || listen(tls->listener, 1024) != 0 ||
	    getsockname(tls->listener, (struct sockaddr *)&tls->address,
	    &size) != 0)
		die("cannot listen");
}

int
tls_socket(const char *controller)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		die("no socket");
	set_controller(fd, controller);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

void
tls_connect_tcp(const struct tls *tls, int fd)
{
	if (connect(fd, (const struct sockaddr *)&tls->address,
	    sizeof tls->address) != 0)
		die("cannot connect");
}

void
tls_set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
		die("fcntl");
}

SSL *
tls_new(SSL_CTX *context, int fd)
{
	SSL *ssl = SSL_new(context);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		die("no TLS connection");
	return ssl;
}

SSL *
tls_accept(const struct tls *tls)
{
	int fd = accept(tls->listener, NULL, NULL), on = 1;
	SSL *ssl = tls_new(tls->server, fd);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (SSL_accept(ssl) != 1)
		die("the TLS handshake failed");
	return ssl;
}

SSL *
tls_connect(const struct tls *tls, const char *controller)
{
	int fd = tls_socket(controller);
	SSL *ssl = tls_new(tls->client, fd);

	tls_connect_tcp(tls, fd);
	if (SSL_connect(ssl) != 1)
		die("the TLS handshake failed");
	return ssl;
}

bool
tls_read(SSL *ssl, void *bytes, size_t length)
{
	size_t got = 0;

	while (got < length) {
		int n = SSL_read(ssl, (uint8_t *)bytes + got,
		    (int)(length - got));

		if (n <= 0 && got == 0 &&
		    SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
			return false;
		if (n <= 0)
			die("TLS: cannot read");
		got += (size_t)n;
	}
	return true;
}

void
tls_write(SSL *ssl, const void *bytes, size_t length)
{
	if (SSL_write(ssl, bytes, (int)length) != (int)length)
		die("TLS: cannot write");
}

const char *
tls_describe(void)
{
	static char text[256];

	snprintf(text, sizeof text, "\"checked\":true,\"cipher\":\"" CIPHER
	    "\",\"key_exchange\":\"" GROUP "\",\"provider\":\"%s\"",
	    OpenSSL_version(OPENSSL_VERSION_STRING));
	return text;
}
