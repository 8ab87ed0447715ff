from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cupel.measure import machine
from cupel.measure.accelerators import Accelerators
from cupel.measure.machine import describe_checkout, describe_machine, installed_packages, machine_label, same_machine

TOKEN = "hf_planted5ecretT0ken"  # noqa: S105  planted, to be looked for
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

CPUINFO = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz
physical id\t: 0
flags\t\t: fpu sse4_2 avx avx2 fma avx512f amx_bf16 amx_tile secretflag
processor\t: 1
model name\t: Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz
physical id\t: 1
flags\t\t: fpu sse4_2
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *identity, "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit and a remote whose address holds a token."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("one")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "remote", "add", "origin", f"https://user:{TOKEN}@example.org/x.git")
    return folder


def test_it_is_plain_data_with_the_keys_of_the_result_document(no_nvml: None) -> None:
    found = describe_machine()
    assert set(found) == {"label", "host", "hardware", "software", "packages", "git"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {"cpu", "num_cores", "num_threads", "memory_bytes", "instruction_sets", "devices"} <= set(found["hardware"])
    assert found["hardware"]["num_cores"] >= 1
    assert found["software"]["python"].startswith(f"{sys.version_info.major}.")
    assert found["packages"]["numpy"]


@needs_git
def test_planted_secrets_are_not_in_it(
    fake_nvml: Any, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "OMP_NUM_THREADS", "GIT_DIR", "PYTHONPATH", "CUDA_VISIBLE_DEVICES", "SSH_CONNECTION"):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setattr(sys, "argv", ["cupel", "run", f"--token={TOKEN}"])
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / TOKEN)])
    monkeypatch.setattr(machine, "__file__", str(checkout / "src/cupel/measure/machine.py"))
    found = describe_machine()
    assert found["git"]["commit"] == git_commit_without_environment(checkout, monkeypatch)
    text = json.dumps(found)
    assert TOKEN not in text
    assert "example.org" not in text


def git_commit_without_environment(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("GIT_DIR")
    return git(checkout, "rev-parse", "HEAD")


@needs_git
def test_a_checkout_is_a_commit_and_whether_it_was_changed(checkout: Path, tmp_path: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "untracked").write_text("does not count")
    assert describe_checkout(checkout) == {"commit": commit, "dirty": False}
    (checkout / "file").write_text("two")
    assert describe_checkout(checkout) == {"commit": commit, "dirty": True}
    assert describe_checkout(tmp_path) is None


@needs_git
def test_git_runs_nothing_that_the_checkout_names(checkout: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(trap))
    describe_checkout(checkout)
    assert not (tmp_path / "sprung").exists()


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_checkout(tmp_path) == {"commit": None, "dirty": None}


def test_a_folder_that_git_refuses_is_unknown(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert describe_checkout(tmp_path) == {"commit": None, "dirty": None}


def test_hardware_from_files(no_nvml: None, plant: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4, 5}, raising=False)
    files = {"proc/cpuinfo": CPUINFO, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": str(2**30)}
    for k in range(6):
        topology = f"sys/devices/system/cpu/cpu{k}/topology"
        files |= {f"{topology}/physical_package_id": "0\n", f"{topology}/core_id": f"{k // 2}\n"}
    found = machine.describe_hardware(plant(files), Accelerators())
    assert found["cpu"] == "Intel Xeon Platinum 8480+"
    assert (found["num_cores"], found["num_threads"], found["num_sockets"]) == (3, 6, 2)
    assert found["memory_bytes"] == 2**30
    assert found["instruction_sets"] == ["sse4_2", "avx", "avx2", "fma", "avx512f", "amx_tile", "amx_bf16"]
    limited = machine.describe_hardware(plant({"sys/fs/cgroup/cpu.max": "250000 100000"}), Accelerators())
    assert (limited["num_cores"], limited["num_threads"], limited["cpu_quota_cores"]) == (2, 2, 2.5)


def test_devices_and_driver(fake_nvml: Any) -> None:
    found = describe_machine()
    assert found["label"] == "2 × NVIDIA H100 80GB HBM3"
    assert found["hardware"]["accelerator_driver"] == "570.86.10"
    assert found["software"]["cuda_of_driver"] == "12.8"
    assert [d["uuid"] for d in found["hardware"]["devices"]] == ["GPU-0a0b", "GPU-1a1b"]
    assert fake_nvml.num_open == 0


@pytest.mark.parametrize(
    ("hardware", "label"),
    [
        ({"cpu": "AMD EPYC", "num_cores": 2, "memory_bytes": 23 * 2**30}, "AMD EPYC, 2 cores, 23 GiB"),
        ({"cpu": "Intel Xeon", "num_sockets": 2, "num_cores": 1}, "2 × Intel Xeon, 1 core"),
        ({"devices": [{"name": "A"}, {"name": "B"}, {"name": "A"}]}, "2 × A + 1 × B"),
        ({}, "unknown CPU"),
    ],
)
def test_label(hardware: dict[str, Any], label: str) -> None:
    assert machine_label(hardware) == label


def test_packages_are_names_and_versions_and_the_first_on_the_path_counts(tmp_path: Path) -> None:
    for name in ("a/torch-2.6.0+cu124.dist-info", "a/huggingface_hub-1.0.dist-info", "b/torch-1.0.dist-info"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "b/Old.Style-0.3-py3.11.egg-info").write_text("")
    (tmp_path / "b/torch").mkdir()
    found = installed_packages([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "absent")])
    assert found == {"huggingface-hub": "1.0", "old-style": "0.3", "torch": "2.6.0+cu124"}


def test_all_installed_packages_are_found_without_opening_them() -> None:
    from importlib import metadata

    found = installed_packages(sys.path)
    for package in ("numpy", "scipy", "psutil", "pytest"):
        assert found[package] == metadata.version(package)


@pytest.mark.parametrize(
    ("source", "cuda", "hip"),
    [
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", "12.8", None),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.2.41133'\n", None, "6.2.41133"),
        ("__version__ = '2.13.0+cpu'\ncuda = None\n", None, None),
        ("", None, None),
    ],
)
def test_cuda_is_read_and_not_imported(source: str, cuda: str | None, hip: str | None) -> None:
    assert (machine._assigned(source, "cuda"), machine._assigned(source, "hip")) == (cuda, hip)


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; from cupel.measure.machine import describe_machine; describe_machine(); "
        "from cupel.measure.telemetry import Sampler; Sampler().sample([1]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_works_without_torch(no_nvml: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    monkeypatch.setattr(metadata, "distribution", absent)
    software = describe_machine()["software"]
    assert (software["torch"], software["cuda"], software["cupel"]) == (None, None, None)


