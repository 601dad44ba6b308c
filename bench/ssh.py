#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""ssh.py - the peer that everybody has: OpenSSH, a server of our own

ssh.py login COUNT DIRECTORY      logins, one after the other: from the start
                                  of ssh until it is let in; the processor
                                  time of the server's processes
ssh.py first COUNT DIRECTORY      from the start of ssh to the first answer of
                                  the server's own sftp; BENCH_RTT_MS: of the
                                  path
ssh.py sessions COUNT DIRECTORY   sessions over one connection that is there
                                  already (ControlMaster), four at a time: a
                                  few bytes to the server's own sftp, which
                                  starts no program, and its answer

The directory has `key` and `authorized_keys`. ssh runs on core 0, the server
on core 1, with curve25519, Ed25519 and AES-128-GCM. Prints one JSON object.
Exit code 3: there is no OpenSSH server here, or it cannot run.
"""
import concurrent.futures
import getpass
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

SERVER_CORE, CLIENT_CORE = {1}, {0}
# As in common.h: where the server is, if not here.
SERVER = os.environ.get("BENCH_SERVER", "127.0.0.1")
SERVER_NET = os.environ.get("BENCH_SERVER_NET")
ALGORITHMS = ["KexAlgorithms=curve25519-sha256",
              "Ciphers=aes128-gcm@openssh.com"]
AT_A_TIME = 4
HELLO = b"\0\0\0\5\1\0\0\0\3"       # sftp: INIT, version 3
ANSWER = b"\2\0\0\0\3"              # VERSION 3, after four bytes of length
# The server wants a directory that only a started system has.
WITH_RUN = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && "
            'mkdir /run/sshd && exec "$@"', "sh"]


def give_up(why):
    print(f"bench: ssh: {why}", file=sys.stderr)
    sys.exit(3)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start_server(directory, port):
    path = shutil.which("sshd", path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/usr/local/sbin")
    if path is None or shutil.which("ssh") is None:
        give_up("not installed")
    host_key = os.path.join(directory, "ssh_host_key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "",
                    "-f", host_key], check=True, stdin=subprocess.DEVNULL)
    options = ALGORITHMS + [
        f"ListenAddress={SERVER}:{port}", f"HostKey={host_key}",
        "AuthorizedKeysFile=" + os.path.join(directory, "authorized_keys"),
        "StrictModes=no", "UsePAM=no", "UseDNS=no", "PidFile=none",
        "PrintMotd=no", "PrintLastLog=no", "PasswordAuthentication=no",
        "KbdInteractiveAuthentication=no", "MaxStartups=100",
        "MaxSessions=100", "LogLevel=ERROR", "Subsystem=sftp internal-sftp"]
    command = [path, "-D", "-e", "-f", "/dev/null"]
    for option in options:
        command += ["-o", option]
    if os.getuid() == 0 and not os.path.isdir("/run/sshd"):
        command = WITH_RUN + command
    if SERVER_NET:
        command = ["nsenter", f"--net={SERVER_NET}"] + command
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, SERVER_CORE))
    for _ in range(500):
        if server.poll() is not None:
            give_up(server.stderr.read().decode().strip() or "sshd ended")
        try:
            socket.create_connection((SERVER, port)).close()
            return server
        except OSError:
            time.sleep(0.01)
    server.kill()
    give_up("sshd does not listen")


def client_command(directory, port):
    with open(os.path.join(directory, "ssh_host_key.pub"),
              encoding="utf-8") as file:
        kind, key = file.read().split()[:2]
    known = os.path.join(directory, "ssh_known_hosts")
    with open(known, "w", encoding="utf-8") as file:
        file.write(f"[{SERVER}]:{port} {kind} {key}\n")
    command = ["ssh", "-F", "/dev/null", "-T", "-p", str(port),
               "-i", os.path.join(directory, "key"),
               "-S", os.path.join(directory, "ssh.control")]
    for option in ALGORITHMS + [
            "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes",
            f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null", "LogLevel=ERROR"]:
        command += ["-o", option]
    return command, f"{getpass.getuser()}@{SERVER}"


def run(command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=30,
                          check=True, **more)


def log_in(command, host):
    """Back when the login is done; a process stays behind and holds it."""
    try:
        run(command[:1] + ["-f", "-N", "-M"] + command[1:] + [host],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        give_up("the login was refused")


def log_out(command, host):
    run(command + ["-O", "exit", host], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)


def cpu_s(pid):
    """Of a process and of its children that have ended."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    path = f"/proc/{pid}/task/{pid}/children"
    with open(path, encoding="utf-8") as file:
        return file.read().split()


def quiet(pid):
    for _ in range(500):
        if not children(pid):
            return
        time.sleep(0.01)
    raise OSError("sshd's children do not end")


def logins(server, command, host, count):
    log_in(command, host)               # files are in the cache now
    log_out(command, host)
    quiet(server.pid)
    before, times = cpu_s(server.pid), []
    for _ in range(count):
        start = time.monotonic()
        log_in(command, host)
        times.append((time.monotonic() - start) * 1e6)
        log_out(command, host)          # fails if there is none
    quiet(server.pid)
    used = cpu_s(server.pid) - before
    times.sort()
    return {"logins": count, "p50_us": statistics.median(times),
            "p99_us": times[count * 99 // 100],
            "server_us": used * 1e6 / count,
            "per_core_s": count / used if used > 0 else None}


def ask_sftp(command, host):
    """A session's first answer; how long it took."""
    start = time.monotonic()
    with subprocess.Popen(command + ["-s", host, "sftp"],
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as client:
        client.stdin.write(HELLO)
        client.stdin.flush()
        answer = client.stdout.read(9)
        elapsed = time.monotonic() - start
        client.stdin.close()
    if answer[4:] != ANSWER or client.returncode != 0:
        raise OSError("a wrong answer")
    return elapsed


def first(command, host, count):
    rtt_s = float(os.environ["BENCH_RTT_MS"]) / 1000
    alone = [word for word in command if not word.endswith("ssh.control")]
    alone.remove("-S")
    ask_sftp(alone, host)               # files are in the cache now
    median = statistics.median(ask_sftp(alone, host) for _ in range(count))
    return {"logins": count, "rtts": median / rtt_s, "p50_us": median * 1e6}


def sessions(command, host, count):
    log_in(command, host)
    ask_sftp(command, host)
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda _: ask_sftp(command, host), range(count)))
    elapsed = time.monotonic() - start
    log_out(command, host)
    return {"sessions": count, "in_flight": AT_A_TIME,
            "per_s": count / elapsed}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("login", "first", "sessions"):
        sys.exit("usage: ssh.py login|first|sessions COUNT DIRECTORY")
    count, directory = int(sys.argv[2]), os.path.abspath(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.sched_setaffinity(0, CLIENT_CORE)
    port = free_port()
    server = start_server(directory, port)
    command, host = client_command(directory, port)
    try:
        if sys.argv[1] == "login":
            result = logins(server, command, host, count)
        elif sys.argv[1] == "first":
            result = first(command, host, count)
        else:
            result = sessions(command, host, count)
    finally:
        subprocess.run(command + ["-O", "exit", host], check=False,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        server.terminate()
        server.wait()
    version = subprocess.run(["ssh", "-V"], stderr=subprocess.PIPE, text=True,
                             check=True).stderr.split(",")[0].strip()
    print(json.dumps({**result, "checked": True, "provider": version,
                      "cipher": "aes128-gcm@openssh.com",
                      "key_exchange": "curve25519-sha256"}))


if __name__ == "__main__":
    main()
