"""Whatever fails or dies in lock, run and unlock: the PC is as before, at the latest after the next start."""

import json
import os
import random
import signal
import threading
import time

import pytest

from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from tests.agent import lock_laws
from tests.agent.lock_ground import Ground, in_a_process, write_whole
from tests.agent.lock_laws import Pc, a_profile

posix_only = pytest.mark.skipif(not lock_laws.can_fork, reason="processes are killed with SIGKILL")
KILLS = int(os.environ.get("EXAM_AGENT_KILLS", "40"))


@pytest.fixture
def ground(tmp_path):
    return Ground.build(tmp_path / "pc")


@pytest.fixture
def undo_path(tmp_path):
    return tmp_path / "agent" / "undo.json"


@pytest.mark.parametrize("law", lock_laws.ALL, ids=lambda law: law.__name__)
def test_law(law, ground, undo_path):
    law(Pc(ground.operations, ground_in_order(ground), a_profile(), undo_path))


def ground_in_order(ground):
    """Take a snapshot in which the order of registry values does not count: a registry has none."""

    def snapshot():
        return {**ground.snapshot(), "registry.json": ground.values()}

    return snapshot


def whole_life(ground, undo_path):
    """Lock, be disturbed, lock again what was disturbed, take another profile, unlock."""
    lockdown = Lockdown(ground.operations(), UndoFile(undo_path))
    assert lockdown.lock(a_profile()) == []
    write_whole(ground.registry, json.dumps({**ground.values(), "DisableTaskMgr": 0}))
    assert [one.mended for one in lockdown.reapply()] == [True]
    assert lockdown.lock(a_profile(removable_drives=True)) == []
    assert lockdown.unlock().is_complete


def killed_after(delay_s, act):
    """Kill a process at a moment of the parent's; gives its exit status."""
    pids, statuses = [], []
    thread = threading.Thread(target=lambda: statuses.append(in_a_process(act, started=pids.append)))
    thread.start()
    while not pids:
        time.sleep(0.0005)
    time.sleep(delay_s)
    os.kill(pids[0], signal.SIGKILL)
    thread.join()
    return statuses[0]


def restore(ground, undo_path):
    assert Lockdown(ground.operations(), UndoFile(undo_path)).restore().is_complete


@posix_only
@pytest.mark.timeout(300)
def test_a_kill_before_and_after_every_change_of_the_disk_is_put_right_by_the_next_start(ground, undo_path):
    before = ground_in_order(ground)()
    step, status = 0, signal.SIGKILL
    while status != 0:
        step += 1
        status = in_a_process(lambda: whole_life(ground, undo_path), die_at=step)
        assert status in (0, signal.SIGKILL), f"step {step}"
        # The restore is killed, too, at some step of its own, and begun again.
        assert in_a_process(lambda: restore(ground, undo_path), die_at=1 + step % 17) in (0, signal.SIGKILL)
        assert in_a_process(lambda: restore(ground, undo_path)) == 0, f"step {step}"
        assert ground_in_order(ground)() == before, f"killed at step {step}"
        assert not undo_path.exists(), f"killed at step {step}"
    assert step > 150, "there were fewer steps than the operations alone must make"


@posix_only
@pytest.mark.timeout(300)
def test_kill_9_at_random_moments_of_lock_run_and_unlock(ground, undo_path):
    """`EXAM_AGENT_KILLS=200` for the long form; the seed is printed."""
    seed = int(os.environ.get("EXAM_AGENT_KILL_SEED", str(random.randrange(10**6))))
    print(f"EXAM_AGENT_KILL_SEED={seed}")
    chance = random.Random(seed)
    before = ground_in_order(ground)()
    found_locked = 0

    def live_on():
        while True:
            whole_life(ground, undo_path)

    for number in range(KILLS):
        status = killed_after(chance.uniform(0.0, 0.06), live_on)
        assert status == signal.SIGKILL, f"kill {number}: the run ended by itself with {status}"
        found_locked += undo_path.exists()
        assert in_a_process(lambda: restore(ground, undo_path)) == 0
        assert ground_in_order(ground)() == before, f"kill {number}"
        assert not undo_path.exists()
    assert found_locked > KILLS // 4, "the kills hit nothing"


def test_another_profile_reverts_what_it_no_longer_asks_for_and_keeps_the_first_way_back(ground, undo_path):
    before = ground_in_order(ground)()
    lockdown = Lockdown(ground.operations(), UndoFile(undo_path))
    lockdown.lock(a_profile())
    assert ground.values()["Start"] == 4
    lockdown.lock(a_profile(removable_drives=True))
    assert ground.values()["Start"] == 3
    assert "Deny_All" not in ground.values()
    assert ground.values()["DisableTaskMgr"] == 1
    lockdown.lock(a_profile())
    assert ground.values()["Start"] == 4
    assert lockdown.unlock().is_complete
    assert ground_in_order(ground)() == before


def test_a_pc_that_is_locked_stays_locked_when_a_new_profile_fails(ground, undo_path):
    pc = Pc(ground.operations, ground.snapshot, a_profile(), undo_path)
    pc.lockdown().lock(a_profile())
    taking_over = pc.lockdown(("policies", "perform", "before", OSError(28, "No space left on device")))
    (problem,) = taking_over.lock(a_profile(local_port=9000))
    assert problem.code == "lock_not_held"
    assert "No space left" in problem.zh
    assert taking_over.profile is not None
    assert ground.values()["DisableTaskMgr"] == 1


def test_what_somebody_changes_back_is_locked_again_and_told(ground, undo_path):
    lockdown = Lockdown(ground.operations(), UndoFile(undo_path))
    lockdown.lock(a_profile())
    write_whole(ground.programs / "qq", "since 08:02")
    (found,) = lockdown.reapply()
    assert found.mended
    assert found.code == "lock_not_held"
    assert "qq" in found.zh
    assert not (ground.programs / "qq").exists()
    assert lockdown.reapply() == []
    lockdown.unlock()
    assert (ground.programs / "qq").read_text() == "since 07:31"


def test_an_operation_of_another_version_stays_in_the_file_and_is_named(ground, undo_path):
    Lockdown(ground.operations(), UndoFile(undo_path)).lock(a_profile())
    fewer = [one for one in ground.operations() if one.name != "keys"]
    back = Lockdown(fewer, UndoFile(undo_path)).restore()
    assert [one.code for one in back.left] == ["undo_operation_unknown"]
    assert "keys" in back.left[0].en
    assert len(back.put_back) == 4
    assert Lockdown(ground.operations(), UndoFile(undo_path)).restore().put_back == (("注册表keys", "registry keys"),)
    assert not undo_path.exists()


def test_two_operations_of_one_name_are_a_mistake_of_the_program(ground, undo_path):
    with pytest.raises(ValueError, match="one name"):
        Lockdown([*ground.operations(), ground.operations()[0]], UndoFile(undo_path))
