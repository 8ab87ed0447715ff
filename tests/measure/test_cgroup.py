from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cupel.measure import cgroup

GIB = 2**30


def test_version_2_counts_the_tightest_of_all_ancestors(plant: Callable[..., Path]) -> None:
    root = plant(
        {
            "proc/self/cgroup": "0::/batch/job\n",
            "sys/fs/cgroup/batch/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/batch/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/batch/memory.stat": f"anon 5\ninactive_file {GIB}\n",
            "sys/fs/cgroup/batch/job/memory.max": "max\n",
            "sys/fs/cgroup/batch/job/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/batch/cpu.max": "max 100000\n",
        }
    )
    assert cgroup.memory_limit_bytes(root) == 4 * GIB
    assert cgroup.memory_left_bytes(root) == 2 * GIB
    assert cgroup.cpu_quota_cores(root) == 1.5


def test_version_1_and_a_container_that_sees_its_own_mount_only(plant: Callable[..., Path]) -> None:
    root = plant(
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }
    )
    assert cgroup.memory_limit_bytes(root) == 2 * GIB
    assert cgroup.memory_left_bytes(root) == GIB
    assert cgroup.cpu_quota_cores(root) == 0.5


def test_no_limit_is_none_and_not_a_large_number(plant: Callable[..., Path]) -> None:
    root = plant(
        {
            "proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        }
    )
    assert cgroup.memory_limit_bytes(root) is None
    assert cgroup.memory_left_bytes(root) is None
    assert cgroup.cpu_quota_cores(root) is None


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert cgroup.memory_limit_bytes(tmp_path) is None
    assert cgroup.cpu_quota_cores(tmp_path) is None
