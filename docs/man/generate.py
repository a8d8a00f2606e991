#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Makes the man pages and the bash completion from the programs' own tables.

usage: generate.py renicd|renicctl|protocol|librenic|completion VERSION OUTPUT INPUT...

INPUT is what the page is made from: `renicd --tables`, `renicctl --tables`, or librenic's headers.
"""
import json
import re
import subprocess
import sys

DATE = "2026-11-25"


def roff(text):
    """Text as roff takes it, whatever is in it."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq")
    for char, name in (("…", "..."), ("≤", "<="), ("→", "->"), ("–", "\\-")):
        text = text.replace(char, name)
    return "\\&" + text if text.startswith((".", "'")) else text


def tables(program):
    """The JSON that a program says of itself."""
    return json.loads(subprocess.run([program, "--tables"], stdout=subprocess.PIPE, check=True,
                                     text=True).stdout)


class Page:
    """A man page, written macro by macro."""

    def __init__(self, name, section, version, what):
        self.lines = [f'.TH {name.upper()} {section} {DATE} "renicd {version}"',
                      ".SH NAME", f"{roff(name)} \\- {roff(what)}"]

    def section(self, title):
        """A heading."""
        self.lines.append(f".SH {title}")

    def text(self, text):
        """A paragraph."""
        if not self.lines[-1].startswith((".SH", ".SS")):
            self.lines.append(".PP")
        self.lines.append(roff(text))

    def item(self, term, text, first=True):
        """A term and what it is; `term` is bold."""
        self.lines += [".TP" if first else ".TQ", f"\\fB{roff(term)}\\fR"]
        if text:
            self.lines.append(roff(text))

    def code(self, text):
        """Lines as they are."""
        self.lines += [".nf", ".RS 2", *(roff(line) for line in text.splitlines()), ".RE",
                       ".fi"]

    def see(self, *others):
        """SEE ALSO."""
        self.section("SEE ALSO")
        words = [(f".BR {roff(name)} ({section})" + ("," if i < len(others) - 1 else ""))
                 for i, (name, section) in enumerate(others)]
        self.lines += words

    def write(self, path):
        """Into a file."""
        text = "\n".join(line.replace("\n", " ") for line in self.lines) + "\n"
        text.encode("ascii")  # what roff reads the same everywhere
        with open(path, "w") as file:
            file.write(text)


def renicd_page(version, program):
    """renicd(8)."""
    known = tables(program)
    page = Page("renicd", 8, version, "a virtual NIC whose frames leave when a checkpoint is safe")
    page.section("SYNOPSIS")
    page.lines += [".B renicd", "[\\fB\\-c\\fR \\fIFILE\\fR] [\\fB\\-t\\fR] [\\fB\\-\\-set\\-aside\\fR]"]
    page.section("DESCRIPTION")
    page.text("renicd is a user-space NIC and switch for virtual machines (DPDK, vhost-user). A VM "
              "gets a virtual function (VF) that works like any other virtio NIC, until it is "
              "protected: then every frame that the guest sends waits in an egress log until a "
              "backup has confirmed the checkpoint that covers it.")
    page.text("It runs in the foreground; SIGTERM or SIGINT ends it. What it holds, and its VFs and "
              "groups, are taken up by the next one in the same run directory. Under systemd it "
              "says when it is ready, and feeds the watchdog while all data threads answer.")
    page.section("OPTIONS")
    for option, text in (("-c, --config FILE", "the configuration; without: defaults"),
                         ("-t, --test", "check the configuration and exit"),
                         ("--set-aside", "rename files of an earlier daemon that cannot be used, "
                          "and go on without what they hold"),
                         ("-h, --help", "a short help"),
                         ("-V, --version", "versions of renicd and of DPDK")):
        page.item(option, text)
    page.section("CONFIGURATION")
    page.text("One JSON object; {} is a valid file. A wrong key, type or value is an error that "
              "names file, path, value and what was expected.")
    for key in known["config"]:
        page.item(key["name"], f"{key['help']}. {key['expected'].capitalize()}.")
    methods = {method["name"]: method for method in known["methods"]}
    for key, method in (("vfs", "vf_create"), ("groups", "group_create")):
        page.section(f"MEMBERS OF {key}")
        for param in methods[method]["params"]:
            page.item(param["name"], param["help"] or param["type"])
    page.section("DROPS")
    page.text("Frames are dropped, and counted, for these reasons alone:")
    for drop in known["drops"]:
        page.item(drop["name"], drop["help"])
    page.section("FILES")
    page.item("/etc/renicd.json", "configuration of the systemd unit")
    page.item("/run/renicd/control.sock", "control socket")
    page.section("EXIT STATUS")
    page.text("0 after a signal, 1 when it could not start, 2 for a wrong command line.")
    page.see(("renicctl", 1), ("renic-protocol", 7), ("librenic", 3))
    return page


