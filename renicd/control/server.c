/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread's loop; see server.h. One round:
 *
 *   wait -> take in (sources, bytes of clients) -> serve whole lines -> tick -> reap -> re-arm
 *
 * epoll is level-triggered, so nothing is lost by stopping early: a client's remaining lines are
 * served in the next round, which then does not wait. Clients are freed in `reap` only.
 *
 * A checkpoint is on a paused VM's clock, so owners are served before peers that may only read,
 * and these share READERS_BUDGET_US a round.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "client.h"
#include "log.h"
#include "server.h"

enum {
	EVENTS_PER_ROUND = 32,
	ACCEPTS_PER_ROUND = 16,
	REQUESTS_PER_ROUND = 16, /* of one owner; a reader has one */
	READERS_BUDGET_US = 250,
	TICK_IDLE_MS = 100,
	TICK_TIMEOUT_MS = 10, /* while a group has a replicator timeout */
};

/* What the loop watches besides clients. */
struct source {
	int fd;
	void (*ready)(struct control_server *s);
};

/* From SOURCE_NIC on: watched only while the loop runs, as the device may not be there before. */
enum { SOURCE_LISTEN, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_NIC, SOURCE_ASK, SOURCES };

struct control_server {
	struct listener listener;
	int epoll_fd;
	struct source sources[SOURCES];
	struct client *clients[CONTROL_CLIENTS_MAX];
	unsigned n_clients;
	unsigned next_reader; /* whose turn it is */
	uint64_t next_token;
	unsigned tick_ms;
	bool tick_due;
	bool ask_due;
	void (*on_tick)(void);
	bool accept_paused; /* no descriptors left: until the next tick */
	bool accept_fails;  /* and said so in the log */
	bool stop;
	struct json_writer answer, event; /* buffers, kept from one message to the next */
};

/* An empty line in a buffer that is used again and again. */
static struct json_writer *new_line(struct json_writer *w)
{
	w->len = 0;
	w->failed = false;
	return w;
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- timer ---- */

static void see_timeout(const struct group_info *info, void *arg)
{
	bool *any = arg;

	*any = *any || info->config.replicator_timeout_ms > 0;
}

static void set_tick(struct control_server *s)
{
	struct itimerspec spec = {0};
	bool any = false;
	unsigned ms;

	nic_group_foreach(see_timeout, &any);
	ms = any ? TICK_TIMEOUT_MS : TICK_IDLE_MS;
	if (ms == s->tick_ms)
		return;
	s->tick_ms = ms;
	spec.it_interval.tv_nsec = spec.it_value.tv_nsec = (long)ms * 1000000;
	timerfd_settime(s->sources[SOURCE_TIMER].fd, 0, &spec, NULL);
}

static void watch_listener(struct control_server *s, bool on)
{
	struct source *source = &s->sources[SOURCE_LISTEN];
	struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = source};

	epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
	s->accept_paused = !on;
}

static void timer_ready(struct control_server *s)
{
	uint64_t expirations;

	if (read(s->sources[SOURCE_TIMER].fd, &expirations, sizeof(expirations)) < 0)
		return;
	s->tick_due = true;
	if (s->on_tick)
		s->on_tick();
	if (s->accept_paused)
		watch_listener(s, true);
}

static void nic_ready(struct control_server *s)
{
	s->tick_due = true;
}

static void ask_ready(struct control_server *s)
{
	s->ask_due = true;
}

