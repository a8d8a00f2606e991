/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed rings over the daemon's death (P6; virtio 1.2, section 2.8).
 *
 * Of a split ring the used index lies in guest memory, and QEMU takes it from there when its
 * backend has gone. Where the device is in a packed ring only the device knows: QEMU sends the base
 * that it sent last. (VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD would do, but QEMU has it for disks
 * alone.) So after each burst the index is noted in a mapped file, RUN_DIR/rings, which outlives
 * the process; and when the ring starts again, note and descriptors together say where the device
 * was (vhost_packed.c).
 *
 * A crash inside a burst leaves descriptors used that the note has not. librte_vhost writes ids
 * and lengths of a burst before the flags, and the flags of the first descriptor last; so they are
 * found by their flags, and the flags that are missing among them are written. QEMU itself uses
 * descriptors of the guest's TX ring while it has no backend: it drops what is sent, but at the
 * base that it knows, wherever the device was. What lies between is dropped too then, as by a NIC
 * whose link is down.
 *
 * Both are sure only where each buffer is one descriptor (or an indirect table), as Linux has it;
 * a ring where something else was seen goes on at the note.
 *
 * What the guest writes into its ring makes its own ring stand still, and nothing else.
 * Notes: the owner lcore of the queue pair; the library's thread before lcores use the ring.
 */
#ifndef RENICD_PORTS_VHOST_PACKED_H
#define RENICD_PORTS_VHOST_PACKED_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

enum { PACKED_WRAP = 1 << 15 }; /* of an index, as GET_VRING_BASE has it */

struct packed_note {
	uint64_t desc_gpa; /* where the ring lies */
	uint32_t owner;	   /* of the VF's socket, a checksum */
	uint16_t size;	   /* descriptors; 0: nothing is known */
	uint16_t base;	   /* as the front-end gave it last */
	uint16_t index;	   /* atomic: the descriptor that comes next */
	uint16_t chained;  /* atomic: buffers were not one descriptor each */
	uint8_t reserved[44];
};

_Static_assert(sizeof(struct packed_note) == 64, "a part of the file's format");

/* Map the file, begun anew where it is of another boot of the host or another version. Without
 * one, or before, notes are kept for this life alone. Control thread. 0 or -errno. */
int packed_notes_open(const char *path);
void packed_notes_close(void);

/* Of a VF's queue pair: [0] the guest's RX ring, [1] its TX ring. */
struct packed_note *packed_notes_of(uint16_t vf_id, uint16_t qp);

/* A ring that is about to start. */
struct packed_ring {
	struct vring_packed_desc *desc;
	uint64_t desc_gpa;
	uint32_t owner;
	uint16_t size;
	uint16_t base;	 /* what the front-end says */
	bool rx;	 /* the device writes its buffers */
	bool in_batches; /* VIRTIO_F_IN_ORDER: a used descriptor may stand for several */
};

/* Where the ring goes on; flags that a crash left out are written. The note is of this ring
 * then. The library's thread, while no lcore uses the ring. */
uint16_t packed_resume(struct packed_note *note, const struct packed_ring *ring);

/* A vring of the VF with that socket is about to start, with the base that the front-end gave: let
 * it go on where it was. false: it is not set up yet. The library's thread, its rings' locks held
 * or not, while no lcore uses the ring. */
bool packed_settle(int vid, uint16_t vring, const char *path, struct packed_note *note);

/* A burst is done, and the ring is at `index` now. frames: how many buffers were used, where that
 * is known (0: it is not). The owner lcore. */
static inline void packed_note_burst(struct packed_note *note, uint16_t index, uint16_t frames)
{
	uint16_t used = (uint16_t)((index & ~PACKED_WRAP) - (note->index & ~PACKED_WRAP));

	if (index == note->index)
		return;
	if ((index ^ note->index) & PACKED_WRAP)
		used = (uint16_t)(used + note->size);
	if (__builtin_expect(frames && used > frames, false))
		__atomic_store_n(&note->chained, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&note->index, index, __ATOMIC_RELEASE);
}

#endif