def protocol_page(version, program):
    """renic-protocol(7)."""
    known = tables(program)
    page = Page("renic-protocol", 7, version, "the control protocol of renicd")
    page.section("DESCRIPTION")
    page.text("A Unix stream socket, one JSON-RPC 2.0 message a line. Parameters are by name; one "
              "that is not known is an error, and an error has changed nothing. Peers other than "
              "the owner may call the methods marked read. docs/protocol.md says what the answers "
              "mean.")
    page.section("METHODS")
    for method in known["methods"]:
        read = " (read)" if method["read"] else ""
        page.lines.append(f".SS {roff(method['name'])}{read}")
        page.lines.append(roff(method["help"][:1].upper() + method["help"][1:] + "."))
        for param in method["params"]:
            limits = ""
            if "max" in param:
                limits = f", {param['min']} to {param['max']}"
            if "values" in param:
                limits = ": " + ", ".join(param["values"])
            needed = ", required" if param["required"] else ""
            page.item(param["name"], f"{param['type']}{limits}{needed}. {param['help'] or ''}")
    page.section("EVENTS")
    page.text("After events_subscribe, notifications of these types: " +
              ", ".join(known["events"]) + ".")
    page.see(("renicd", 8), ("renicctl", 1), ("librenic", 3))
    return page


def spelled(param):
    """A parameter as it is typed."""
    if param["kind"] == "key":
        return f"{param['name']}={param['shown']}"
    if param["kind"] in ("flag", "option"):
        letter = f"-{param['letter']}, " if param["letter"] else ""
        value = f" {param['shown']}" if param["kind"] == "option" else ""
        return f"{letter}--{param['option']}{value}"
    return param["shown"] + ("..." if param["kind"] == "rest" else "")


def command_name(command):
    """Noun and verb."""
    return " ".join(word for word in (command["noun"], command.get("verb")) if word)


def renicctl_page(version, program):
    """renicctl(1)."""
    known = tables(program)
    page = Page("renicctl", 1, version, "control renicd")
    page.section("SYNOPSIS")
    page.lines += [".B renicctl", "[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]..."]
    page.section("DESCRIPTION")
    page.text("Each command calls a method of renicd's control socket and shows the answer, as a "
              "table or with -j as JSON.")
    page.section("OPTIONS")
    for option in known["globals"]:
        page.item(spelled(option), option["help"])
    page.section("COMMANDS")
    for command in known["commands"]:
        needed = [spelled(p) if p["kind"] == "arg" else f"[{spelled(p)}]"
                  for p in command["params"] if p["kind"] in ("arg", "opt_arg", "rest")]
        page.lines.append(".SS " + roff(" ".join([command_name(command), *needed])))
        page.lines.append(roff(command["help"] + "."))
        if command.get("note"):
            page.text(" ".join(command["note"].split()))
        for param in command["params"]:
            page.item(spelled(param), param["help"])
    page.section("EXIT STATUS")
    page.text("0 done, 1 renicd said no, 2 wrong command line, 3 no renicd.")
    page.section("ENVIRONMENT")
    page.item("RENIC_SOCKET", "the control socket, where no option names one")
    page.see(("renicd", 8), ("renic-protocol", 7))
    return page


def declarations(path):
    """[(comment or '', declaration)] of a header's functions."""
    with open(path) as file:
        text = file.read()
    found = []
    pattern = re.compile(r"(?:/\*((?:[^*]|\*(?!/))*)\*/\n)?((?:^[a-z][^;{}#/]*\([^;{}]*\)\s*;\n)+)",
                         re.MULTILINE)
    for match in pattern.finditer(text):
        comment = " ".join(line.strip().lstrip("*").strip()
                           for line in (match.group(1) or "").splitlines())
        found.append((comment.strip(), " ".join(match.group(2).split())))
    return found


