"""What machine this is, as plain data without secrets, and whether two machines make comparable numbers.

Only what is named here is written: no environment, no command line, no remote of a git checkout. Torch is never
imported: its version and CUDA's are read from the files of its installation.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from cupel.measure import cgroup
from cupel.measure.accelerators import Accelerators, open_accelerators
from cupel.measure.memory import GIB, host_memory_bytes

INSTRUCTION_SETS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni"),
    *("avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),
    *("asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2", "sme"),
)
"""Instruction sets that change how fast arithmetic goes, by the names that Linux gives them (x86, then ARM)."""

DECISIVE_PACKAGES = ("torch", "triton", "numpy", "transformers", "diffusers")
"""Packages whose version changes numbers."""

GIT_TIMEOUT_S = 2.0


def describe_machine(root: Path = Path("/"), accelerators: Accelerators | None = None) -> dict[str, Any]:
    """This machine as JSON-able data.

    Args:
        root: where `/proc` and `/sys` hang; another folder in tests.
        accelerators: what `open_accelerators` gave, where the caller has it open already.

    Returns:
        `label` (a few words), `host`, `hardware`, `software`, `packages` {name: version}, and `git` {commit, dirty} of
        Cupel's own checkout, None where it is installed otherwise. Unknown values are None.

    Cost: about 50 ms without an accelerator; the start of the sensor library beyond that.
    """
    opened = accelerators if accelerators is not None else open_accelerators(root)
    try:
        hardware = describe_hardware(root, opened)
    finally:
        if accelerators is None:
            opened.close()
    return {
        "label": machine_label(hardware),
        "host": platform.node() or None,
        "hardware": hardware,
        "software": describe_software(root, cuda_of_driver=opened.cuda_of_driver),
        "packages": installed_packages(sys.path),
        "git": describe_checkout(Path(__file__).resolve().parents[3]),
    }


def describe_hardware(root: Path, accelerators: Accelerators) -> dict[str, Any]:
    """CPU, cores that this process may use, memory that it may use, accelerators."""
    cpu_text = _text(root / "proc/cpuinfo")
    cpus = _usable_cpus()
    quota = cgroup.cpu_quota_cores(root)
    threads = len(cpus) if quota is None else max(1, min(len(cpus), int(quota)))
    return {
        "cpu": _cpu_name(cpu_text),
        "num_sockets": len(set(_values(cpu_text, "physical id"))) or None,
        "num_cores": min(threads, _num_cores(root, cpus)),
        "num_threads": threads,
        "cpu_quota_cores": quota,
        "memory_bytes": host_memory_bytes(root).total,
        "instruction_sets": _instruction_sets(cpu_text),
        "devices": [
            {"index": d.index, "name": d.name, "memory_bytes": d.memory_bytes, "uuid": d.uuid}
            for d in accelerators.devices
        ],
        "accelerator_driver": accelerators.driver,
    }


def describe_software(root: Path = Path("/"), cuda_of_driver: str | None = None) -> dict[str, Any]:
    """Operating system, Python, Cupel, torch, and the CUDA or ROCm that torch was built for."""
    torch_file = _text(_torch_folder() / "version.py")
    return {
        "os": _os_name(root),
        "kernel": platform.release() or None,
        "python": platform.python_version(),
        "cupel": _version("cupel"),
        "torch": _version("torch"),
        "cuda": _assigned(torch_file, "cuda"),
        "rocm": _assigned(torch_file, "hip"),
        "cuda_of_driver": cuda_of_driver,
    }


def machine_label(hardware: Mapping[str, Any]) -> str:
    """The machine in a few words: its accelerators where it has any, else CPU, cores and memory."""
    names = [d["name"] for d in hardware.get("devices") or ()]
    if names:
        counts = {name: names.count(name) for name in dict.fromkeys(names)}
        return " + ".join(f"{num} × {name}" for name, num in counts.items())
    sockets = hardware.get("num_sockets") or 1
    cpu = hardware.get("cpu") or "unknown CPU"
    parts = [f"{sockets} × {cpu}" if sockets > 1 else cpu]
    num_cores, memory_bytes = hardware.get("num_cores"), hardware.get("memory_bytes")
    if num_cores:
        parts.append(f"{num_cores} core{'s' if num_cores > 1 else ''}")
    if memory_bytes:
        parts.append(f"{memory_bytes / GIB:.0f} GiB")
    return ", ".join(parts)


def same_machine(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Differences between two descriptions that make their numbers incomparable, in words; empty when there are none.

    The host's name, the identity of a card and memory within 5 % do not matter; a key that either description lacks
    (one written by another version) says nothing.
    """
    hard_a, hard_b = a.get("hardware") or {}, b.get("hardware") or {}
    soft_a, soft_b = a.get("software") or {}, b.get("software") or {}
    words = [
        *_differences(hard_a, hard_b, {"cpu": "CPU", "num_cores": "cores", "num_threads": "hardware threads"}),
        *_differences(hard_a, hard_b, {"cpu_quota_cores": "CPU quota in cores"}),
        *_memory_difference(hard_a, hard_b),
        *_set_difference(hard_a, hard_b),
        *_device_difference(hard_a, hard_b),
        *_differences(hard_a, hard_b, {"accelerator_driver": "accelerator driver"}),
        *_differences(soft_a, soft_b, {"kernel": "kernel", "python": "Python", "cuda": "CUDA", "rocm": "ROCm"}),
    ]
    packs_a, packs_b = a.get("packages"), b.get("packages")
    if packs_a is not None and packs_b is not None:
        versions = [{n: packs.get(n) for n in DECISIVE_PACKAGES} for packs in (packs_a, packs_b)]
        words += _differences(versions[0], versions[1], {n: n for n in DECISIVE_PACKAGES})
    else:
        words += _differences(soft_a, soft_b, {"torch": "torch"})
    return words


