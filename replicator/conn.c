/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP and TLS; see conn.h. SSL_read(3), SSL_set_verify(3), tcp(7). */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"

enum { BACKLOG = 4, SOCKET_BUFFER = 4 << 20 };

struct conn_context {
	SSL_CTX *tls; /* NULL: plain */
	char peer_name[CONFIG_ADDRESS_SIZE];
};

struct conn {
	int fd;
	SSL *ssl;
	pthread_mutex_t lock; /* around calls into `ssl` */
	char peer[80];
};

/* ---- certificates ---- */

static int fail_ssl(struct nic_error *err, const char *field, const char *path)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return nic_fail(err, RENIC_E_IO, field, "%s: %s cannot be used: %s", field, path,
		reason ? reason : "cannot be read");
}

static int load_files(SSL_CTX *ctx, const struct config_tls *tls, struct nic_error *err)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, tls->cert) != 1)
		return fail_ssl(err, "tls.cert", tls->cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, tls->key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(ctx) != 1)
		return fail_ssl(err, "tls.key", tls->key);
	if (SSL_CTX_load_verify_locations(ctx, tls->ca, NULL) != 1)
		return fail_ssl(err, "tls.ca", tls->ca);
	return 0;
}

int conn_context_new(
	const struct remus_config *config, struct conn_context **context, struct nic_error *err)
{
	struct conn_context *c = calloc(1, sizeof(*c));
	int rc = 0;

	if (!c)
		return nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	if (config->has_tls) {
		snprintf(c->peer_name, sizeof(c->peer_name), "%s", config->tls.peer_name);
		c->tls = SSL_CTX_new(TLS_method());
		if (!c->tls) {
			free(c);
			return nic_fail(err, RENIC_E_RESOURCES, "tls", "OpenSSL has no memory");
		}
		SSL_CTX_set_min_proto_version(c->tls, TLS1_3_VERSION);
		SSL_CTX_set_verify(c->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		/* Session tickets would let a peer in without its certificate being looked at. */
		SSL_CTX_set_num_tickets(c->tls, 0);
		SSL_CTX_set_session_cache_mode(c->tls, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_mode(c->tls,
			SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		rc = load_files(c->tls, &config->tls, err);
	}
	if (rc)
		conn_context_free(c);
	else
		*context = c;
	return rc;
}

void conn_context_free(struct conn_context *context)
{
	if (context)
		SSL_CTX_free(context->tls);
	free(context);
}

/* ---- addresses ---- */

static struct addrinfo *resolve(const char *address, int flags, struct nic_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list = NULL;
	char host[CONFIG_ADDRESS_SIZE];
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;
	int rc = EAI_NONAME;

	if (colon && n < sizeof(host)) {
		memcpy(host, address, n);
		host[n] = '\0';
		if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
			memmove(host, host + 1, n);
			host[n - 2] = '\0';
		}
		rc = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &list);
	}
	if (rc)
		nic_fail(err, RENIC_E_PARAMS, "address", "%s: expected HOST:PORT: %s", address,
			gai_strerror(rc));
	return rc ? NULL : list;
}

int conn_listen(const char *address, struct nic_error *err)
{
	struct addrinfo *list = resolve(address, AI_PASSIVE, err);
	int fd, one = 1;

	if (!list)
		return err->code;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, list->ai_addr, list->ai_addrlen) || listen(fd, BACKLOG)) {
		nic_fail(err, RENIC_E_IO, "listen", "%s: cannot listen: %s", address,
			strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = err->code;
	}
	freeaddrinfo(list);
	return fd;
}

/* ---- connections ---- */

