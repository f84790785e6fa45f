"""`tutelage prompts written`: what labelers wrote in the app becomes prompts, once."""

from __future__ import annotations

from tests.cli.conftest import table
from tests.feedback.conftest import NOW, Desk
from tutelage.feedback import filing, instructions
from tutelage.feedback.filing import Filing
from tutelage.feedback.submissions import Submission, Written
from tutelage.store import Store, prompts


def test_what_labelers_wrote_is_taken_in_once(tutelage, refused):
    assert "There is no database" in refused("prompts", "written")
    with Store.open("sqlite:///tutelage.db") as store:
        desk = Desk(store)
        instructions.publish_defaults(store, now=NOW)
        desk.labelers("anna")
        filing.file(store, [Filing(what="plain", count=1)], name="f", now=NOW)
        (held,) = desk.lease("anna")
        given = Written(use_case="chat", text="How was your day?")
        desk.submit(Submission(id="s1", assignment_id=held.id, labeler="anna", written=given))
    everything = ("--set", "shares.train=1.0", "--set", "shares.validation=0.0", "--set", "shares.test=0.0")
    printed = tutelage("prompts", "written", "--stage", "reward", *everything)
    assert ["train", "1", "1"] in table(printed)
    assert "wrote nothing since" in tutelage("prompts", "written")
    with Store.open("sqlite:///tutelage.db") as store:
        (prompt,) = prompts.usable(store, split="train", stage="reward")
        assert (prompt.text, prompt.source) == ("How was your day?", "labeler")
