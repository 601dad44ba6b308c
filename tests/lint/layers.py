#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""layers.py ROOT - includes go one way, rooted, and programs see public headers only"""
import os
import re
import sys

root = sys.argv[1]
order = [line.strip() for line in open(os.path.join(root, "tests/lint/layers.txt"))
         if line.strip() and not line.startswith("#")]
place = {name: i for i, name in enumerate(order)}
PARTS = {  # files that belong to a header of another name
    "core/crypto_packet": "core/crypto_internal", "core/crypto_key": "core/crypto_internal",
    "core/crypto_verify": "core/crypto_internal",
    "core/noise_pattern": "core/noise", "core/cc_cubic": "core/path", "core/path_mtu": "core/path",
    "core/received": "core/recovery", "core/channel_recv": "core/channel_internal",
    "core/channel_path": "core/channel_internal",
    "core/channel_send": "core/channel_internal", "core/channel": "core/channel_internal",
    "core/crypto": "core/crypto_internal", "core/session_streams": "core/session_internal",
    "core/session_credit": "core/session_internal", "core/session_send": "core/session_internal",
    "core/session_login": "core/session", "core/session_api": "core/session",
    "core/endpoint": "core/endpoint_internal", "core/endpoint_io": "core/endpoint_internal",
    "core/endpoint_events": "core/endpoint_internal",
    "core/endpoint_strangers": "core/endpoint_internal",
    "core/endpoint_store": "core/endpoint_internal", "core/record": "core/cursor",
    "core/error": "core/base",
}
PUBLIC = {"sojourn", "sojourn_core", "sojourn_sqlite", "sojourn_sim"}
problems = []


def layer(name):
    folder = name.split("/")[0]
    return place.get(name, place.get(folder))


for folder, _, files in os.walk(os.path.join(root, "src")):
    for file in sorted(files):
        if not file.endswith((".c", ".h")):
            continue
        path = os.path.join(folder, file)
        name = os.path.relpath(path, os.path.join(root, "src"))
        own = name[:-2]
        if file.endswith(".c"):
            own = PARTS.get(own, own)
        if layer(own) is None:
            problems.append(f"{name}: in no layer")
            continue
        for line in open(path, errors="replace"):
            match = re.match(r'#\s*include\s+(["<])([^">]+)[">]', line)
            if not match:
                continue
            what = match.group(2)
            if match.group(1) == "<" and not what.startswith("sojourn"):
                continue
            target = what[:-2]
            if match.group(1) == '"' and "/" not in target and target not in PUBLIC:
                problems.append(f"{name}: \"{what}\" is not rooted")
                continue
            if layer(target) is None:
                problems.append(f"{name}: {what} is in no layer")
            elif layer(target) > layer(own):
                problems.append(f"{name}: includes {what}, which stands after it")
            top = name.split("/")[0]
            if top in ("sim", "tool", "cmd", "serve") and target.split("/")[0] in ("core", "io", "mech", "store"):
                problems.append(f"{name}: what stands on the library includes {what}, which is not public")
print("\n".join(problems) or "includes go one way")
sys.exit(bool(problems))
