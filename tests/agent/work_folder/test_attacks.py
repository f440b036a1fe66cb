"""What a candidate could lay in the way of an agent that runs as root: links, others' files, endless depth."""

import contextlib
import json
import os
import pwd
import shutil

import pytest

from client_agent.errors import AgentError
from client_agent.work_folder import nolinks, watcher
from client_agent.work_folder.contents import NotAtRest, fresh_file, read_piece
from client_agent.work_folder.files import PlainFiles
from client_agent.work_folder.ledger import Kept
from client_agent.work_folder.place import remove
from tests.agent.work_folder.work_station import Pc, sha256

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another person")


@pytest.fixture
def make_pc(station, tmp_path):
    made = []

    def make(**how):
        made.append(Pc(station, tmp_path / "pc", **how))
        return made[-1]

    yield make
    for one in made:
        one.switch_off()


@pytest.fixture
def secret(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "shadow").write_bytes(b"root:$6$secret")
    return folder


def nobody():
    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def test_a_folder_changed_for_a_link_after_the_look_is_not_read_through(tmp_path, secret):
    """As it was found by its name through the link, size and times fit: only the way there tells."""
    root = tmp_path / "实操"
    root.mkdir()
    (root / "草稿").symlink_to(secret)
    files = PlainFiles()
    path = str(root / "草稿" / "shadow")
    with pytest.raises(NotAtRest):
        read_piece(files, path, files.mark(os.stat(path)), 0, 100)


def test_nothing_is_put_or_renamed_below_a_folder_that_became_a_link(tmp_path, secret):
    (tmp_path / "实操").symlink_to(secret)
    (tmp_path / "coming").write_bytes(b"evil")
    with pytest.raises(OSError, match="实操"):
        PlainFiles().put(str(tmp_path / "coming"), str(tmp_path / "实操"), "profile")
    with pytest.raises(OSError, match="实操"):
        PlainFiles().rename(str(tmp_path / "实操"), "shadow", "gone")
    assert [path.name for path in secret.iterdir()] == ["shadow"]


def test_a_device_or_pipe_in_a_file_s_place_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "a.psd")
    with pytest.raises(OSError, match="not a file"):
        PlainFiles().open(str(tmp_path / "a.psd"))


def a_kept_folder(tmp_path):
    root, kept = tmp_path / "exam-work" / "实操", tmp_path / "exam-work" / ".kept" / "17-3f2a91c0"
    root.mkdir(parents=True)
    kept.mkdir(parents=True)
    return root, Kept(17, str(root), "3f2a91c0", "", 0, "", 2**31)


def test_a_folder_changed_for_a_link_while_the_work_is_removed_loses_nothing_behind_it(tmp_path, secret, monkeypatch):
    """Changed in the moment before it is opened, when all looking at its name is done."""
    root, kept = a_kept_folder(tmp_path)
    drafts = root / "草稿"
    drafts.mkdir()
    (drafts / "shadow").write_bytes(b"own")
    opened = []

    def swapping(really, most):
        def run(what, *arguments, **named):
            if str(what).endswith(drafts.name) and not (tmp_path / "away").exists():
                opened.append(what)
                if len(opened) == most:
                    os.rename(drafts, tmp_path / "away")
                    os.symlink(secret, drafts)
            return really(what, *arguments, **named)

        return run

    monkeypatch.setattr(os, "open", swapping(os.open, 1))
    monkeypatch.setattr(os, "scandir", swapping(os.scandir, 2))  # a walk by paths frees all first, then removes
    remove_or_say(kept)
    assert (tmp_path / "away").exists(), "the change was made"
    assert (secret / "shadow").exists()
    monkeypatch.undo()
    remove(kept, PlainFiles())
    assert (secret / "shadow").exists()
    assert not root.exists()


def remove_or_say(kept):
    with contextlib.suppress(AgentError):  # work_folder_held: tried again
        remove(kept, PlainFiles())


