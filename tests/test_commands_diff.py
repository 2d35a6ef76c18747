"""`midden diff` on a server under load: it names the site that grows, whatever else comes and goes."""
import time

import pytest

import harness
from commands_kit import Standing, midden


@pytest.fixture(scope="module")
def dumps(workshop, tmp_path_factory):
    """Three dumps with a thousand requests between them, and the exit report."""
    place = tmp_path_factory.mktemp("diff")
    with Standing(workshop.build("commands/server.c"), place) as alive:
        files = []
        for number in range(3):
            for _ in range(2):
                alive.tell("x")
                assert alive.line() == "served"
            files.append(place / f"dump-{number}")
            assert midden("dump", alive.pid, "-o", files[-1]).status == 0
            time.sleep(0.05)
        status, report = alive.end()
    assert status == harness.GATE
    return files, report


@pytest.fixture(scope="module")
def other(workshop, tmp_path_factory):
    """A dump of another run, further on."""
    place = tmp_path_factory.mktemp("other")
    with Standing(workshop.build("commands/server.c"), place) as alive:
        for _ in range(8):
            alive.tell("x")
            assert alive.line() == "served"
        assert midden("dump", alive.pid, "-o", place / "dump").status == 0
    return place / "dump"


def diff(*words):
    return midden("diff", "--json", *words).json()


def site_of(report, function):
    """The (first) site whose caller of malloc is that function."""
    return next(site for site in report["sites"] if site["stack"][1]["function"] == function)


def test_the_growing_site_comes_first(dumps):
    report = diff(*dumps[0])
    first = report["sites"][0]
    assert "remember" in [frame["function"] for frame in first["stack"]]
    assert first["only_grows"] and (first["steps_grown"], first["steps_shrunk"]) == (2, 0)
    assert [at["blocks"] for at in first["at"]] == [1000, 2000, 3000]
    assert [at["bytes"] for at in first["at"]] == [48000, 96000, 144000]
    assert (first["appeared"], first["gone"]) == ({"bytes": 96000, "blocks": 2000}, {"bytes": 0, "blocks": 0})
    assert report["same_process"] is True
    assert first["bytes_per_hour"] == pytest.approx(96000 / report["hours"])
    text = midden("diff", *dumps[0]).stdout
    told = [line for line in text.splitlines() if line.startswith("  at ")]
    assert told[0].endswith(" in remember")
    assert "grows at every step: +96,000 bytes in +2,000 blocks, now 144,000 bytes in 3,000 blocks" in text
    assert "  bytes at each image: 48,000 → 96,000 → 144,000" in text


def test_what_comes_and_goes_does_not_grow(dumps):
    """Each thread keeps one buffer, of another size with each request."""
    report = diff(*dumps[0])
    scratch = site_of(report, "serve")
    assert [at["blocks"] for at in scratch["at"]] == [4, 4, 4]
    assert scratch["appeared"]["blocks"] == scratch["gone"]["blocks"] > 0


def test_leaks_that_are_new(dumps):
    forgotten = site_of(diff(dumps[0][0], dumps[0][2]), "forget")
    before, now = forgotten["lost"]["before"], forgotten["lost"]["now"]
    # Blocks in a thread's registers or dead stack slots may seem held: of 100 and of 300, nearly all.
    assert 90 <= before["blocks"] <= 100 and 290 <= now["blocks"] <= 300 and now["bytes"] == 24 * now["blocks"]


def test_lost_at_the_end_as_the_last_dump_says(dumps):
    """The server serves nothing more after the last dump."""
    record = next(r for r in dumps[1]["leaks"]["records"] if r["stack"][1]["function"] == "forget")
    forgotten = site_of(diff(dumps[0][0], dumps[0][2]), "forget")
    assert forgotten["at"][-1] == {"bytes": record["bytes"], "blocks": record["blocks"]} == {"bytes": 7200, "blocks": 300}
    assert forgotten["site"] == record["site"]


def test_totals_are_the_images_own(dumps):
    report = diff(*dumps[0])
    for image, file in zip(report["images"], dumps[0]):
        blocks = midden("blocks", file, "--json", "--limit=1").json()
        assert (image["bytes"], image["blocks"]) == (blocks["bytes"], blocks["blocks"])
    for index, total in enumerate(report["images"]):
        listed = sum(site["at"][index]["bytes"] for site in report["sites"])
        assert listed <= total["bytes"]


def test_against_itself_nothing_changed(dumps):
    report = diff(dumps[0][1], dumps[0][1])
    assert report["sites"] == [] and report["verdict"] == {"gating": False, "exitcode": 0}


def test_sites_of_another_run(dumps, other):
    """Other addresses, the same sites."""
    report = diff(dumps[0][0], other)
    grown = site_of(report, "remember")
    assert report["same_process"] is False
    assert [at["blocks"] for at in grown["at"]] == [1000, 4000] and grown["appeared"] is None
    assert grown["site"] == diff(*dumps[0])["sites"][0]["site"]
    assert "these are different processes" in midden("diff", dumps[0][0], other).stdout


@pytest.mark.parametrize("options, status", [
    ([], 0), (["--fail-on=grown"], 23), (["--fail-on=leaks"], 23), (["--fail-on=grown", "--error-exitcode=7"], 7),
    (["--fail-on=grown", "--at-least=90000"], 23), (["--fail-on=grown", "--at-least=97k"], 0), (["--fail-on=none"], 0),
])
def test_gate(dumps, options, status):
    assert midden("diff", dumps[0][0], dumps[0][2], *options).status == status


def test_backwards_nothing_has_grown(dumps):
    """But the threads' buffers, four of up to 5,000 bytes, which have another size at each time."""
    done = midden("diff", dumps[0][2], dumps[0][0], "--fail-on=grown,leaks", "--at-least=20001")
    assert done.status == 0 and ("sites shrank" in done.stdout or "site shrank" in done.stdout), done


def test_at_least_and_limit(dumps):
    text = midden("diff", *dumps[0], "--at-least=50k").stdout
    assert text.count("\n  at ") >= 1 and "in remember" in text
    assert "… and " in midden("diff", *dumps[0], "--limit=1").stdout


def test_against_the_running_process(workshop, tmp_path):
    with Standing(workshop.build("commands/server.c"), tmp_path) as alive:
        alive.tell("x")
        alive.line()
        assert midden("dump", alive.pid, "-o", tmp_path / "before").status == 0
        alive.tell("x")
        alive.line()
        report = diff(tmp_path / "before", alive.pid)
        assert report["same_process"] and site_of(report, "remember")["growth_blocks"] == 500
        assert report["images"][1]["live"] is True
