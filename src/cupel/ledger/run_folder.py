"""The run folder: what a run leaves on disk, and how it is read again.

    <utc time>-<name>/
      run.json             schema, what was asked, plan, code version, machine
      jobs/<job id>/       see `cupel.ledger.job_folder`
      report.html

A folder is portable: it can be moved and read on a machine without torch. One supervisor writes it at a time, by a lock
that the system drops when its holder dies.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cupel.ledger.job_folder import JobFolder
from cupel.ledger.records import write_json
from cupel.spec.errors import RunFolderError
from cupel.spec.job import Job

SCHEMA = 1
RESERVE_BYTES = 256 * 1024
"""Room kept back at the start, so that a full disk still takes the records that say so."""


class RunFolder:
    """A run on disk.

    Args:
        path: the folder; it must hold a `run.json`.

    Raises:
        RunFolderError: no run folder, damaged, or of a schema newer than this version reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked = _read_run_json(path)

    @classmethod
    def create(cls, out: Path, name: str, content: dict[str, Any]) -> RunFolder:
        """Make a new folder `<out>/<utc time>-<name>` with its `run.json`; never reuses one."""
        stamp = dt.datetime.now(dt.UTC)
        for attempt in range(1000):
            suffix = f".{attempt}" if attempt else ""
            path = out / f"{stamp:%Y%m%dT%H%M%SZ}-{name}{suffix}"
            try:
                out.mkdir(parents=True, exist_ok=True)
                path.mkdir()
            except FileExistsError:
                if out.is_dir():
                    continue
                raise RunFolderError(f"{out} is a file; give a folder with --out.") from None
            except OSError as error:
                raise RunFolderError(
                    f"No run folder can be made in {out}: {error.strerror}. Give another with --out."
                ) from error
            break
        else:
            raise RunFolderError(f"{out} already has a thousand runs of this second; wait a second.")
        try:
            (path / "jobs").mkdir()
            (path / ".reserve").write_bytes(os.urandom(RESERVE_BYTES))
            write_json(path / "run.json", {"schema": SCHEMA, "started": stamp.isoformat(timespec="seconds"), **content})
        except OSError as error:
            raise RunFolderError(
                f"The run folder {path} cannot be written: {error.strerror}. Free space, or give another with --out."
            ) from error
        return cls(path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one supervisor.

        Raises:
            RunFolderError: another process holds it.
        """
        handle = (self.path / "lock").open("a+", encoding="utf-8")
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise RunFolderError(f"{self.path} cannot be locked: {error.strerror}.") from error
                handle.seek(0)
                holder = handle.read().strip() or "another process"
                raise RunFolderError(
                    f"{self.path} is in use by {holder}; wait for it or stop it, then try again."
                ) from None
            with contextlib.suppress(OSError):  # a full disk must not refuse a resume
                handle.seek(0)
                handle.truncate()
                handle.write(f"process {os.getpid()} on {os.uname().nodename}\n")
                handle.flush()
            yield
        finally:
            handle.close()

    def note(self, **values: Any) -> None:
        """Write further facts into `run.json` (a resume, another code version at the end); whole or not at all."""
        self.asked |= values
        write_json(self.path / "run.json", self.asked)

    def release_reserve(self) -> bool:
        """Give back the room kept for a full disk; True the first time."""
        try:
            (self.path / ".reserve").unlink()
        except OSError:
            return False
        return True

    def job(self, job: Job) -> JobFolder:
        """The folder of a job, made where it is absent."""
        folder = JobFolder(self.path / "jobs" / job.id)
        folder.prepare(job)
        return folder

    def jobs(self) -> list[JobFolder]:
        """Every job of the run, by id."""
        root = self.path / "jobs"
        if not root.is_dir():
            return []
        return [JobFolder(p) for p in sorted(root.iterdir()) if (p / "job.json").is_file()]

    def existing(self, job: Job) -> JobFolder:
        """The folder of a job as it is; nothing is made."""
        return JobFolder(self.path / "jobs" / job.id)

    def done(self, job: Job) -> bool:
        """Whether a job already has a result."""
        return self.existing(job).has_result()


def _read_run_json(path: Path) -> dict[str, Any]:
    """The content of `run.json`, checked."""
    file = path / "run.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        close = f" Its newest run is {max(path.glob('*/run.json')).parent}." if any(path.glob("*/run.json")) else ""
        raise RunFolderError(
            f"{path} is no run folder: it has no run.json.{close} Runs are in ./runs unless --out said otherwise."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunFolderError(f"{file} cannot be read: {error}. The job records beside it are untouched.") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(schema, int):
        raise RunFolderError(f"{file} has no schema number; expected a file written by cupel run.")
    if schema > SCHEMA:
        raise RunFolderError(f"{file} has schema {schema}; this version reads up to {SCHEMA}. Upgrade cupel.")
    return dict(content)
