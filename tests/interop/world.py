# SPDX-License-Identifier: ISC
"""What the cases share: the register, the real server, the real command."""
import base64
import hashlib
import json
import os
import pwd
import subprocess
import time

from sojourn_oracle import endpoint, login, wire

CASES = []


class Failed(Exception):
    """A case that does not hold."""


def case(function):
    CASES.append((function.__name__.replace("_", "-"), function))
    return function


def each(rows):
    """A case for each row: (name, arguments...)."""
    def register(function):
        for name, *arguments in rows:
            CASES.append((function.__name__.replace("_", "-") + "-" + name,
                          lambda world, a=arguments: function(world, *a)))
        return function
    return register


def check(condition, words):
    if not condition:
        raise Failed(words)


def fingerprint(static):
    return "SHA256:" + base64.b64encode(hashlib.sha256(static).digest()).decode().rstrip("=")


class World:
    """A directory with the keys of a user, and a server of the program."""

    name = login.SERVER_NAME  # of the server

    def __init__(self, program, work):
        self.program, self.work, self.server = program, work, None
        self.user = pwd.getpwuid(os.getuid()).pw_name.encode()
        self.environment = dict(os.environ, LC_ALL="C")
        for name, variable in (("home", "HOME"), ("run", "XDG_RUNTIME_DIR"), ("state", "XDG_STATE_HOME")):
            self.environment[variable] = os.path.join(work, name)
            os.makedirs(self.environment[variable], 0o700)
        self.environment.pop("SSH_AUTH_SOCK", None)
        self.key_file, self.other_file = self.path("home/id"), self.path("home/other")
        for file in (self.key_file, self.other_file):
            self.run("key", "new", "-q", file)
        self.key, self.other = login.read_ssh_key(self.key_file), login.read_ssh_key(self.other_file)
        with open(self.key_file + ".pub") as public, open(self.path("home/authorized"), "w") as file:
            file.write(public.read())
        os.chmod(self.path("home/authorized"), 0o600)
        self.static = None  # the key of the real server, once seen

    def path(self, name):
        return os.path.join(self.work, name)

    # -- the real server

    def serve(self):
        """Starts it unless it runs; its address."""
        if self.server and self.server.poll() is None:
            return self.address
        out, log = self.path("server.out"), open(self.path("server.log"), "ab")
        self.server = subprocess.Popen(
            [self.program, "serve", "--json", "-v", "--listen", "127.0.0.1:0", "--authorized-keys",
             self.path("home/authorized"), "--name", "other.example", "--name", self.name.decode(), "--service", "echo=exec:/bin/cat"],
            stdin=subprocess.DEVNULL, stdout=open(out, "wb"), stderr=log, env=self.environment, cwd=self.work)
        self.until(lambda: os.path.getsize(out) or self.server.poll() is not None)
        with open(out) as file:
            listening = json.load(file)
        self.address, self.fingerprint = ("127.0.0.1", listening["port"]), listening["key"]
        return self.address

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(20)
        self.server = None

    def until(self, condition, limit=20):
        end = time.monotonic() + limit
        while not condition():
            check(time.monotonic() < end, "never true")
            time.sleep(0.01)

    def server_key(self):
        """Learnt by a first contact, checked against what the server printed."""
        if not self.static:
            client = endpoint.Client(self.serve()).connect()
            check(fingerprint(client.server_key) == self.fingerprint, "the proven key is not the server's")
            self.static = client.server_key
            client.close()
        return self.static

    def client(self, logged_in=True, **options):
        """A client of the real server with a channel that works."""
        client = endpoint.Client(self.serve(), **options)
        client.connect(self.server_key())
        if logged_in:
            check(client.login(self.key, self.user) == 0, "not logged in")
        check(client.fence(), f"no channel: {client.channel.closed}")
        client.session.tolerant = True
        client.channel.log.clear()
        return client

    # -- the real command

    def start(self, *arguments, stdin=b""):
        """The command in the background; communicate() is result()."""
        with open(self.path("stdin"), "wb") as file:
            file.write(stdin)
        process = subprocess.Popen([self.program, *arguments], stdin=open(self.path("stdin"), "rb"),
                                   stdout=open(self.path("stdout"), "wb"), stderr=open(self.path("stderr"), "wb"),
                                   env=self.environment, cwd=self.work)
        return process

    def result(self, process):
        with open(self.path("stdout"), "rb") as out, open(self.path("stderr")) as words:
            return process.returncode, out.read(), words.read()

    def run(self, *arguments, server=None, stdin=b"", limit=30):
        """(exit code, stdout, stderr); our server works meanwhile."""
        process = self.start(*arguments, stdin=stdin)
        try:
            if server:
                endpoint.drive([server], lambda: process.poll() is not None, limit)
            else:
                process.wait(limit)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return self.result(process)


def result_code(client):
    return wire.Reader(client.result[login.CODE]).varint()
