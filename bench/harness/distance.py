# SPDX-License-Identifier: BSD-3-Clause
"""
How far the two CPUs are from each other. The host of a virtual machine may place them by one cache
or by two, and place them anew within seconds: what passes between daemon and generator then takes
another time, and so does what a CPU finds in its caches. Cases that swing with it tell the turns
apart.
"""
import statistics

FAR = 2.0  # times the shortest way that the run saw


def place(words, shortest):
    """Where a turn was all of its time: "near", "far", or None if it moved. words: before, after."""
    far = {word > FAR * shortest for word in words}
    return ("far" if far.pop() else "near") if len(far) == 1 else None


def turns_at(row, where, shortest):
    """The turns in which the sides that are compared (the first two) were all there."""
    sides = list(row.words_ns.values())[:2]
    return [i for i, turn in enumerate(zip(*sides))
            if all(place(words, shortest) == where for words in turn)]


def line(row, where, shortest, side_text):
    """What the case gave there; None if it never was."""
    turns = turns_at(row, where, shortest)
    if not turns:
        return None
    samples = {label: [row.samples[label][i] for i in turns] for label in list(row.words_ns)[:2]}
    words = [word for label in samples for i in turns for word in row.words_ns[label][i]]
    figure = row.case.budget.figure(samples)
    ratio = f"; {figure:.3f} ×" if row.case.budget.kind == "ratio" else ""
    return (f"- {row.case.title}, CPUs {where} ({statistics.median(words):.0f} ns for a word; "
            f"{len(turns)} of {min(map(len, row.words_ns.values()))} turns): "
            + "; ".join(side_text(row, label, values) for label, values in samples.items())
            + ratio)


def lines(rows, side_text):
    """Both places of each case that tells them apart. side_text: as in report.py."""
    rows = [row for row in rows if row.words_ns and row.case.budget]
    words = [word for row in rows for turns in row.words_ns.values() for turn in turns
             for word in turn]
    if not words:
        return []
    found = (line(row, where, min(words), side_text) for row in rows for where in ("near", "far"))
    return [text for text in found if text]
