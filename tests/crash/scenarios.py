"""
Programs that run in an interpreter of their own: ``python -m tests.crash.scenarios NAME ROOT``.

Each forks, or starts threads, in a way that the test runner's own process must not; it
ends with status 0 if what it claims holds, else with a traceback.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realmconf.errors import ForkedInTransaction, RealmconfError
from realmconf.runtime.client import connect

REALM = "team"
PROJECT = Path(__file__).resolve().parents[2]


def run(name: str, root: Path, *arguments: str, timeout_seconds: float = 100) -> str:
    """Run the scenario *name* in a new interpreter; its output, or the failure it ended with."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.crash.scenarios", name, str(root), *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert finished.returncode == 0, (
        f"{name}: status {finished.returncode}\n{finished.stderr[-4000:]}"
    )
    return finished.stdout


def start(name: str, root: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the scenario *name*; it prints a line when it has got as far as the test needs."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.scenarios", name, str(root), *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )


def command(*arguments: str, cwd: Path) -> str:
    """Run a realmconf command."""
    finished = subprocess.run(
        [sys.executable, "-m", "realmconf", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


# --- parts ----------------------------------------------------------------------------


def raise_by_one(draft: dict[str, Any]) -> None:
    draft["n"] = draft.get("n", 0) + 1


def increments(client: Any, number: int) -> None:
    realm = client.realm(REALM)
    for _ in range(number):
        realm.update(raise_by_one, timeout=60)


def forked(act: Callable[[], None]) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        act()
        status = 0
    finally:
        if status:
            import traceback

            traceback.print_exc()
        os._exit(status)


def joined(*processes: int) -> None:
    for process in processes:
        _, status = os.waitpid(process, 0)
        assert status == 0, f"a child ended with {status}"


def somebody_else(root: str, number: int) -> subprocess.Popen[str]:
    """A process that shares nothing with this one."""
    return start("increment", Path(root), str(number))


def expect(root: str, total: int) -> None:
    """A new process finds *total* increments, at generations 1 to *total*."""
    run("expect", Path(root), str(total))


# --- scenarios --------------------------------------------------------------------------


def scenario_increment(root: str, number: str) -> None:
    with connect(root) as client:
        increments(client, int(number))


def scenario_expect(root: str, total: str) -> None:
    with connect(root) as client:
        realm = client.realm(REALM)
        snapshot = realm.get()
        assert snapshot.config["n"] == int(total), (snapshot.config["n"], total)
        assert snapshot.generation == int(total), (snapshot.generation, total)
        generations: list[int] = []
        before = None
        while page := realm.history(limit=1000, before=before):
            generations += [one.generation for one in page]
            before = page[-1].generation
        assert generations == list(range(int(total), 0, -1))
        realm.verify()


def scenario_fork_idle(root: str) -> None:
    client = connect(root)
    increments(client, 3)
    child = forked(lambda: increments(client, 20))
    increments(client, 20)
    joined(child)
    assert client.realm(REALM).get().config["n"] == 43
    expect(root, 43)


def scenario_fork_never_used(root: str) -> None:
    client = connect(root)
    children = [forked(lambda: increments(client, 10)) for _ in range(3)]
    increments(client, 10)
    joined(*children)
    expect(root, 40)


def scenario_fork_while_threads_write(root: str) -> None:
    client = connect(root)
    stop = threading.Event()
    done: list[int] = []

    def work() -> None:
        while not stop.is_set():
            increments(client, 1)
            done.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(12):
        time.sleep(0.01)
        children.append(forked(lambda: increments(client, 5)))
    joined(*children)
    stop.set()
    for thread in threads:
        thread.join()
    assert done
    expect(root, len(done) + 60)


def scenario_fork_parent_closes_first(root: str) -> None:
    client = connect(root)
    increments(client, 1)

    def outlive_the_parent() -> None:
        time.sleep(0.1)
        increments(client, 20)
        client.close()

    child = forked(outlive_the_parent)
    client.close()
    other = somebody_else(root, 20)
    joined(child)
    assert other.wait(60) == 0
    expect(root, 41)


def scenario_fork_child_closes_first(root: str) -> None:
    client = connect(root)
    increments(client, 1)
    joined(forked(client.close))
    other = somebody_else(root, 20)
    increments(client, 20)
    assert other.wait(60) == 0
    client.close()
    expect(root, 41)


def scenario_fork_third_process_between(root: str) -> None:
    client = connect(root)
    increments(client, 5)
    go, ready = os.pipe()

    def child() -> None:
        os.read(go, 1)
        assert client.realm(REALM).get().config["n"] == 15
        increments(client, 5)

    process = forked(child)
    run("increment", Path(root), "10")
    os.write(ready, b"!")
    joined(process)
    assert client.realm(REALM).get().config["n"] == 20
    increments(client, 1)
    expect(root, 21)


def scenario_fork_preloaded(root: str) -> None:
    """A server that opens its client before it forks its workers, as web servers do."""
    client = connect(root)
    increments(client, 1)
    assert client.realm(REALM).current["n"] == 1

    def worker() -> None:
        threads = [threading.Thread(target=increments, args=(client, 10)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        increments(client, 1)

    workers = [forked(worker) for _ in range(4)]
    other = somebody_else(root, 20)
    joined(*workers)
    assert other.wait(60) == 0
    assert client.realm(REALM).current["n"] == 185
    expect(root, 185)


def scenario_fork_inside_change(root: str) -> None:
    """A fork inside our own transaction: the child's handle says so, the parent's write is kept."""
    client = connect(root)
    increments(client, 1)
    children: list[int] = []

    def change(draft: dict[str, Any]) -> None:
        raise_by_one(draft)

        def child() -> None:
            refused: list[RealmconfError] = []

            def use_what_was_inherited() -> None:
                for use in (
                    lambda: client.realm(REALM).set_value("n", 99, timeout=5),
                    client.realm(REALM).get,
                ):
                    try:
                        use()
                    except ForkedInTransaction as error:
                        refused.append(error)

            thread = threading.Thread(target=use_what_was_inherited)
            thread.start()
            thread.join()
            assert len(refused) == 2, "the child used its parent's transaction"

        children.append(forked(child))

        def child_with_a_client_of_its_own() -> None:
            thread = threading.Thread(target=lambda: increments(connect(root), 1))
            thread.start()
            thread.join()

        children.append(forked(child_with_a_client_of_its_own))

    client.realm(REALM).update(change)
    joined(*children)
    increments(client, 1)
    expect(root, 4)


def scenario_fork_then_die(root: str) -> None:
    """A killed parent leaves no lock behind in the child it forked while a thread was writing."""
    reading, writing = os.pipe()

    def doomed() -> None:
        client = connect(root)
        increments(client, 1)
        entered = threading.Event()

        def write_for(seconds: float) -> None:
            def slow(draft: dict[str, Any]) -> None:
                entered.set()
                time.sleep(seconds)
                raise_by_one(draft)

            entered.clear()
            threading.Thread(target=lambda: client.realm(REALM).update(slow)).start()
            entered.wait()

        write_for(0.3)
        survivor = os.fork()
        if survivor == 0:
            time.sleep(60)
            os._exit(0)
        os.write(writing, survivor.to_bytes(4, "little"))
        # Longer than it lives: this one is never committed.
        write_for(60)
        os.kill(os.getpid(), signal.SIGKILL)

    process = os.fork()
    if process == 0:
        doomed()
    survivor = int.from_bytes(os.read(reading, 4), "little")
    os.waitpid(process, 0)
    try:
        with connect(root) as client:
            client.realm(REALM).update(raise_by_one, timeout=15)
        expect(root, 3)
    finally:
        os.kill(survivor, signal.SIGKILL)


def scenario_fork_and_watch(root: str) -> None:
    """Parent and child each see every generation, by watches of their own made after and before the fork."""
    client = connect(root)
    increments(client, 1)
    realm = client.realm(REALM)

    def see(total: int) -> None:
        seen = []
        for snapshot in realm.watch(after=0, view="own", timeout=30):
            seen.append(snapshot.generation)
            if len(seen) == total:
                break
        assert seen == list(range(1, total + 1)), seen

    child = forked(lambda: see(21))
    other = somebody_else(root, 20)
    see(21)
    joined(child)
    assert other.wait(60) == 0


def scenario_many_threads(root: str) -> None:
    client = connect(root)
    threads = [threading.Thread(target=increments, args=(client, 10)) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.realm(REALM).current["n"] == 640
    client.close()
    expect(root, 640)


def scenario_spawn(root: str) -> None:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with connect(root) as client:
        increments(client, 1)
        workers = [context.Process(target=scenario_increment, args=(root, "15")) for _ in range(4)]
        for worker in workers:
            worker.start()
        increments(client, 15)
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
    expect(root, 76)


def scenario_never_opens_the_database_itself(root: str) -> None:
    """Nothing in this process opens one of the three files of the database by itself."""
    opened: list[str] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.open") and arguments and isinstance(arguments[0], (str, bytes)):
            path = os.fsdecode(arguments[0])
            if path.endswith((".db", "-wal", "-shm", "-journal")):
                opened.append(path)

    sys.addaudithook(hook)
    client = connect(root)
    realm = client.realm(REALM)
    increments(client, 5)
    realm.patch({"x": {"y": 1}})
    realm.rollback(to=2)
    realm.delete()
    increments(client, 1)
    realm.history()
    realm.verify()
    client.compact(keep=2)
    client.backup(f"{root}-copy")
    client.rename(REALM, "elsewhere")
    joined(forked(lambda: increments(client, 2)))
    client.close()
    made_new = [path for path in opened if not path.endswith(".db.new")]
    assert not made_new, made_new


def scenario_compete(root: str, index: str) -> None:
    """For each generation named on standard input, write against it, and say what came of it."""
    with connect(root) as client:
        realm = client.realm(REALM)
        realm.get()
        for line in sys.stdin:
            try:
                snapshot = realm.set(
                    {"winner": int(index), "round": int(line)}, expected_generation=int(line)
                )
            except RealmconfError as error:
                told = error.to_dict()
            else:
                told = {"generation": snapshot.generation}
            print(json.dumps(told), flush=True)


def scenario_store_vanishes(root: str) -> None:
    """The folder of the record is removed while a client is open."""
    import shutil

    client = connect(root)
    realm = client.realm(REALM)
    increments(client, 3)
    client.publish()
    shutil.rmtree(os.path.join(root, ".store"))
    time.sleep(0.3)
    acts: list[Callable[[], Any]] = [
        realm.get,
        lambda: realm.update(raise_by_one, timeout=60),
        realm.get,
    ]
    for act in acts:
        codes = []
        try:
            act()
        except RealmconfError as error:
            codes.append(error.code)
        assert codes == ["history_missing"], "an answer from a record that is gone"


# --- holders of the turn ------------------------------------------------------------------


def scenario_hold(root: str, leaf: str = "held") -> None:
    """Say "holding" from inside the turn, and stay there until killed or told to go on."""
    client = connect(root)

    def change(draft: dict[str, Any]) -> None:
        print("holding", flush=True)
        sys.stdin.readline()
        draft[leaf] = True

    client.realm(REALM).update(change)
    print("done", flush=True)
    client.close()


def scenario_write_once(root: str, leaf: str, timeout: str) -> None:
    """Write one leaf; say "waiting" before and the outcome after."""
    client = connect(root)
    client.realm(REALM).get()
    print("waiting", flush=True)
    try:
        client.realm(REALM).set_value(leaf, value=True, timeout=float(timeout))
    except RealmconfError as error:
        print(error.code, flush=True)
    else:
        print("written", flush=True)


def main() -> None:
    name, root, *arguments = sys.argv[1:]
    globals()[f"scenario_{name}"](root, *arguments)


if __name__ == "__main__":
    main()
