"""The spool: what it said it holds it holds, whatever happens to process and disk."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.spool.errors import SpoolError, SpoolUnusable
from connectors.kafka.spool.spool import Spool
from connectors.kafka.spool.sqlite_file import SpoolFile
from schemas.codec import EncodedRecord

MIB = 1 << 20
wires = st.builds(
    EncodedRecord,
    st.text(min_size=1, max_size=8),
    st.none() | st.binary(max_size=8),
    st.none() | st.binary(max_size=40),
    st.lists(st.tuples(st.text(max_size=4), st.binary(max_size=4)), max_size=2).map(tuple),
)


def wire(n: int, size: int = 10) -> EncodedRecord:
    return EncodedRecord("sms-callbacks", b"+12125550100", str(n).encode().ljust(size, b"."))


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool.db", MIB)
    yield spool
    await spool.close()


async def test_what_was_appended_is_read_in_order_and_forgotten_when_deleted(spool: Spool) -> None:
    ids = [await spool.append(1000.0 + n, [wire(2 * n), wire(2 * n + 1)]) for n in range(3)]
    found, damaged = await spool.head(0, 4)

    assert [spooled.record for spooled in found] == [wire(n) for n in range(4)]
    assert [spooled.id for spooled in found] == [*ids[0], *ids[1]]
    await spool.delete([ids[0], ids[1]])
    contents = await spool.contents()
    assert (damaged, contents.waiting, contents.oldest_at) == (0, 2, 1002.0)
    assert [spooled.record for spooled in (await spool.head(ids[0].start, 10))[0]] == [wire(4), wire(5)]


@given(records=st.lists(wires, max_size=5))
def test_any_record_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, records: list[EncodedRecord]
) -> None:
    file = SpoolFile(tmp_path_factory.mktemp("spool") / "spool.db", MIB)
    file.begin()
    file.append(0.0, records)
    file.commit()

    assert [spooled.record for spooled in file.head(0, 10)[0]] == records
    file.close()


async def test_requests_made_at_once_share_a_commit(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = []
    commit = SpoolFile.commit

    def counted(self: SpoolFile) -> None:
        commits.append(self)
        commit(self)

    monkeypatch.setattr(SpoolFile, "commit", counted)
    await asyncio.gather(*(spool.append(0.0, [wire(n)]) for n in range(500)))

    assert len(commits) < 50
    assert (await spool.contents()).waiting == 500


async def test_what_finds_no_room_does_not_fail_what_was_asked_at_the_same_time(spool: Spool) -> None:
    gate = threading.Event()
    held = spool._request(lambda _: gate.wait())  # so that the rest is one group
    asked = [spool.append(0.0, [record]) for record in (wire(1), wire(2, 3 * MIB), wire(3))]
    contents = spool.contents()
    gate.set()
    await held
    one, two, three = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(two, SpoolError)
    assert (await contents).waiting == 2
    assert [spooled.record for spooled in (await spool.head(0, 9))[0]] == [wire(1), wire(3)]
    assert isinstance(one, range)
    assert isinstance(three, range)


async def test_a_full_spool_refuses_and_keeps_what_it_has(spool: Spool) -> None:
    async def fill() -> None:
        for n in itertools.count():
            await spool.append(0.0, [wire(n, 50_000)])
            kept.append(n)

    kept: list[int] = []
    with pytest.raises(SpoolError, match="full"):
        await fill()

    found, _ = await spool.head(0, 100)
    assert [spooled.record for spooled in found] == [wire(n, 50_000) for n in kept]
    await spool.delete([range(found[0].id, found[5].id + 1)])
    await spool.append(0.0, [wire(99, 50_000)])
    assert (await spool.head(found[-1].id, 9))[0][0].record == wire(99, 50_000)


async def test_what_the_disk_refuses_one_is_not_refused_the_others_of_its_commit(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await spool.append(1000.0, [wire(0)])

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SpoolFile, "delete", full)
    appended, deleted, contents = await asyncio.gather(
        spool.append(1001.0, [wire(1)]), spool.delete([ids]), spool.contents(), return_exceptions=True
    )

    assert isinstance(deleted, SpoolError)
    assert appended == range(ids.stop, ids.stop + 1)
    assert not isinstance(contents, BaseException)
    assert contents.waiting == 2


async def test_its_room_is_given_back_to_the_disk(spool: Spool) -> None:
    ids = await spool.append(0.0, [wire(n, 10_000) for n in range(80)])
    full = (await spool.contents()).bytes
    await spool.delete([ids])

    assert full > 800_000
    assert (await spool.contents()).bytes < 50_000


async def test_a_record_that_changed_on_the_disk_is_set_apart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", MIB)
    await spool.append(0.0, [wire(n) for n in range(3)])
    await spool.close()
    with sqlite3.connect(tmp_path / "spool.db") as db:
        db.execute("UPDATE record SET value = x'58' WHERE id = 2")
        db.execute("UPDATE record SET headers = 'no json' WHERE id = 3")
    db.close()

    spool = Spool(tmp_path / "spool.db", MIB)
    found, damaged = await spool.head(0, 10)
    await spool.delete([range(1, 4)])
    contents = await spool.contents()
    await spool.close()
    assert ([spooled.record for spooled in found], damaged) == ([wire(0)], 2)
    assert (contents.waiting, contents.damaged) == (0, 2)


async def test_a_second_process_is_told_that_the_file_is_in_use(spool: Spool, tmp_path: Path) -> None:
    await spool.append(0.0, [wire(1)])
    program = (
        "import pathlib, sys; from connectors.kafka.spool.sqlite_file import SpoolFile;"
        "SpoolFile(pathlib.Path(sys.argv[1]), 1 << 20)"
    )
    other = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(tmp_path / "spool.db")], capture_output=True, text=True
    )

    assert "SpoolUnusable: spool_path" in other.stderr
    assert "another ingester" in other.stderr


async def test_a_file_that_is_no_spool_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"something else, and longer than a header" * 100)

    with pytest.raises(SpoolUnusable, match="spool_path"):
        Spool(tmp_path / "spool.db", MIB)
    assert (tmp_path / "spool.db").read_bytes().startswith(b"something else")


WRITER = """
import asyncio, pathlib, sys
from connectors.kafka.spool.spool import Spool
from schemas.codec import EncodedRecord

