# SPDX-License-Identifier: BSD-3-Clause
"""
How far the two CPUs are from each other. The host of a virtual machine may place them by one cache
or by two, and place them anew within seconds: what passes between daemon and generator then takes
another time, and so does what a CPU finds in its caches. Cases that swing with it tell the turns
apart.
"""
import statistics

FAR_NS = 130  # within a cache a word takes less, between caches and sockets more


def place(words):
    """Where a turn was all of its time: "near", "far", or None if it moved. words: before, after."""
    far = {word > FAR_NS for word in words}
    return ("far" if far.pop() else "near") if len(far) == 1 else None


def line(row, where, side_text):
    """What the case gave there; None if it never was, or a side that is compared is missing."""
    labels = list(row.case.sides)[:2]
    measured = list(zip(*(row.words_ns.get(label, []) for label in labels)))
    turns = [i for i, turn in enumerate(measured) if all(place(words) == where for words in turn)]
    if not turns:
        return None
    samples = {label: [row.samples[label][i] for i in turns] for label in labels}
    words = [word for i in turns for side in measured[i] for word in side]
    budget = row.case.budget
    ratio = f"; {budget.figure(samples):.3f} ×" if budget.kind == "ratio" else ""
    return (f"- {row.case.title}, CPUs {where} ({statistics.median(words):.0f} ns for a word; "
            f"{len(turns)} of {len(measured)} turns): "
            + "; ".join(side_text(row, label, values) for label, values in samples.items())
            + ratio)


def lines(rows, side_text):
    """Both places of each case that tells them apart. side_text: as in report.py."""
    found = (line(row, where, side_text) for row in rows if row.words_ns and row.case.budget
             for where in ("near", "far"))
    return [text for text in found if text]
