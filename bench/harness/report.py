# SPDX-License-Identifier: BSD-3-Clause
"""The outcome as JSON, as a Markdown table and as SVG plots (gnuplot)."""
import json
import os
import shutil
import statistics
import subprocess

from . import distance
from .case import spread

HEADER = ("| what | sides: median (± half the spread) | figure | budget | verdict |",
          "|---|---|---|---|---|")
PEERS_HEADER = ("| what | sides: median (± half the spread) | first / second |", "|---|---|---|")


def side_text(row, label, values):
    """One side's median and spread."""
    if not values:
        return f"{label}: {row.skipped.get(label, 'not measured')}"
    unit = f" {row.case.unit}" if row.case.unit else ""
    return (f"{label} {statistics.median(values) / row.case.scale:.4g}{unit} "
            f"(±{spread(values) * 50:.0f} %)")


def figure_text(row):
    """What is compared with the budget."""
    figure, budget = row.figure, row.case.budget
    if figure is None:
        return "-"
    if budget is None or budget.kind == "ratio":
        return f"{figure:.3f} ×"
    return f"{figure / row.case.scale:.4g} {row.case.unit}"


def verdict_text(row):
    """met, missed, or why there is none."""
    budget = row.case.budget
    if row.error:
        return f"not measured: {row.error}"
    if budget is None:
        return ""
    if row.figure is None:
        return "not measured"
    share = min(budget.share(row.figure), 99)
    return f"{'**missed**' if is_missed(row) else 'met'} ({share:.2f})"


def is_missed(row):
    """It was measured, and is not kept."""
    return row.figure is not None and not row.case.budget.met(row.figure)


def sides_text(row):
    """All sides of a row."""
    return "; ".join(side_text(row, label, row.samples.get(label, [])) for label in row.case.sides)


def budgets(rows):
    """The table of what has a budget."""
    return [*HEADER, *(f"| {row.case.title} | {sides_text(row)} | {figure_text(row)} | "
                       f"{row.case.budget.text} | {verdict_text(row)} |" for row in rows)]


def comparisons(rows):
    """The table of the rest."""
    return [*PEERS_HEADER, *(f"| {row.case.title} | {sides_text(row)} | "
                             f"{verdict_text(row) if row.error else figure_text(row)} |"
                             for row in rows)]


def markdown(rows, about):
    """Both tables. The share in a verdict: 1.00 is just met, less is missed by that much."""
    with_budget = [row for row in rows if row.case.budget]
    others = [row for row in rows if not row.case.budget]
    lines = [f"Measured {about['date']} on {about['machine']}; {about['versions']}; load average "
             f"{about['load'][0]:.1f} before.",
             "The figure in brackets after a verdict says how far: 1.00 is just met. Ratios are "
             "medians of the turns' ratios. ± is half of (highest - lowest) / median.", ""]
    if with_budget:
        lines += [*budgets(with_budget), ""]
    if others:
        lines += [*comparisons(others), ""]
    lines += [f"- **missed**: {row.case.title}: {row.case.if_missed}" for row in with_budget
              if is_missed(row) and row.case.if_missed]
    lines += distance.lines(rows, side_text)
    lines += [f"- {row.case.title}: {row.case.note}" for row in rows if row.case.note]
    return "\n".join(lines) + "\n"


def as_json(rows, about):
    """Everything that was measured."""
    return {"about": about, "cases": [{
        "name": row.case.name, "title": row.case.title, "unit": row.case.unit,
        "samples": row.samples, "details": row.details, "skipped": row.skipped,
        "error": row.error, "figure": row.figure, "words_ns": row.words_ns,
        "budget": row.case.budget.text if row.case.budget else None,
        "met": not is_missed(row) if row.case.budget and row.figure is not None else None,
    } for row in rows]}


# ---- plots ----

STYLE = """set terminal svg size 760,380 font 'sans,12' background rgb 'white'
set style data histogram
set style histogram errorbars gap 1 lw 1
set style fill solid 0.85 border -1
set grid ytics lc rgb '#cccccc'
set yrange [0:*]
set key outside top center horizontal
set xtics nomirror
set ytics nomirror
"""
COLOURS = ("#2a6f97", "#e07a5f", "#81b29a", "#8d6a9f", "#f2cc8f")


def plot_bars(directory, name, group):
    """A plot with a cluster of bars for each case, one bar a side; group: the rows of it."""
    labels = []
    for row in group:
        labels += [label for label in row.samples if label not in labels]
    data = os.path.join(directory, f"{name}.dat")
    with open(data, "w", encoding="utf-8") as out:
        for row in group:
            cells = [f"\"{row.case.plot['x']}\""]
            for label in labels:
                values = row.samples.get(label)
                scale = row.case.scale
                cells += (["NaN"] * 3 if not values else
                          [str(statistics.median(values) / scale), str(min(values) / scale),
                           str(max(values) / scale)])
            out.write(" ".join(cells) + "\n")
    bars = ", ".join(
        f"'{data}' using {2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i}:xtic(1) title \"{label}\" "
        f"lc rgb '{COLOURS[i % len(COLOURS)]}'" for i, label in enumerate(labels))
    script = (f"{STYLE}set output '{directory}/{name}.svg'\n"
              f"set title \"{group[0].case.plot.get('title', name)}\"\n"
              f"set ylabel '{group[0].case.unit}'\nplot {bars}\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True, timeout=30)
    os.unlink(data)


def plot_arrivals(directory, name, title, arrivals):
    """Frames per BIN over time: [(ms, frames)]."""
    data = os.path.join(directory, f"{name}.dat")
    with open(data, "w", encoding="utf-8") as out:
        out.writelines(f"{ms} {frames}\n" for ms, frames in arrivals)
    script = (f"set terminal svg size 760,300 font 'sans,12' background rgb 'white'\n"
              f"set output '{directory}/{name}.svg'\nset title \"{title}\"\n"
              "set xlabel 'ms'\nset ylabel 'frames in 0.1 ms'\nset grid\nset yrange [0:*]\n"
              f"unset key\nplot '{data}' with impulses lc rgb '{COLOURS[0]}'\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True, timeout=30)
    os.unlink(data)


def write(directory, rows, about):
    """results.json, results.md and a plot for every group; the Markdown text."""
    with open(os.path.join(directory, "results.json"), "w", encoding="utf-8") as out:
        json.dump(as_json(rows, about), out, indent=1)
    text = markdown(rows, about)
    with open(os.path.join(directory, "results.md"), "w", encoding="utf-8") as out:
        out.write(text)
    if not shutil.which("gnuplot"):
        print("plots: gnuplot is not installed (scripts/deps.sh bench installs it)")
        return text
    groups = {}
    for row in rows:
        if row.case.plot and row.samples:
            groups.setdefault(row.case.plot["group"], []).append(row)
    for name, group in groups.items():
        plot_bars(directory, name, group)
    for row in rows:
        if row.details.get("arrivals"):
            plot_arrivals(directory, row.case.name, row.case.title, row.details["arrivals"])
    return text
