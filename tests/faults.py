"""What can go wrong in a sweep, done to one on purpose: `python tests/faults.py [--kills 20] [--runs 60000] [--workers 2]`.

A sweep in processes of its own is killed (kill -9) at random moments and taken up again, its workers are killed, its disk
fills up or turns read-only, its files are truncated or replaced. Each time the files at the end must be those of an
undisturbed sweep, byte for byte. Prints a line a fault; exits 1 if any went wrong.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

MARK = f"SIMULATE_FAULTS_{uuid.uuid4().hex}"
CODE = "from simulate import cli_sweeps; from simulate.cli import app; app()"
failed = []


def report(what, ok, detail=""):
    print(f"{'ok  ' if ok else 'FAIL'}  {what}{'  ' + detail if detail else ''}", flush=True)  # noqa: T201
    if not ok:
        failed.append(what)


def digests(folder):
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


def command(folder, options):
    return [sys.executable, "-c", CODE, "sweep", "thz-shock", "--out", str(folder), "--sample", "latin_hypercube",
            "--runs", str(options.runs), "--chunk", "2048", "--workers", str(options.workers)]


def start(folder, options):
    return subprocess.Popen(command(folder, options), env={**os.environ, MARK: "1", "SIMULATE_LANG": "en"}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)


def complete(folder, options):
    process = start(folder, options)
    output = process.communicate()[0]
    return process.returncode, output.strip()


def parts(folder):
    return len(list(folder.glob("part-*"))) if folder.exists() else 0


def ours():
    """Processes begun here that are still alive (by the mark in their environment): parents and workers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if MARK.encode() in (entry / "environ").read_bytes() and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def gone(seconds=10):
    """Whether all processes begun here end within `seconds`."""
    until = time.monotonic() + seconds
    while ours() and time.monotonic() < until:
        time.sleep(0.05)
    return not ours()


def kills(base, options, wanted, duration):
    chance, count, round_ = random.Random(options.seed), 0, 0
    while count < options.kills:
        folder = base / f"killed-{round_}"
        round_ += 1
        while count < options.kills:
            process, begun, already = start(folder, options), time.monotonic(), parts(folder)
            if count % 2:  # every other time just when files are being written
                while parts(folder) <= already and process.poll() is None:
                    time.sleep(0.001)
            moment = chance.uniform(0, 0.2 if count % 2 else duration)
            try:
                process.wait(moment)
                break  # it came to its end before the blow
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            count, moment = count + 1, time.monotonic() - begun
            orphans = not gone()
            left = [f.name for f in folder.glob(".*")] if folder.exists() else []
            report(f"kill -9 no. {count:2} after {moment:5.2f} s", not orphans, f"{parts(folder)} of {len(wanted) - 1} files done, "
                   f"temporary files left: {len(left)}{', workers left behind' if orphans else ''}")
        code, output = complete(folder, options)
        report(f"taken up again: round {round_}, {count} kills so far", code == 0 and digests(folder) == wanted, output)
        shutil.rmtree(folder)


def worker(base, options, wanted):
    folder = base / "worker"
    process = start(folder, options)
    killed = 0
    while process.poll() is None and killed < 2:
        if parts(folder) > 2 * killed:
            mine = [p for p in ours() if p != process.pid and "spawn_main" in Path(f"/proc/{p}/cmdline").read_text()]
            if mine:
                os.kill(random.Random(options.seed).choice(mine), signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    output = process.communicate()[0]
    report(f"{killed} workers killed in mid-sweep", killed == 2 and process.returncode == 0 and digests(folder) == wanted, output.strip())


def interrupted(base, options, wanted):
    folder = base / "interrupted"
    process = start(folder, options)
    while parts(folder) < 2 and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    output = process.communicate()[0]
    report("Ctrl-C", process.returncode == 130 and "the same command goes on" in output and "Traceback" not in output
           and not list(folder.glob(".*")), output.strip())
    code, output = complete(folder, options)
    report("taken up after Ctrl-C", code == 0 and digests(folder) == wanted, output)


def disk(base, options, wanted):
    mount = base / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(mount)], capture_output=True).returncode:
        print("--    full and read-only disk: no permission to mount one; tests/test_sweeps.py makes the errors by hand")  # noqa: T201
        return
    try:
        folder = mount / "out"
        code, output = complete(folder, options)
        report("a disk of 5 MB", code == 2 and "the disk is full" in output and "goes on from here" in output
               and not list(folder.glob(".*")), output)
        subprocess.run(["mount", "-o", "remount,size=500m", str(mount)], check=True)
        code, output = complete(folder, options)
        report("taken up with more room", code == 0 and digests(folder) == wanted, output)
        (folder / "part-000001.parquet").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        code, output = complete(folder, options)
        report("a read-only disk", code == 2 and "Read-only file system" in output, output)
        code, output = complete(mount / "new", options)
        report("a read-only disk, new folder", code == 2 and "Read-only file system" in output, output)
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def files(base, options, wanted):
    folder = base / "files"
    complete(folder, options)
    names = sorted(f.name for f in folder.glob("part-*"))
    first, second = (folder / n for n in names[:2])
    for what, damage in {"truncated": lambda b: b[: len(b) // 2], "emptied": lambda b: b"", "one bit flipped": lambda b: (
            b[: len(b) // 3] + bytes([b[len(b) // 3] ^ 1]) + b[len(b) // 3 + 1:])}.items():
        first.write_bytes(damage(first.read_bytes()))
        code, output = complete(folder, options)
        report(f"a file {what}", code == 0 and names[0] in output and digests(folder) == wanted, output)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    code, output = complete(folder, options)
    report("a file of another chunk under its name", code == 2 and names[0] in output and first.read_bytes() == second.read_bytes(), output)
    first.write_bytes(content)
    (folder / "stray.parquet").write_bytes(content)
    code, output = complete(folder, options)
    report("a Parquet file too many", code == 2 and "stray.parquet" in output, output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--runs", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background deaf to Ctrl-C
    base = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        begun = time.monotonic()
        code, output = complete(base / "undisturbed", options)
        duration = time.monotonic() - begun
        wanted = digests(base / "undisturbed")
        report("undisturbed", code == 0, f"{len(wanted) - 1} files in {duration:.1f} s: {output}")
        if code == 0:
            kills(base, options, wanted, duration)
            for fault in (worker, interrupted, disk, files):
                fault(base, options, wanted)
        report("no process is left", gone())
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{len(failed)} faults were not handled" if failed else "every fault was handled")  # noqa: T201
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