def make_deep(folder, levels):
    """Make folders in folders beyond what a path can say."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_folders_deeper_than_any_path_are_removed(tmp_path):
    root, kept = a_kept_folder(tmp_path)
    make_deep(root, 3000)
    remove(kept, PlainFiles())
    assert not root.exists()
    assert not list((tmp_path / "exam-work").iterdir())


def test_folders_without_end_keep_no_other_file_from_the_station(make_pc, station):
    pc = make_pc()
    pc.live(2)
    make_deep(pc.root, 1500)
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.settle()
    assert station.newest("01_海报设计/海报.psd") == b"one"
    nolinks.remove_tree(str(pc.root / "d"))  # pytest itself could not


@as_root
def test_a_second_name_for_another_s_file_is_not_work(make_pc, station, secret):
    """Where the kernel does not forbid it (fs.protected_hardlinks) the candidate can give any file a second name."""
    pc = make_pc(files=PlainFiles("nobody"))
    pc.live(2)
    os.link(secret / "shadow", pc.item / "mine.txt")
    (pc.item / "海报.psd").write_bytes(b"one")
    os.chown(pc.item / "海报.psd", *nobody())
    pc.settle()
    assert station.newest("01_海报设计/海报.psd") == b"one"
    assert "01_海报设计/mine.txt" not in station.versions
    with pytest.raises(PermissionError):
        PlainFiles("nobody").open(str(pc.item / "mine.txt"))


@as_root
def test_where_the_candidate_could_change_the_agent_s_own_folders_nothing_is_kept(tmp_path):
    files = PlainFiles("nobody")
    home, sticky, well = tmp_path / "home", tmp_path / "sticky", tmp_path / "well"
    for folder in (home, sticky, well):
        folder.mkdir(mode=0o755)
    os.chown(home, *nobody())
    assert not files.may_keep(str(home), "exam-work"), "its owner renames what is in it"
    assert files.may_keep(str(well), "exam-work")
    well.chmod(0o777)
    assert not files.may_keep(str(well), "exam-work")
    sticky.chmod(0o1777)
    assert files.may_keep(str(sticky), "exam-work")
    (sticky / "exam-work").mkdir()
    os.chown(sticky / "exam-work", *nobody())
    assert not files.may_keep(str(sticky), "exam-work"), "made before the agent came"
    with pytest.raises(PermissionError):
        files.make_folder(str(sticky), os.path.join("exam-work", ".kept"), is_theirs=False)
    shutil.rmtree(sticky / "exam-work")
    (sticky / "exam-work").symlink_to(well)
    assert not files.may_keep(str(sticky), "exam-work")


@as_root
def test_a_folder_that_somebody_else_prepared_is_passed_over_for_another_drive(make_pc, tmp_path):
    pc = make_pc(files=PlainFiles("nobody"))
    prepared = pc.drive / "exam-work" / ".kept" / "17-1"
    prepared.mkdir(parents=True)
    told = {"attempt_id": 17, "generation": "1", "folder": "实操_12_张三"}
    (prepared / "made.json").write_text(json.dumps(told))
    for folder in (pc.drive / "exam-work", prepared.parent, prepared):
        os.chown(folder, *nobody())
    other = tmp_path / "other"
    other.mkdir()
    pc.drives.append(other)
    pc.live(3)
    assert pc.folder.path == other / "exam-work" / "实操_12_张三"


def test_nothing_is_added_to_another_s_file_under_the_name_of_what_is_fetched(make_pc, station, secret):
    """On drives without rights (FAT, Windows 7) the agent's own folder can be written by anybody."""
    pc = make_pc()
    pc.live(2)
    content = b"root:$6$secret and more"
    kept = pc.drive / "exam-work" / ".kept" / f"17-{pc.folder._kept.generation}"
    os.link(secret / "shadow", kept / f"{sha256(content)}.exam-part")
    station.add_version("01_海报设计/a.txt", content)
    pc.folder.ask_again()
    pc.live(5)
    assert (pc.item / "a.txt").read_bytes() == content
    assert (secret / "shadow").read_bytes() == b"root:$6$secret"
    os.link(secret / "shadow", kept / "copy.exam-part")
    with fresh_file(str(kept / "copy.exam-part")) as copy:
        copy.write(b"mine")
    assert (secret / "shadow").read_bytes() == b"root:$6$secret"


def test_materials_are_kept_behind_no_link(make_pc, station, secret):
    pc = make_pc()
    pc.live(2)
    kept = pc.drive / "exam-work" / ".kept" / f"17-{pc.folder._kept.generation}"
    (kept / "originals").symlink_to(secret)
    station.add_material("logo.png", b"logo")
    pc.folder.ask_again()
    pc.live(5)
    assert [path.name for path in secret.iterdir()] == ["shadow"]
    assert [failure.code for failure in pc.folder.problems()] == ["work_disk_failed"]


def test_a_folder_that_is_kept_behind_a_link_is_not_found_again(make_pc, tmp_path):
    pc = make_pc()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    told = {"attempt_id": 17, "generation": "3f2a91c0", "folder": "实操_12_张三"}
    (elsewhere / "made.json").write_text(json.dumps(told))
    (pc.drive / "exam-work" / ".kept").mkdir(parents=True)
    (pc.drive / "exam-work" / ".kept" / "17-3f2a91c0").symlink_to(elsewhere)
    pc.live(3)
    assert pc.folder._kept.generation != "3f2a91c0"
    assert [path.name for path in elsewhere.iterdir()] == ["made.json"]


@pytest.mark.parametrize("told", [
    {"attempt_id": 17, "generation": "../../../../etc", "folder": "实操_12_张三"},
    {"attempt_id": 17, "generation": "3f2a91c0", "folder": ".."},
    {"attempt_id": 17, "generation": "3f2a91c0", "folder": ".kept"},
])  # fmt: skip
def test_what_lies_about_where_a_folder_is_leads_nowhere(make_pc, told):
    pc = make_pc()
    lying = pc.drive / "exam-work" / ".kept" / "17-3f2a91c0"
    lying.mkdir(parents=True)
    (lying / "made.json").write_text(json.dumps(told))
    pc.live(3)
    assert pc.folder.path == pc.drive / "exam-work" / "实操_12_张三"
    assert pc.folder._kept.generation not in ("3f2a91c0", told["generation"])


def test_more_files_than_anybody_makes_are_told_and_not_taken(make_pc, station, monkeypatch):
    monkeypatch.setattr(watcher, "MOST_FILES", 5)
    pc = make_pc()
    pc.live(2)
    for number in range(20):
        (pc.item / f"{number}.txt").write_bytes(b"x")
    pc.live(10)
    assert [failure.code for failure in pc.folder.problems()] == ["work_too_many_files"]
    assert len(station.versions) <= 6
    for number in range(2, 20):
        (pc.item / f"{number}.txt").unlink()
    pc.settle()
    pc.live(10)
    assert pc.folder.problems() == []
    assert station.newest("01_海报设计/0.txt") == b"x"