static void signal_ready(struct control_server *s)
{
	struct signalfd_siginfo info;

	while (read(s->sources[SOURCE_SIGNAL].fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			continue;
		LOG_NOTICE("signal %u: ending", info.ssi_signo);
		s->stop = true;
	}
}

/* ---- clients ---- */

static unsigned count_readers(const struct control_server *s)
{
	unsigned i, n = 0;

	for (i = 0; i < s->n_clients; i++)
		n += !s->clients[i]->peer.may_change;
	return n;
}

/* Too many are connected: say so, as far as the socket takes it, and hang up. */
static void turn_away(struct control_server *s, int fd)
{
	struct nic_error err;

	nic_fail(&err, RENIC_E_RESOURCES, "",
		"too many control connections (at most %d, %d of "
		"them by peers that may only read)",
		CONTROL_CLIENTS_MAX, CONTROL_READERS_MAX);
	jsonrpc_write_error(new_line(&s->event), &err);
	if (!s->event.failed)
		send(fd, s->event.buf, s->event.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	LOG_INFO("control: connection refused, %u are open", s->n_clients);
}

static void add_client(struct control_server *s, int fd)
{
	const struct rpc_peer peer = {
		.client = s->next_token++,
		.may_change = listener_may_change(&s->listener, listener_peer_uid(fd)),
	};
	struct epoll_event event = {.events = EPOLLIN};
	struct client *c;

	if (s->n_clients == CONTROL_CLIENTS_MAX ||
		(!peer.may_change && count_readers(s) >= CONTROL_READERS_MAX)) {
		turn_away(s, fd);
		return;
	}
	c = client_new(fd, &peer);
	if (!c)
		return;
	event.data.ptr = c;
	c->watched = event.events;
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		client_free(c);
		return;
	}
	s->clients[s->n_clients++] = c;
	LOG_DEBUG("client %llu: connected, may %s", (unsigned long long)peer.client,
		peer.may_change ? "change" : "read");
}

static void listen_ready(struct control_server *s)
{
	int i, fd;

	for (i = 0; i < ACCEPTS_PER_ROUND; i++) {
		fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			s->accept_fails = false;
			add_client(s, fd);
			continue;
		}
		/* Out of descriptors or memory: level-triggered epoll would spin on it. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			if (!s->accept_fails)
				LOG_WARN("control: accept: %s", strerror(errno));
			s->accept_fails = true;
			watch_listener(s, false);
		}
		return;
	}
}

static bool is_blank(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

static void handle_line(struct control_server *s, struct client *c, const char *line, size_t len)
{
	struct rpc_reply reply = {.json = *new_line(&s->answer)};

	nic_client_alive(c->peer.client);
	if (is_blank(line, len)) /* just a sign of life */
		return;
	jsonrpc_handle(&c->peer, line, len, &reply);
	if (reply.json.failed)
		c->dead = true;
	if (c->dead)
		rpc_reply_drop_fds(&reply, 0);
	else if (reply.json.len)
		client_send(c, reply.json.buf, reply.json.len, reply.fds, reply.n_fds);
	s->answer = reply.json;
	if (reply.groups_changed)
		set_tick(s);
}

static void refuse_length(struct control_server *s, struct client *c)
{
	struct nic_error err;

	nic_fail(&err, RENIC_E_PARSE, "",
		"a request of this peer has at most %zu bytes, its "
		"newline included",
		c->request_max);
	jsonrpc_write_error(new_line(&s->answer), &err);
	if (!s->answer.failed)
		client_send(c, s->answer.buf, s->answer.len, NULL, 0);
	c->closing = true;
}

/* A line that is to be served now: not while answers wait. Their way out is an event that the
 * loop hears, and their end makes it serve again. */
static bool has_request(const struct client *c)
{
	return !c->dead && !c->closing && client_has_line(c) && !client_is_behind(c);
}

static void serve(struct control_server *s, struct client *c, int max)
{
	const char *line;
	size_t len;

	for (; max > 0 && has_request(c); max--) {
		line = client_next_line(c, &len);
		handle_line(s, c, line, len);
	}
	if (!c->dead && !c->closing && client_line_too_long(c))
		refuse_length(s, c);
}

static void serve_owners(struct control_server *s)
{
	unsigned i;

	for (i = 0; i < s->n_clients; i++)
		if (s->clients[i]->peer.may_change)
			serve(s, s->clients[i], REQUESTS_PER_ROUND);
}

/* One request each, by turns, until the round's time is used up. */
static void serve_readers(struct control_server *s)
{
	uint64_t end = 0;
	unsigned i;

	for (i = 0; i < s->n_clients; i++) {
		struct client *c = s->clients[(s->next_reader + i) % s->n_clients];

		if (c->peer.may_change || (!has_request(c) && !client_line_too_long(c)))
			continue;
		if (!end)
			end = clock_us(CLOCK_MONOTONIC) + READERS_BUDGET_US;
		else if (clock_us(CLOCK_MONOTONIC) >= end)
			break;
		serve(s, c, 1);
	}
	s->next_reader = s->n_clients ? (s->next_reader + i) % s->n_clients : 0;
}

/* ---- events ---- */

static void on_event(const struct nic_event *event, void *arg)
{
	struct control_server *s = arg;
	unsigned i;

	new_line(&s->event);
	for (i = 0; i < s->n_clients; i++) {
		struct client *c = s->clients[i];

		if (c->dead || !(c->peer.events & (UINT32_C(1) << event->type)))
			continue;
		if (!s->event.len)
			jsonrpc_write_event(&s->event, event, clock_us(CLOCK_REALTIME));
		if (!s->event.failed)
			client_send(c, s->event.buf, s->event.len, NULL, 0);
	}
}

static void no_event(const struct nic_event *event, void *arg)
{
}

/* ---- the round's end ---- */

/* Free those that are done. The device's reaction is events, which may mark others. */
static void reap(struct control_server *s)
{
	unsigned i = 0;

	while (i < s->n_clients) {
		struct client *c = s->clients[i];
		uint64_t token = c->peer.client;

		if ((c->eof || c->closing) && !has_request(c) && !client_has_output(c))
			c->dead = true;
		if (!c->dead) {
			i++;
			continue;
		}
		s->clients[i] = s->clients[--s->n_clients];
		client_free(c); /* epoll forgets a descriptor that is closed */
		LOG_DEBUG("client %llu: gone", (unsigned long long)token);
		nic_client_gone(token);
		i = 0;
	}
}

/* Watch each client for what can get it further; epoll is told of changes only. */
static void rearm(struct control_server *s)
{
	unsigned i;

	for (i = 0; i < s->n_clients; i++) {
		struct client *c = s->clients[i];
		struct epoll_event event = {.data.ptr = c};

		if (!c->eof && !c->closing && !client_has_line(c))
			event.events |= EPOLLIN;
		if (client_has_output(c))
			event.events |= EPOLLOUT;
		if (event.events == c->watched)
			continue;
		c->watched = event.events;
		epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
	}
}

static bool any_request(const struct control_server *s)
{
	unsigned i;

	for (i = 0; i < s->n_clients; i++)
		if (has_request(s->clients[i]))
			return true;
	return false;
}

static void take_in(struct control_server *s, const struct epoll_event *event)
{
	struct source *source = event->data.ptr;
	struct client *c = event->data.ptr;

	if (source >= s->sources && source < s->sources + SOURCES) {
		source->ready(s);
		return;
	}
	/* A peer that hung up altogether reads no answer: the flush finds out. */
	if (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		client_flush(c);
	if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		client_read(c);
	/* Hung up, nothing left to read or write: EPOLLHUP would come again and again. */
	if ((event->events & (EPOLLERR | EPOLLHUP)) && c->closing)
		c->dead = true;
}

static int round_once(struct control_server *s)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int n = epoll_wait(s->epoll_fd, events, EVENTS_PER_ROUND, any_request(s) ? 0 : -1);
	int i;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (i = 0; i < n; i++)
		take_in(s, &events[i]);
	serve_owners(s);
	serve_readers(s);
	if (s->ask_due) {
		s->ask_due = false;
		ask_run();
	}
	if (s->tick_due) {
		s->tick_due = false;
		nic_tick();
	}
	reap(s);
	rearm(s);
	return 0;
}

static int watch(struct control_server *s, struct source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	if (source->fd < 0)
		return -EBADF;
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) == 0 ? 0 : -errno;
}