BASE: dict[str, Any] = {
    "host": "a",
    "hardware": {
        "cpu": "AMD EPYC",
        "num_cores": 2,
        "num_threads": 4,
        "memory_bytes": 100 * 2**30,
        "instruction_sets": ["avx2", "avx512f"],
        "devices": [{"index": 0, "name": "NVIDIA H100", "memory_bytes": 80 * 2**30, "uuid": "GPU-1"}],
        "accelerator_driver": "570",
    },
    "software": {"python": "3.11.7", "torch": "2.6.0", "cuda": "12.8", "kernel": "6.1"},
    "packages": {"torch": "2.6.0", "rich": "13"},
}


def changed(**keys: Any) -> dict[str, Any]:
    """The base with `room__key` set."""
    other = copy.deepcopy(BASE)
    for path, value in keys.items():
        room, _, key = path.partition("__")
        if key:
            other[room][key] = value
        else:
            other[room] = value
    return other


def test_what_does_not_move_numbers_is_no_difference() -> None:
    same = changed(host="b", hardware__memory_bytes=99 * 2**30, packages={"torch": "2.6.0", "rich": "14"})
    same["hardware"]["devices"][0]["uuid"] = "GPU-2"
    assert same_machine(BASE, same) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"hardware__cpu": "Intel"}, "CPU: AMD EPYC, then Intel"),
        ({"hardware__num_cores": 8}, "cores: 2, then 8"),
        ({"hardware__memory_bytes": 50 * 2**30}, "memory: 100.0 GiB, then 50.0 GiB"),
        ({"hardware__instruction_sets": ["avx2"]}, "instruction sets that the other lacks: avx512f, then none"),
        ({"hardware__devices": []}, "devices: 1 × NVIDIA H100, then none"),
        ({"hardware__accelerator_driver": "580"}, "accelerator driver: 570, then 580"),
        ({"software__cuda": None}, "CUDA: 12.8, then none"),
        ({"packages": {"torch": "2.7.0"}}, "torch: 2.6.0, then 2.7.0"),
        ({"packages": {}}, "torch: 2.6.0, then none"),
    ],
)
def test_what_moves_numbers_is_said_in_words(keys: dict[str, Any], words: str) -> None:
    assert same_machine(BASE, changed(**keys)) == [words]


def test_device_memory_and_count_are_differences() -> None:
    card = BASE["hardware"]["devices"][0]
    other = changed(hardware__devices=[{**card, "memory_bytes": 94 * 2**30}])
    assert same_machine(BASE, other) == ["device memory in GiB: 80, then 94"]
    two = changed(hardware__devices=[card, card])
    assert same_machine(BASE, two) == ["devices: 1 × NVIDIA H100, then 2 × NVIDIA H100"]


def test_a_key_that_one_lacks_says_nothing() -> None:
    assert same_machine(BASE, {"hardware": {}, "software": {}}) == []
    assert same_machine({}, BASE) == []
    assert same_machine(BASE, {"software": {"torch": "2.7.0"}}) == ["torch: 2.6.0, then 2.7.0"]


def test_a_machine_is_the_same_as_itself(no_nvml: None) -> None:
    assert same_machine(describe_machine(), describe_machine()) == []
