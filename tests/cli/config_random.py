#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""config_random.py SOJOURN FOLDER SEED COUNT - random configurations, read by ssh and by us

Each is read by `ssh -G -F` and by `sojourn -G`, once as --config and once as
~/.ssh/config, and must lead to the same host, user and files of keys, or be an
error for both.
"""
import glob
import os
import random
import subprocess
import sys

NAMES = ["work", "Work", "web1", "web22.example.org", "a.b.c", "10.0.0.1", "x", "db"]
PATTERNS = NAMES + ["*", "w*", "?eb1", "web??.*", "*.example.org", "*b*c", "*1", "W*", "**", "?", "x*y", "[10].0"]
HOSTS = ["h1.example.net", "%h.example.org", "H2.Example.NET", "%h", "10.1.2.3", "pre-%h", "h%%1", "::1"]
USERS = ["alice", "bob", "Carol", "root"]
FILES = ["~/.ssh/id_a", "/k/b", "k c", "~/%h-%r", "none", "k\\d", "k'e", "~/.ssh/id_a"]
FOREIGN = ["Port 2222", "ForwardAgent yes", "Compression yes", "ProxyJump none", "LogLevel QUIET",
           "ServerAliveInterval = 30", "SendEnv LANG LC_*", "LocalForward 8080 localhost:80"]
NEGATABLE = 0.25


class Writer:
    def __init__(self, rng, folder, foreign):
        self.rng, self.folder, self.foreign, self.count = rng, folder, foreign, 0

    def word(self, text):
        """text, maybe in quotes or with escapes"""
        how = self.rng.random()
        if " " in text or "'" in text or how < 0.2:
            return '"' + text + '"'
        if how < 0.25 and "\\" not in text:
            return "'" + text + "'"
        if how < 0.3 and "\\" not in text:
            return text[:1] + '"' + text[1:] + '"'
        return text

    def keyword(self, name):
        how = self.rng.random()
        name = name.lower() if how < 0.3 else name.upper() if how < 0.4 else name
        return self.rng.choice(["", "", " ", "\t", "   "]) + name + \
            self.rng.choice([" ", " ", " ", "\t", "=", " = ", "  ", " =", "= "])

    def negated(self, text):
        return "!" + text if self.rng.random() < NEGATABLE else text

    def host(self):
        some = [self.word(self.negated(self.rng.choice(PATTERNS))) for _ in range(self.rng.choice([1, 1, 1, 2, 3]))]
        return self.keyword("Host") + self.rng.choice([" ", "\t", "  "]).join(some)

    def pattern_list(self, choices):
        text = ",".join(self.negated(self.rng.choice(choices)) for _ in range(self.rng.choice([1, 1, 2, 3])))
        return '"' + text + '"' if self.rng.random() < 0.2 else text

    def match(self):
        if self.rng.random() < 0.15:
            return self.keyword("Match") + self.negated("all")
        criteria = []
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            name, choices = self.rng.choice([
                ("host", PATTERNS + ["*.example.net", "h1*"]), ("originalhost", PATTERNS), ("user", USERS + ["*", "?ob"]),
                ("localuser", USERS + ["*", "nobody"])])
            criteria.append(self.negated(name) + self.rng.choice([" ", "\t", " ", "="]) + self.pattern_list(choices))
        return self.keyword("Match") + " ".join(criteria)

    def include(self, depth):
        if depth > 2 or self.rng.random() < 0.2:
            return self.keyword("Include") + self.folder + "/missing*"
        names = []
        for _ in range(self.rng.choice([1, 1, 2])):
            self.count += 1
            name = f"{self.folder}/part{self.count}"
            self.write(name, depth + 1)
            names.append(self.word(name if self.rng.random() < 0.7 else name[:-1] + "?"))
        return self.keyword("Include") + " ".join(names)

    def mistake(self):
        if self.foreign:  # criteria that newer ones of ssh may have are passed over there
            unknown = []
        else:
            unknown = ["Match bogus x"]
        return self.rng.choice(unknown + [
            "Host", "HostName", "User a b", 'User "a', "IdentityFile 'a", "Match", "Match host", "Match all host x",
            "HostName a b", 'Host ""', 'User ""', "Match user", "Match host x all", "User a#b", "Host # nothing",
            "Match # nothing", "User # nothing", 'Include ""', "HostName %x"])

    def line(self, depth):
        how = self.rng.random()
        if how < 0.22:
            text = self.host()
        elif how < 0.36:
            text = self.match()
        elif how < 0.51:
            text = self.keyword("HostName") + self.word(self.rng.choice(HOSTS))
        elif how < 0.66:
            text = self.keyword("User") + self.word(self.rng.choice(USERS))
        elif how < 0.84:
            text = self.keyword("IdentityFile") + self.word(self.rng.choice(FILES))
        elif how < 0.89:
            text = self.include(depth)
        elif how < 0.94:
            return self.rng.choice(["", "# Host *", "  #User x", "\t", "#", ' # "'])
        elif how < 0.97:
            return self.mistake()
        else:
            text = self.rng.choice(FOREIGN) if self.foreign else ""
        return text + self.rng.choice(["", "", "", "", " ", "\t", " # why", "\r", " \f"])

    def write(self, path, depth=0):
        lines = [self.line(depth) for _ in range(self.rng.randrange(1, 14))]
        with open(path, "w") as file:
            file.write("\n".join(lines) + self.rng.choice(["\n", ""]))
        os.chmod(path, 0o600)


def ask(command, environment):
    """(what it leads to, or None if it is an error; its words)"""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode < 0:
        sys.exit(f"{command}: signal {-done.returncode}")
    if done.returncode != 0:
        return None, done.stderr
    rows = [line.partition(" ")[::2] for line in done.stdout.splitlines()]
    found = {name: [value for key, value in rows if key == name] for name in ("user", "hostname", "identityfile")}
    return found, done.stdout


def main():
    sojourn, folder, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    environment = dict(os.environ, HOME=folder)
    os.makedirs(folder + "/.ssh", mode=0o700, exist_ok=True)
    empty = folder + "/empty"
    open(empty, "w").close()
    usual = ask(["ssh", "-G", "-F", empty, "x"], environment)[0]["identityfile"]
    errors = 0
    for number in range(seed, seed + count):
        rng = random.Random(number)
        foreign = rng.random() < 0.5
        path = folder + "/.ssh/config"
        for old in glob.glob(folder + "/part*"):
            os.unlink(old)
        Writer(rng, folder, foreign).write(path)
        for target in rng.sample(NAMES, 3):
            target = rng.choice(["", "", "alice@"]) + target
            want, words = ask(["ssh", "-G", "-F", path, target], environment)
            if want is not None and want["identityfile"] == usual:
                want["identityfile"] = []
            errors += want is None
            got, own_words = ask([sojourn, "-G"] + ([] if foreign else ["--config", path]) + [target], environment)
            if want != got:
                sys.exit(f"FAILED: seed {number}, {target}\nssh: {want}\n{words if want is None else ''}\n"
                         f"sojourn: {got}\n{own_words if got is None else ''}\n{open(path).read()}")
    print(f"{count} configurations, {count * 3} names, {errors} of them errors for both")
    if errors in (0, count * 3):
        sys.exit("FAILED: these are no tests")


main()
