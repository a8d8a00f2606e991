/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port of renic-pktgen, whatever it is behind: a guest of its own driver (guest.c) or a DPDK
 * device (ethdev_port.c). It sends stamped frames and hands what it receives to a judge.
 * One thread.
 */
#ifndef PKTGEN_SENDER_H
#define PKTGEN_SENDER_H

#include <stdbool.h>
#include <stdint.h>

struct sender;

/* What every port knows how to do. */
struct sender_ops {
	/* Send up to n frames to destination `to` (an index into sender.to); returns how many
	 * were taken. */
	uint16_t (*send)(struct sender *sender, unsigned to, uint16_t n, uint64_t now_tsc);
	/* Receive what there is, a few bursts at most; returns how many. */
	unsigned (*receive)(struct sender *sender, uint64_t now_tsc);
	/* Has the other side taken all that was sent, as far as the port can tell? */
	bool (*idle)(struct sender *sender);
	void (*close)(struct sender *sender);
};

/* One numbered stream: from here to one address. */
struct stream_out {
	uint8_t mac[6];
	uint16_t stream;
	uint64_t next_seq;
	uint64_t sent; /* frames; differs from next_seq by faults on purpose alone */
};

struct sender {
	const struct sender_ops *ops;
	unsigned number; /* guest's; VFS_MAX: the far end */
	uint8_t mac[6];
	struct stream_out *to;
	unsigned n_to;
	const uint16_t *sizes; /* bytes, in turn */
	unsigned n_sizes;
	uint16_t max_size;
	uint64_t refused; /* bursts that the port did not take whole: it is full */
	uint64_t bursts;
};

/* The number for the stream's next frame. */
uint64_t sender_number(struct stream_out *to);

/* A frame that `sender` received; `frame` is contiguous. */
void judge_frame(const struct sender *sender, const uint8_t *frame, uint32_t len, uint64_t now_tsc);

/* Write a whole frame, headers and payload, without its stamp. */
void sender_template(
	const struct sender *sender, const struct stream_out *to, uint8_t *frame, uint16_t size);

#endif
