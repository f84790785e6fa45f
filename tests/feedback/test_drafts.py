import threading

import pytest

from tests.feedback.conftest import NOW, Desk, later, ranking
from tutelage.errors import DataError, MissingError
from tutelage.feedback import work
from tutelage.store import drafts


def begun(desk: Desk, labeler: str = "anna") -> drafts.Draft:
    (held,) = desk.lease(labeler, limit=1)
    return drafts.begin(desk.store, held.id, labeler, now=NOW)


def test_a_draft_begins_empty_and_is_the_same_one_ever_after(desk: Desk) -> None:
    desk.task("p")
    first = begun(desk)
    assert (first.version, first.content, first.saved) == (0, "", None)
    again = drafts.begin(desk.store, first.assignment_id, "anna", now=later(5))
    assert again == first == drafts.get(desk.store, first.id, "anna")


def test_its_address_says_nothing_of_the_task(desk: Desk) -> None:
    desk.task("gold-7")
    assert "gold" not in begun(desk).id


def test_every_save_is_a_version_and_keeps_any_text(desk: Desk) -> None:
    desk.task("p")
    draft = begun(desk)
    for version, content in enumerate(["a", "b\0\uf0f0 \u202e<script>", ""], start=1):
        saved = drafts.save(desk.store, draft.id, "anna", content, base=version - 1, now=later(version))
        assert (saved.version, saved.content, saved.saved) == (version, content, later(version))
        assert drafts.get(desk.store, draft.id, "anna") == saved


def test_a_save_that_is_sent_twice_counts_once(desk: Desk) -> None:
    desk.task("p")
    draft = begun(desk)
    first = drafts.save(desk.store, draft.id, "anna", "text", base=0, now=later(1))
    assert drafts.save(desk.store, draft.id, "anna", "text", base=0, now=later(9)) == first


@pytest.mark.parametrize("base", [0, 2, -1])
def test_a_save_over_another_version_is_refused_and_loses_nothing(desk: Desk, base: int) -> None:
    desk.task("p")
    draft = begun(desk)
    kept = drafts.save(desk.store, draft.id, "anna", "mine", base=0, now=later(1))
    with pytest.raises(drafts.NewerDraftError, match="choose which version"):
        drafts.save(desk.store, draft.id, "anna", "other", base=base, now=later(2))
    assert drafts.get(desk.store, draft.id, "anna") == kept


def test_of_two_devices_that_save_at_once_one_wins(desk: Desk) -> None:
    desk.task("p")
    draft = begun(desk)
    outcomes: list[str] = []
    together = threading.Barrier(8)

    def save(text: str) -> None:
        together.wait()
        try:
            outcomes.append(drafts.save(desk.store, draft.id, "anna", text, base=0, now=later(1)).content)
        except drafts.NewerDraftError:
            outcomes.append("")

    threads = [threading.Thread(target=save, args=(f"device {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = filter(None, outcomes)
    assert drafts.get(desk.store, draft.id, "anna").content == won


def test_nobody_reads_or_writes_the_draft_of_another(desk: Desk) -> None:
    desk.task("p")
    draft = begun(desk)
    with pytest.raises(MissingError, match="on your desk"):
        drafts.get(desk.store, draft.id, "ben")
    with pytest.raises(MissingError, match="on your desk"):
        drafts.save(desk.store, draft.id, "ben", "x", base=0, now=NOW)
    with pytest.raises(DataError, match="ask for work first"):
        drafts.begin(desk.store, draft.assignment_id, "ben", now=NOW)
    assert drafts.get(desk.store, draft.id, "anna").version == 0


def test_a_draft_that_is_too_long_is_refused(desk: Desk) -> None:
    desk.task("p")
    draft = begun(desk)
    with pytest.raises(DataError, match=r"1,000,001 characters; shorten it to 1,000,000"):
        drafts.save(desk.store, draft.id, "anna", "x" * 1_000_001, base=0, now=NOW)


def test_the_desk_shows_what_is_begun_and_then_what_was_handed_in(desk: Desk) -> None:
    desk.task("a")
    desk.task("b", "demonstrate")
    held = desk.lease("anna")
    ids = [drafts.begin(desk.store, one.id, "anna", now=later(n)).id for n, one in enumerate(held)]
    assert [(one.draft_id, one.kind, one.state) for one in drafts.on_desk(desk.store, "anna")] == [
        (ids[0], "rank", "offered"),
        (ids[1], "demonstrate", "offered"),
    ]
    desk.submit(ranking(held[0]))
    assert [one.draft_id for one in drafts.on_desk(desk.store, "anna")] == ids[1:]
    assert [one.draft_id for one in drafts.handed_in(desk.store, "anna", limit=5)] == ids[:1]
    assert drafts.on_desk(desk.store, "ben") == drafts.handed_in(desk.store, "ben", limit=5) == []


def test_work_of_an_expired_lease_stays_on_the_desk_until_another_has_done_it(desk: Desk) -> None:
    desk.task("a")
    desk.task("b")
    for draft in [drafts.begin(desk.store, one.id, "anna", now=NOW) for one in desk.lease("anna", seconds=60)][:1]:
        drafts.save(desk.store, draft.id, "anna", "half", base=0, now=later(1))
    work.expire(desk.store, now=later(61))
    (left,) = drafts.on_desk(desk.store, "anna")
    assert (left.draft_id, left.state) == (draft.id, "expired")
    desk.submit(*(ranking(one, one.id) for one in desk.lease("ben", at=62)), at=63)
    assert drafts.on_desk(desk.store, "anna") == []


def test_a_draft_tells_of_the_work_it_belongs_to(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna", seconds=60)
    draft = drafts.begin(desk.store, held.id, "anna", now=NOW)
    assert (draft.kind, draft.state, draft.lease_until) == ("rank", "offered", later(60))
    work.heartbeat(desk.store, held.id, "anna", now=later(50), seconds=60)
    saved = drafts.save(desk.store, draft.id, "anna", "half", base=0, now=later(51))
    assert saved == drafts.get(desk.store, draft.id, "anna")
    assert (saved.kind, saved.state, saved.lease_until) == ("rank", "open", later(110))


def test_the_submission_that_stands_is_the_last_correction(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna")
    assert drafts.latest_submission(desk.store, held.id) == ""
    desk.submit(ranking(held, "s1"))
    desk.submit(ranking(held, "s2", supersedes="s1"))
    assert drafts.latest_submission(desk.store, held.id) == "s2"
