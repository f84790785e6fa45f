"""From the screen to a model: the order that a labeler sees is stored, exported and trained on as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext
from typer.testing import CliRunner

from tests.browser import browser
from tests.feedback.app.hands import begin, context, grip, letters, rows_on_screen, served, to_board
from tests.feedback.app.site import Served
from tests.feedback.conftest import database, desk, store
from tests.train.conftest import World, world
from tutelage.cli import app
from tutelage.feedback import export
from tutelage.files import read_json, read_records
from tutelage.runs import Run

__all__ = ["browser", "context", "database", "desk", "served", "store", "world"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: What the labeler presses on the cards A to D, one item after the other: digits of rows, equal ones tie.
ORDERS = ("3132", "1111", "4321", "1122")


def test_orders_made_in_the_browser_are_exported_as_seen_and_train_a_reward_model(
    served: Served,
    context: BrowserContext,
    database: str,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(len(ORDERS)):
        served.desk.task(f"p{number}", "rank", k=4)
    served.desk.task("d", "demonstrate")
    page = served.enter(context)
    # Demonstrations score 0 on average once a reward model is trained (paper, 3.5).
    begin(page, "Write an answer")
    page.get_by_label("Your answer").fill("an answer")
    page.get_by_role("button", name="Hand in").click()
    page.get_by_text("Handed in.").wait_for()
    begin(page, "Rank answers")
    seen: list[dict[str, int]] = []
    for keys in ORDERS:
        to_board(page)
        grip(page, "A").focus()
        for key in keys:
            page.keyboard.press(key)
        texts, rows = letters(page), rows_on_screen(page)
        seen.append({texts[letter]: place for place, row in enumerate(rows) for letter in row})
        here = page.url
        page.get_by_role("button", name="Hand in").click()
        page.wait_for_url(lambda url, here=here: url != here)
    page.get_by_text("There is nothing to label at the moment.").wait_for()

    rows = list(export.reward(served.desk.store, kind="human"))
    exported = [dict(zip(row.completions, row.ranks, strict=True)) for row in rows]
    assert sorted(map(sorted, (one.items() for one in exported))) == sorted(map(sorted, (one.items() for one in seen)))

    monkeypatch.chdir(tmp_path)
    command = ["train", "reward", "runs/reward", "--init", str(world.policy), "--database", database, "--threads", "1",
               "--set", "batch=2"]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    kept = Path("runs/reward/data/reward-train-human")
    assert read_records(kept / "rows.jsonl", export.RewardRow) == rows
    assert read_json(kept / "manifest.json")["counts"]["kind"] == {"human": 4}
    # Four orders in batches of two make two steps; the bias that follows is told as a third.
    assert Run.open(Path("runs/reward")).read_metrics()[-1]["step"] == 3
    assert Path("runs/reward/model").is_dir()