static void name_peer(struct conn *c)
{
	struct sockaddr_storage addr;
	socklen_t n = sizeof(addr);
	char host[64] = "?", port[8] = "?";

	if (!getpeername(c->fd, (struct sockaddr *)&addr, &n))
		getnameinfo((struct sockaddr *)&addr, n, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(c->peer, sizeof(c->peer), "%s:%s", host, port);
}

static struct conn *wrap(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1, size = SOCKET_BUFFER;

	if (!c) {
		close(fd);
		return NULL;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	c->fd = fd;
	pthread_mutex_init(&c->lock, NULL);
	name_peer(c);
	return c;
}

static int wait_for(struct conn *c, short events, int64_t deadline)
{
	struct pollfd pfd = {.fd = c->fd, .events = events};
	int n;

	do {
		n = poll(&pfd, 1, ms_until(deadline, 60000));
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -ETIMEDOUT;
}

/* What OpenSSL waits for, or 0: the connection is broken. */
static short ssl_wants(struct conn *c, int n)
{
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

static int fail_handshake(struct conn *c, bool timeout, struct nic_error *err)
{
	long verify = SSL_get_verify_result(c->ssl);
	unsigned long code = ERR_peek_last_error();
	const char *why = "the peer closed the connection";

	if (timeout)
		why = "no answer in time";
	else if (verify != X509_V_OK)
		why = X509_verify_cert_error_string(verify);
	else if (code && ERR_reason_error_string(code))
		why = ERR_reason_error_string(code);
	nic_fail(err, RENIC_E_PERMISSION, "tls", "TLS with %s failed: %s", c->peer, why);
	ERR_clear_error();
	return err->code;
}

/* Certificates are checked in here: what fails never gets a byte of the stream. */
static int handshake(struct conn *c, struct conn_context *context, bool server, int64_t deadline,
	struct nic_error *err)
{
	if (!context->tls)
		return 0;
	c->ssl = SSL_new(context->tls);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
		return nic_fail(err, RENIC_E_RESOURCES, "tls", "OpenSSL has no memory");
	if (context->peer_name[0])
		SSL_set1_host(c->ssl, context->peer_name);
	ERR_clear_error();
	for (;;) {
		int n = server ? SSL_accept(c->ssl) : SSL_connect(c->ssl);
		short wants = n == 1 ? 0 : ssl_wants(c, n);

		if (n == 1)
			return 0;
		if (!wants)
			return fail_handshake(c, false, err);
		if (wait_for(c, wants, deadline))
			return fail_handshake(c, true, err);
	}
}

struct conn *conn_accept(
	struct conn_context *context, int fd, int timeout_ms, struct nic_error *err)
{
	struct conn *c = wrap(fd);

	if (c && !handshake(c, context, true, now_ns() + timeout_ms * NS_PER_MS, err))
		return c;
	if (!c)
		nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	else
		conn_close(c);
	return NULL;
}

static int connect_one(const struct addrinfo *ai, int64_t deadline)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t n = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) && errno != EINPROGRESS)
		error = errno;
	else if (poll(&pfd, 1, ms_until(deadline, 60000)) <= 0)
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (!error)
		return fd;
	close(fd);
	return -error;
}

struct conn *conn_connect(
	struct conn_context *context, const char *address, int timeout_ms, struct nic_error *err)
{
	int64_t deadline = now_ns() + timeout_ms * NS_PER_MS;
	struct addrinfo *list = resolve(address, 0, err);
	struct conn *c;
	int fd = -EINVAL;

	if (!list)
		return NULL;
	for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = connect_one(ai, deadline);
	freeaddrinfo(list);
	if (fd < 0) {
		nic_fail(err, RENIC_E_IO, "peer", "%s: %s", address, strerror(-fd));
		return NULL;
	}
	c = wrap(fd);
	if (c && !handshake(c, context, false, deadline, err))
		return c;
	if (!c)
		nic_fail(err, RENIC_E_RESOURCES, "", "no memory");
	else
		conn_close(c);
	return NULL;
}

/* One attempt: bytes, 0 at the end of the stream, -EAGAIN with *wants, or -errno. */
static ssize_t try_read(struct conn *c, void *buf, size_t n, short *wants)
{
	ssize_t got;

	*wants = POLLIN;
	if (!c->ssl) {
		got = recv(c->fd, buf, n, 0);
		return got < 0 ? -errno : got;
	}
	pthread_mutex_lock(&c->lock);
	ERR_clear_error();
	got = SSL_read(c->ssl, buf, n > INT32_MAX ? INT32_MAX : (int)n);
	if (got <= 0) {
		*wants = ssl_wants(c, (int)got);
		got = *wants ? -EAGAIN : 0;
	}
	pthread_mutex_unlock(&c->lock);
	return got;
}

static ssize_t try_write(struct conn *c, const void *buf, size_t n, short *wants)
{
	ssize_t sent;

	*wants = POLLOUT;
	if (!c->ssl) {
		sent = send(c->fd, buf, n, MSG_NOSIGNAL);
		return sent < 0 ? -errno : sent;
	}
	pthread_mutex_lock(&c->lock);
	ERR_clear_error();
	sent = SSL_write(c->ssl, buf, n > INT32_MAX ? INT32_MAX : (int)n);
	if (sent <= 0) {
		*wants = ssl_wants(c, (int)sent);
		sent = *wants ? -EAGAIN : -EPIPE;
	}
	pthread_mutex_unlock(&c->lock);
	return sent;
}

ssize_t conn_read(struct conn *c, void *buf, size_t n, int timeout_ms)
{
	int64_t deadline = now_ns() + timeout_ms * NS_PER_MS;
	short wants;

	for (;;) {
		ssize_t got = try_read(c, buf, n, &wants);

		if (got > 0)
			return got;
		if (got == 0)
			return -EPIPE;
		if (got != -EAGAIN && got != -EINTR)
			return got;
		if (wait_for(c, wants, deadline))
			return -ETIMEDOUT;
	}
}

int conn_write(struct conn *c, const void *buf, size_t n, int timeout_ms)
{
	int64_t deadline = now_ns() + timeout_ms * NS_PER_MS;
	const uint8_t *p = buf;
	short wants;

	while (n > 0) {
		ssize_t sent = try_write(c, p, n, &wants);

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
			deadline = now_ns() + timeout_ms * NS_PER_MS;
		} else if (sent != -EAGAIN && sent != -EINTR) {
			return sent ? (int)sent : -EPIPE;
		} else if (wait_for(c, wants, deadline)) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

void conn_shutdown(struct conn *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

/* No close_notify: the stream has its own end. */
void conn_close(struct conn *c)
{
	if (!c)
		return;
	SSL_free(c->ssl);
	close(c->fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

const char *conn_peer(const struct conn *c)
{
	return c->peer;
}
