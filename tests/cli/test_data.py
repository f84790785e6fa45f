"""`tutelage prompts`, `labels`, `export` and `db`: what goes into the store and out of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.cli.conftest import table
from tutelage.feedback import instructions, work
from tutelage.records import Labeler
from tutelage.store import Store, labelers, prompts

PROMPTS = [
    {
        "id": f"p{n}",
        "text": f"Tell me about thing number {n}.",
        "source": "customer",
        "user": f"u{n // 2}",
        "consent": "v1",
    }
    for n in range(6)
]


def demonstration(number, **changes):
    return {
        "id": f"row-{number}",
        "tree": f"tree-{number}",
        "prompt": f"Question {number}?",
        "completion": "Yes.",
    } | changes


def ranked(number):
    outputs = [{"id": f"{number}-{n}", "text": f"Text {n}", "rank": n} for n in range(3)]
    return {"id": f"row-{number}", "tree": f"tree-{number}", "prompt": f"Question {number}?", "completions": outputs}


#: What `labels import` must be told besides the file.
LABELS = ("--kind", "human", "--source", "oasst", "--licence", "Apache-2.0")
DEMONSTRATIONS, RANKED = ("--format", "demonstrations", *LABELS), ("--format", "ranked", *LABELS)


def test_prompts_are_taken_in_listed_and_counted(tutelage, written):
    rows = [*PROMPTS, PROMPTS[0] | {"id": "again"}, PROMPTS[1] | {"id": "silent", "text": "No consent.", "consent": ""}]
    printed = table(tutelage("prompts", "import", written("sent.jsonl", rows), "--set", "shares.train=1.0",
                             "--set", "shares.validation=0.0", "--set", "shares.test=0.0"))  # fmt: skip
    rules = {row[0]: row[1:3] for row in printed if len(row) == 4}
    assert (rules["dedupe"], rules["consent"]) == (["8", "7"], ["7", "6"])
    assert ["train", "6", "3"] in printed
    header, *listed = table(tutelage("prompts", "list", "--limit", "2"))
    assert header[0] == "id"
    assert [row[0] for row in listed] == ["p0", "p1"]
    assert listed[0][-1] == "Tell me about thing number 0."
    assert table(tutelage("prompts", "counts"))[1:] == [["customer", "train", "", "8", "6"]]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", ":3: not valid JSON"),
        (PROMPTS[0] | {"id": "x", "text": "  "}, ":3: the prompt 'x' is empty; take it out."),
        (PROMPTS[0], ":3: the id 'p0' is empty or used twice"),
        (PROMPTS[0] | {"id": "x", "user": ""}, ":3: the prompt 'x' names no user"),
        (PROMPTS[0] | {"id": "x", "txt": "?"}, ":3: Prompt has no field txt."),
        (PROMPTS[0] | {"id": "x", "source": "thin air"}, ":3: source should be"),
        ({"id": "x"}, ":3: the field text is missing"),
        (b'{"id": "\xff"}', ":3: byte 9 of the line is not UTF-8"),
    ],
)
def test_a_malformed_prompt_is_named_by_file_and_line_and_nothing_is_imported(tutelage, refused, written, row, told):
    tutelage("prompts", "import", written("good.jsonl", PROMPTS[4:]))
    assert f"bad.jsonl{told}" in refused("prompts", "import", written("bad.jsonl", [PROMPTS[0], "", row]))
    assert sum(int(one[3]) for one in table(tutelage("prompts", "counts"))[1:]) == 2


def test_prompts_refuses_what_is_not_there(refused, written):
    assert "There is no database tutelage.db" in refused("prompts", "counts")
    assert not Path("tutelage.db").exists()
    assert refused("prompts", "import", "no.jsonl") == "There is no file no.jsonl."
    assert "holds no prompt" in refused("prompts", "import", written("empty.jsonl", []))
    assert "did you mean per_user?" in refused("prompts", "import", "x.jsonl", "--set", "peruser=3")
    assert "'trian' is not one of 'train', 'validation', 'test'" in refused("prompts", "list", "--split", "trian")


def test_labels_come_in_by_what_their_rows_hold_and_go_out_with_a_manifest(tutelage, refused, written):
    everything = ("--set", "train=1.0", "--set", "validation=0.0", "--set", "test=0.0")
    told = tutelage(
        "labels", "import", written("d.jsonl", [demonstration(n) for n in range(3)]), *DEMONSTRATIONS, *everything
    )
    assert told.startswith("3 demonstrations of d.jsonl, source oasst, kind human: 3 new, 0 there before.\n0 of")
    assert "2 rankings" in tutelage(
        "labels", "import", written("r.jsonl", [ranked(7), ranked(8)]), *RANKED, *everything, "--stage", "ppo"
    )
    assert tutelage("export", "sft", "out/d", "--parquet").startswith("3 rows for sft in out/d, sha256 ")
    rows = [json.loads(line) for line in Path("out/d/rows.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "label_id": "oasst-demonstration-row-0",
        "prompt_id": "row-0",
        "prompt": "Question 0?",
        "completion": "Yes.",
        "labeler": "oasst-people",
        "instruction_version": "oasst-demonstration",
        "use_case": "",
        "source": "imported",
    }
    assert json.loads(Path("out/d/manifest.json").read_text())["counts"]["labeler"] == {"oasst-people": 3}
    assert {path.name for path in Path("out/d").iterdir()} == {
        "rows.jsonl", "rows.parquet", "manifest.json", "README.md"
    }  # fmt: skip
    tutelage("export", "reward", "out/r")
    rows = [json.loads(line) for line in Path("out/r/rows.jsonl").read_text().splitlines()]
    assert rows[1]["completions"] == ["Text 0", "Text 1", "Text 2"] and rows[1]["ranks"] == [0, 1, 2]
    tutelage("export", "ppo", "out/p", "--stage", "ppo")
    assert [json.loads(line)["prompt_id"] for line in Path("out/p/rows.jsonl").read_text().splitlines()] == [
        "row-7",
        "row-8",
    ]
    assert "out/d is there already; name another directory" in refused("export", "sft", "out/d")
    assert "kind human: 0 new, 3 there before." in tutelage("labels", "import", "d.jsonl", *DEMONSTRATIONS, *everything)
    assert table(tutelage("prompts", "counts"))[1:] == [
        ["imported", "train", "", "3", "3"],
        ["imported", "train", "ppo", "2", "2"],
    ]


def test_progress_counts_the_tasks_of_the_queue(tutelage, written):
    tutelage("prompts", "import", written("sent.jsonl", PROMPTS))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with Store.open("sqlite:///tutelage.db") as store:
        instructions.publish_defaults(store, now=now)
        tasks = [work.Task(id=f"t{n}", kind="demonstrate", purpose="train", prompt_id=f"p{n}",
                           instruction_version=instructions.DEMONSTRATION) for n in range(3)]  # fmt: skip
        work.file_tasks(store, tasks, now=now)
        labelers.add(store, [Labeler(id="ann", group="training", kind="human")], now=now)
        (first,) = work.lease(store, "ann", now=now)
        work.submit(store, [work.Submission(id="s", assignment_id=first.id, labeler="ann", text="Well.")], now=now)
    header, row = table(tutelage("labels", "progress"))
    assert header == ["task", "purpose", "group", "filed", "done", "open"]
    assert row == ["demonstrate", "train", "training", "3", "1", "2"]


def test_bad_labels_are_listed_in_a_file_and_the_good_ones_come_in(tutelage, refused, written):
    bad = ["[", demonstration(1, completion=" "), demonstration(2, tree=3.5), b'{"id": "\xff"}', demonstration(0)]
    rows = written("mixed.jsonl", [demonstration(0), *bad, demonstration(3)])
    printed = tutelage("labels", "import", rows, *DEMONSTRATIONS)
    assert "2 demonstrations of mixed.jsonl" in printed
    assert "5 rows are left out and listed in mixed.jsonl.left-out.jsonl." in printed
    listed = [json.loads(line) for line in Path("mixed.jsonl.left-out.jsonl").read_text().splitlines()]
    assert [one["line"] for one in listed] == [2, 3, 4, 5, 6]
    assert [one["reason"] for one in listed[1:]] == [
        "the field 'completion' is empty",
        "the field 'tree' must be a text, not 3.5",
        "byte 9 of the row is not UTF-8; save the file as UTF-8",
        "it says what line 1 says",
    ]
    tutelage("labels", "import", rows, *DEMONSTRATIONS, "--left-out", "out/bad.jsonl")
    assert Path("out/bad.jsonl").read_text() == Path("mixed.jsonl.left-out.jsonl").read_text()
    told = refused("labels", "import", written("bad.jsonl", bad[1:3]), *DEMONSTRATIONS)
    assert told.startswith("bad.jsonl:1: the field 'completion' is empty; none of the 2 rows can be used")
    assert not Path("bad.jsonl.left-out.jsonl").exists()


def test_pairs_come_from_tables_whose_columns_have_other_names(tutelage):
    Path("p.csv").write_text('question,better,worse\nWhy?,"Because\nof that",No\n')
    named = ("--field", "prompt=question", "--field", "chosen=better", "--field", "rejected=worse")
    everything = ("--set", "train=1.0", "--set", "validation=0.0", "--set", "test=0.0")
    tutelage("labels", "import", "p.csv", "--format", "pairs", *LABELS, *named, *everything)
    tutelage("export", "reward", "out")
    (row,) = [json.loads(line) for line in Path("out/rows.jsonl").read_text().splitlines()]
    assert sorted(zip(row["ranks"], row["completions"], strict=True)) == [(0, "Because\nof that"), (1, "No")]


def test_labels_refuses_what_it_does_not_know(tutelage, refused, written):
    odd = written("odd.jsonl", [{"id": "x", "answer": "?"}])
    assert "odd.jsonl:1: the field 'completion' is missing" in refused("labels", "import", odd, *DEMONSTRATIONS)
    good = written("d.jsonl", [demonstration(0)])
    assert "'csv' is not one of 'demonstrations', 'ranked'" in refused("labels", "import", good, "--format", "csv")
    assert "Missing option '--kind'" in refused("labels", "import", good, "--format", "pairs")
    assert "write NAME=COLUMN" in refused("labels", "import", good, *DEMONSTRATIONS, "--field", "x")
    assert "did you mean train?" in refused("labels", "import", good, *DEMONSTRATIONS, "--set", "trian=0.5")
    assert "There is no file no.jsonl." in refused("labels", "import", "no.jsonl", *DEMONSTRATIONS)
    tutelage("labels", "import", good, *DEMONSTRATIONS)
    assert "no rankings by labelers of the kind human" in refused("export", "reward", "out")
    assert "no prompt for the stage 'ppo'" in refused("export", "ppo", "out")
    assert "'rankings' is not one of 'sft', 'reward', 'ppo'" in refused("export", "rankings", "out")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:////no/such/folder/x.db", "the folder /no/such/folder does not exist; create it"),
        ("mysql://host/db", "write sqlite:///FILE or postgresql://"),
        ("postgresql://127.0.0.1:1/none", "check that it is reachable"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("labels", "progress"),
        ("db", "upgrade"),
        ("models", "list"),
        ("export", "ppo", "x"),
        ("prompts", "withdraw", "u"),
        ("labels", "withdraw", "l"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(refused, command, url, told):
    assert told in refused(*command, "--database", url)


def test_db_upgrade_leaves_a_current_database_and_refuses_a_newer_one(tutelage, refused):
    with Store.open("sqlite:///tutelage.db") as store:
        assert prompts.counts(store) == []
    tutelage("db", "upgrade")
    engine = create_engine("sqlite:///tutelage.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    engine.dispose()
    assert "was made by a newer version (from-the-future)" in refused("db", "upgrade")
    assert "was made by a newer version" in refused("prompts", "counts")


def test_a_file_that_is_no_database_is_told(refused):
    Path("tutelage.db").write_text("Dear diary, " * 100)
    assert "is not a SQLite database" in refused("prompts", "counts")


def test_who_withdraws_is_in_no_later_export(tutelage, refused, written):
    tutelage("prompts", "import", written("sent.jsonl", PROMPTS), "--set", "shares.train=1.0",
             "--set", "shares.validation=0.0", "--set", "shares.test=0.0")  # fmt: skip
    everything = ("--set", "train=1.0", "--set", "validation=0.0", "--set", "test=0.0")
    tutelage("labels", "import", written("d.jsonl", [demonstration(n) for n in range(3)]), *DEMONSTRATIONS, *everything)
    printed = tutelage("prompts", "withdraw", "u0")
    assert "is withdrawn: 2 prompts are in no later export." in printed
    assert "No registered model and no run under runs learned from them." in printed
    assert tutelage("prompts", "withdraw", "u0") == printed
    assert table(tutelage("prompts", "counts"))[1:] == [
        ["customer", "train", "", "6", "4"], ["imported", "train", "", "3", "3"]
    ]  # fmt: skip
    printed = tutelage("labels", "withdraw", "oasst-people")
    assert printed.startswith(
        "oasst-people is withdrawn: 0 prompts, 3 demonstrations, 0 ratings, 0 rankings, 0 written prompts, "
        "0 privacy reviews, 0 toxicity ratings are in no later export."
    )
    assert tutelage("labels", "withdraw", "oasst-people") == printed
    assert "no demonstrations by labelers" in refused("export", "sft", "out")
    assert "There is no labeler 'nobody'" in refused("labels", "withdraw", "nobody")