def librenic_page(version, *headers):
    """librenic(3), of its headers' comments."""
    page = Page("librenic", 3, version, "client library of renicd's control socket")
    page.section("SYNOPSIS")
    page.code("#include <renic.h>\n#include <renic_snapshot.h>\n\ncc ... $(pkg-config --cflags "
              "--libs renic)")
    page.section("DESCRIPTION")
    page.text("A client is one connection to renicd. Functions return 0 or a count, or a negative "
              "code with *err filled; err may be NULL. A client belongs to one thread at a time.")
    for header in headers:
        page.section(f"FUNCTIONS OF {header.rsplit('/', 1)[-1]}")
        for comment, declaration in declarations(header):
            for i, one in enumerate(re.findall(r"[^;]+;", declaration)):
                page.item(one.strip(), "", first=i == 0)
            page.lines.append(roff(comment or "As its name says."))
    page.see(("renicd", 8), ("renic-protocol", 7))
    return page


COMPLETION = '''# SPDX-License-Identifier: BSD-3-Clause
# bash completion of renicctl, made from its command table.

# Nouns and their verbs; what each command takes: keys, options, and names it wants.
declare -gA _renicctl_verbs=(
%(verbs)s
)
declare -gA _renicctl_words=(
%(words)s
)
declare -gA _renicctl_names=(
%(names)s
)

# The names of VFs or groups that there are; nothing without a daemon.
_renicctl_list() {
	renicctl -t 1 "$1" list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_renicctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} i noun= command= words=
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
			-s | -t | --socket | --timeout) i=$((i + 1)) ;;
			-*) ;;
			*)
				if [ -z "$noun" ]; then
					noun=${COMP_WORDS[i]} command=$noun
				elif [ "$command" = "$noun" ] && [[ " ${_renicctl_verbs[$noun]-} " == *" ${COMP_WORDS[i]} "* ]]; then
					command="$noun ${COMP_WORDS[i]}"
				fi
				;;
		esac
	done
	if [ -z "$noun" ]; then
		words="%(nouns)s"
	elif [ "$command" = "$noun" ] && [ -n "${_renicctl_verbs[$noun]-}" ]; then
		words=${_renicctl_verbs[$noun]}
	else
		words=${_renicctl_words[$command]-}
		[ -z "${_renicctl_names[$command]-}" ] || words+=" $(_renicctl_list "${_renicctl_names[$command]}")"
	fi
	[[ $cur != -* ]] || words+=" %(globals)s"
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -F _renicctl renicctl
'''


def array(mapping):
    """The lines of an associative array."""
    return "\n".join(f'\t["{key}"]="{value}"' for key, value in mapping.items() if value)


def completion(program):
    """The completion's text."""
    known = tables(program)
    verbs, words, names = {}, {}, {}
    for command in known["commands"]:
        name = command_name(command)
        verbs.setdefault(command["noun"], [])
        if command.get("verb"):
            verbs[command["noun"]].append(command["verb"])
        words[name] = " ".join(
            f"{p['name']}=" if p["kind"] == "key" else f"--{p['option']}"
            for p in command["params"] if p["kind"] in ("key", "flag", "option"))
        wanted = [p["help"] for p in command["params"] if p["kind"] == "arg"][:1]
        if wanted == ["a VF"]:
            names[name] = "vf"
        elif wanted and wanted[0].startswith("a protection group"):
            names[name] = "group"
    return COMPLETION % {
        "verbs": array({noun: " ".join(v) for noun, v in verbs.items()}), "words": array(words),
        "names": array(names), "nouns": " ".join(verbs),
        "globals": " ".join(f"--{g['option']}" for g in known["globals"])}


PAGES = {"renicd": renicd_page, "renicctl": renicctl_page, "protocol": protocol_page,
         "librenic": librenic_page}


def main():
    """Command line."""
    what, version, output, *inputs = sys.argv[1:]
    if what == "completion":
        with open(output, "w") as file:
            file.write(completion(*inputs))
    else:
        PAGES[what](version, *inputs).write(output)


if __name__ == "__main__":
    main()