async def main():
    spool = Spool(pathlib.Path(sys.argv[1]), 1 << 26)
    for n in range(100_000):
        await spool.append(0.0, [EncodedRecord("t", b"k", b"%d" % n)])
        print(n, flush=True)

asyncio.run(main())
"""


def test_what_was_confirmed_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    confirmed = [int(writer.stdout.readline()) for _ in range(30)]
    writer.send_signal(signal.SIGKILL)
    confirmed += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.stdout.close()
    writer.wait()

    file = SpoolFile(path, MIB)
    found = [spooled.record.value for spooled in file.head(0, 100_000)[0]]
    file.close()
    assert found[: len(confirmed)] == [b"%d" % n for n in confirmed]
    assert len(found) <= len(confirmed) + 1


FULL_DISK = """
import asyncio, pathlib, resource, signal, sys
from connectors.kafka.spool.errors import SpoolError, SpoolUnusable
from connectors.kafka.spool.spool import Spool
from schemas.codec import EncodedRecord

async def main():
    spool = Spool(pathlib.Path(sys.argv[1]), 1 << 30)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    kept = 0
    try:
        while kept < 1000:
            await spool.append(0.0, [EncodedRecord("t", b"k", b"%d" % kept * 1000)])
            kept += 1
    except SpoolError:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await spool.append(0.0, [EncodedRecord("t", b"k", b"after")])
    print(kept, len((await spool.head(0, 10_000))[0]))
    await spool.close()

asyncio.run(main())
"""


def test_a_disk_that_the_system_says_is_full_refuses_until_there_is_room(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "spool.db")], capture_output=True, text=True, check=True
    )
    kept, found = map(int, done.stdout.split())

    assert 10 < kept < 1000
    assert found == kept + 1