def _differences(a: Mapping[str, Any], b: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """`name: A's value, then B's` for each key that both have and that differs."""
    for key, name in names.items():
        if key in a and key in b and a[key] != b[key]:
            yield _change(name, a[key], b[key])


def _memory_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Memory, where it differs by more than what firmware and kernel reserve."""
    size_a, size_b = a.get("memory_bytes"), b.get("memory_bytes")
    if size_a and size_b and abs(size_a - size_b) > 0.05 * max(size_a, size_b):
        yield _change("memory", f"{size_a / GIB:.1f} GiB", f"{size_b / GIB:.1f} GiB")


def _set_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Instruction sets that one of the two lacks."""
    if "instruction_sets" in a and "instruction_sets" in b:
        sets_a, sets_b = a["instruction_sets"] or (), b["instruction_sets"] or ()
        only_a, only_b = [s for s in sets_a if s not in sets_b], [s for s in sets_b if s not in sets_a]
        if only_a or only_b:
            yield _change("instruction sets that the other lacks", ", ".join(only_a), ", ".join(only_b))


def _device_difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Devices by kind and number; their memory where the kind is the same."""
    if "devices" not in a or "devices" not in b:
        return
    devices_a, devices_b = a["devices"] or [], b["devices"] or []
    names_a, names_b = sorted(d["name"] for d in devices_a), sorted(d["name"] for d in devices_b)
    if names_a != names_b:
        labels = [machine_label({"devices": devices}) if devices else "" for devices in (devices_a, devices_b)]
        yield _change("devices", labels[0], labels[1])
        return
    gib = [sorted(round((d.get("memory_bytes") or 0) / GIB) for d in devices) for devices in (devices_a, devices_b)]
    if gib[0] != gib[1]:
        yield _change("device memory in GiB", ", ".join(map(str, gib[0])), ", ".join(map(str, gib[1])))


def _change(name: str, a: object, b: object) -> str:
    first, second = ("none" if v in (None, "") else str(v) for v in (a, b))
    return f"{name}: {first}, then {second}"


# CPU ------------------------------------------------------------------------------------------------------------------


def _usable_cpus() -> list[int]:
    """Numbers of the hardware threads that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _num_cores(root: Path, cpus: Iterable[int]) -> int:
    """Physical cores among hardware threads; as many as threads where the kernel does not say which is whose."""
    cores = set()
    for cpu in cpus:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        package, core = _text(topology / "physical_package_id"), _text(topology / "core_id")
        cores.add((package, core) if core else (str(cpu), ""))
    return len(cores)


def _cpu_name(cpu_text: str) -> str | None:
    """The maker's name without marks, clock and filler words."""
    name = (
        next(iter(_values(cpu_text, "model name")), "") or _sysctl("machdep.cpu.brand_string") or platform.processor()
    )
    name = re.sub(r"\((R|TM|tm|r)\)|@.*|\b(CPU|Processor|[0-9]+-Core)\b", " ", name)
    return " ".join(name.split()) or platform.machine() or None


def _instruction_sets(cpu_text: str) -> list[str]:
    flags = {flag for key in ("flags", "Features") for line in _values(cpu_text, key)[:1] for flag in line.split()}
    return [name for name in INSTRUCTION_SETS if name in flags]


def _values(text: str, key: str) -> list[str]:
    """Values of the lines `key : value`."""
    return [v.strip() for k, _, v in (line.partition(":") for line in text.splitlines()) if k.strip() == key]


def _sysctl(name: str) -> str:
    return _output(["sysctl", "-n", name]) or "" if sys.platform == "darwin" else ""


# Software -------------------------------------------------------------------------------------------------------------


def installed_packages(folders: Iterable[str]) -> dict[str, str]:
    """Name and version of each installed distribution, in order of name; the first on the path counts.

    The names of the metadata folders say both: opening each file in them would take ten times as long.
    """
    found: dict[str, str] = {}
    for folder in folders:
        try:
            entries = sorted(os.listdir(folder or "."))  # noqa: PTH208  the names are all that is needed
        except OSError:
            continue
        for entry in entries:
            match = re.fullmatch(r"([A-Za-z0-9._]+)-([A-Za-z0-9.!+_]+?)(-py[0-9.]+)?\.(dist-info|egg-info)", entry)
            if match:
                found.setdefault(re.sub(r"[-_.]+", "-", match[1]).lower(), match[2])
    return dict(sorted(found.items()))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch_folder() -> Path:
    """Where torch is installed; a path that does not exist where it is not."""
    try:
        return Path(str(metadata.distribution("torch").locate_file("torch")))
    except metadata.PackageNotFoundError:
        return Path("/nonexistent/torch")


def _assigned(source: str, name: str) -> str | None:
    """The text assigned to a name at the top of a Python file (`cuda: Optional[str] = '12.8'`)."""
    found = re.search(rf"^{name}\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", source, re.MULTILINE)
    return found[1] if found else None


def _os_name(root: Path) -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)"?', _text(root / "etc/os-release"), re.MULTILINE)
    return found[1] if found else f"{platform.system()} {platform.release()}"


def describe_checkout(folder: Path) -> dict[str, Any] | None:
    """Commit of a git checkout and whether tracked files differ from it; None where the folder is none.

    Git is told to run no program that the checkout's configuration names and to write nothing.
    """
    if not (folder / ".git").exists():
        return None
    git = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder)]
    commit = _output([*git, "rev-parse", "--verify", "HEAD"])
    changes = _output([*git, "status", "--porcelain", "--untracked-files=no"]) if commit else None
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _output(command: list[str]) -> str | None:
    """What a command says, None where it fails or is not there."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=GIT_TIMEOUT_S, check=True, env=env
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\x00\n ")
    except OSError:
        return ""
