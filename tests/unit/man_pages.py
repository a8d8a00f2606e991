#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
The generated man pages and completion against the programs' tables: nothing is missing, roff is
clean, and completing in a real bash offers what there is.

usage: man_pages.py RENICD RENICCTL COMPLETION MAN_COMPLETION_SH PAGE...
"""
import json
import os
import re
import subprocess
import sys

# Methods without a command of their own: events end with their connection, and a log's records are a
# replicator's to hand over (`renicctl call` speaks to all).
CALLED_OTHERWISE = {"events_unsubscribe", "egress_load"}


def run(*argv):
    """What a program prints, both streams; it must succeed."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def tables(program):
    """The program's tables."""
    return json.loads(run(os.path.abspath(program), "--tables"))


def check(condition, text):
    """Fail unless it holds."""
    if not condition:
        sys.exit(f"man_pages: {text}")


def rendered(page):
    """The page as plain text, one space between words."""
    text = run("mandoc", "-T", "ascii", page)
    return " ".join(re.sub(".\b", "", text).split())


def check_roff(pages):
    """Two formatters have nothing to say."""
    for page in pages:
        check(run("mandoc", "-T", "lint", "-W", "warning", page) == "", f"mandoc on {page}")
        said = run("groff", "-man", "-ww", "-z", "-T", "utf8", page)
        check(said == "", f"groff on {page}: {said}")


def check_texts(pages, known, commands):
    """Every row of every table is in its page."""
    texts = {os.path.basename(page): rendered(page) for page in pages}
    for method in known["methods"]:
        check(f" {method['name']}" in texts["renic-protocol.7"], f"{method['name']} is missing")
        for param in method["params"]:
            words = " ".join((param["help"] or "").split())
            check(words in texts["renic-protocol.7"], f"{method['name']}: {param['name']}")
    for row in known["config"]:
        check(row["help"], f"config key {row['name']} has no help")
        check(f" {row['name']} {' '.join(row['help'].split())}." in texts["renicd.8"],
              f"config key {row['name']}")
    for drop in known["drops"]:
        check(f" {drop['name']} {' '.join(drop['help'].split())}" in texts["renicd.8"],
              f"drop reason {drop['name']}")
    for event in known["events"]:
        check(event in texts["renic-protocol.7"], f"event {event}")
    for command in commands:
        check(" ".join(command["help"].split()) in texts["renicctl.1"], f"command {command}")
    check(texts["librenic.3"].count(" renic_") > 25, "functions of librenic")


def check_completion(script, completion, known, commands):
    """Words that bash offers after a beginning."""
    def offered(*words):
        return set(run("bash", script, os.path.abspath(completion), *words).split())
    nouns = {command["noun"] for command in commands}
    check(offered("") == nouns, f"nouns: {offered('') ^ nouns}")
    for noun in nouns:
        verbs = {c["verb"] for c in commands if c["noun"] == noun and c.get("verb")}
        if verbs:
            check(offered(noun, "") == verbs, f"verbs of {noun}: {offered(noun, '')}")
    called = {command.get("method") for command in commands}
    missing = {method["name"] for method in known["methods"]} - called - CALLED_OTHERWISE
    check(not missing, f"methods without a command: {missing}")
    create = next(m for m in known["methods"] if m["name"] == "vf_create")
    keys = {f"{param['name']}=" for param in create["params"] if not param["required"]}
    check(offered("vf", "create", "x", "") == keys, f"{offered('vf', 'create', 'x', '') ^ keys}")
    check(offered("-s", "/x", "vf", "se") == {"set"}, "a verb behind an option with its value")
    check(offered("protect", "--int") == {"--interval"}, "options of a command")
    check("--json" in offered("vf", "list", "--"), "options of every command")
    check(offered("nonsense", "") == set(), "nothing after nonsense")


def main():
    """Command line."""
    renicd, renicctl, completion, script, *pages = sys.argv[1:]
    known, commands = tables(renicd), tables(renicctl)["commands"]
    check_roff(pages)
    check_texts(pages, known, commands)
    check_completion(script, completion, known, commands)


if __name__ == "__main__":
    main()
