#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The example domain (tests/vm/test_libvirt.py starts it) is what libvirt's schema allows, and it has what docs/attach.md tells to add.
#   libvirt_xml.sh XML ATTACH_MD      exit 77: skipped, no virt-xml-validate here
set -euo pipefail

command -v virt-xml-validate >/dev/null || exit 77
virt-xml-validate "$1" domain
# The page's first block of XML, line by line, whatever its indentation.
awk '/^```xml/ { n++; next } /^```/ { if (n) exit } n == 1 && !/\.\.\./ { sub(/^ +/, ""); print }' "$2" |
	while IFS= read -r line; do
		grep -qF -- "$line" "$1" || { echo "not in the example: $line"; exit 1; }
	done