int control_server_run(struct control_server *s, void (*tick)(void))
{
	int rc;

	s->sources[SOURCE_NIC] = (struct source){nic_event_fd(), nic_ready};
	s->on_tick = tick;
	rc = watch(s, &s->sources[SOURCE_NIC]);
	s->sources[SOURCE_ASK] = (struct source){ask_open(), ask_ready};
	if (rc == 0)
		rc = watch(s, &s->sources[SOURCE_ASK]);
	nic_set_event_sink(on_event, s);
	set_tick(s); /* groups of the config file */
	while (!s->stop && rc == 0)
		rc = round_once(s);
	ask_close();
	nic_set_event_sink(no_event, NULL);
	if (rc)
		LOG_ERR("control: %s", strerror(-rc));
	return rc;
}

/* ---- start and end ---- */

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void control_block_signals(void)
{
	sigset_t set;

	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int open_loop(struct control_server *s, struct nic_error *err)
{
	sigset_t set;
	int i, rc = 0;

	signal_set(&set);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->sources[SOURCE_LISTEN] = (struct source){s->listener.fd, listen_ready};
	s->sources[SOURCE_TIMER] = (struct source){
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), timer_ready};
	s->sources[SOURCE_SIGNAL] =
		(struct source){signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), signal_ready};
	for (i = 0; i < SOURCE_NIC && rc == 0; i++)
		rc = watch(s, &s->sources[i]);
	if (rc)
		return nic_fail(
			err, RENIC_E_IO, "", "cannot set up the control loop: %s", strerror(-rc));
	return 0;
}

int control_server_start(
	const struct control_config *config, struct control_server **server, struct nic_error *err)
{
	struct control_server *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return nic_fail(err, RENIC_E_RESOURCES, "", "out of memory");
	control_block_signals();
	s->next_token = 1;
	s->epoll_fd = s->sources[SOURCE_TIMER].fd = s->sources[SOURCE_SIGNAL].fd = -1;
	rc = listener_open(&s->listener, config, err);
	if (rc) {
		free(s);
		return rc;
	}
	rc = open_loop(s, err);
	if (rc) {
		control_server_stop(s);
		return rc;
	}
	LOG_INFO("control socket: %s", config->socket);
	*server = s;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void control_server_stop(struct control_server *s)
{
	unsigned i;

	if (!s)
		return;
	for (i = 0; i < s->n_clients; i++)
		client_free(s->clients[i]);
	listener_close(&s->listener);
	close_fd(s->sources[SOURCE_TIMER].fd);
	close_fd(s->sources[SOURCE_SIGNAL].fd);
	close_fd(s->epoll_fd);
	jw_free(&s->answer);
	jw_free(&s->event);
	free(s);
}
