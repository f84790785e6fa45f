"""A client of the labeling app: `with Client(address, token) as client: ...`. It imports no database and no torch.

What may be repeated is repeated when the connection breaks or the server asks to wait: reading, and writing under a
key. Anything else is sent once. A refusal is an `ApiRefusal` with the server's sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tutelage.feedback.calls import ApiRefusal, Calls, new_key, part, read
from tutelage.feedback.wire import figures, guidance, parts, screening, staff, tasks, work

__all__ = ["ApiRefusal", "Client", "enter", "read_link"]


class Client(Calls):
    """One person's access to a labeling app, by an access token; what it does is that person's doing."""

    # Oneself.

    def me(self) -> parts.Me:
        """Return who one is."""
        return read(parts.Me, self.call("GET", "/me"))

    def join(self, group: str) -> parts.Me:
        """Label as well, as a lead or an administrator, in one group for ever."""
        return read(parts.Me, self.call("PUT", "/me/group", {"group": group}))

    def stored(self) -> staff.Stored:
        """Return what is stored about one's labels, counted."""
        return read(staff.Stored, self.call("GET", "/me/stored"))

    def ask_withdrawal(self) -> None:
        """Ask that one's own labels are used no more."""
        self.call("PUT", "/me/withdrawal")

    def wellbeing(self) -> work.Wellbeing:
        """Return what one opted out of, and how much sensitive work one saw."""
        return read(work.Wellbeing, self.call("GET", "/wellbeing"))

    def opt_out(self, *, use_cases: Sequence[str] = (), contents: Sequence[str] = ()) -> None:
        """Say what one would rather not work on, in the place of the choice before."""
        self.call("PUT", "/wellbeing/opt-outs", {"use_cases": list(use_cases), "contents": list(contents)})

    # Work.

    def desk(self) -> work.Desks:
        """Return one's own work: what waits, what is begun, what was handed in last."""
        return read(work.Desks, self.call("GET", "/work"))

    def take(self, kind: str) -> work.Work | None:
        """Return work of a kind, None when none waits; unread instructions are refused (`instructions_unread`)."""
        found = self.call("POST", "/work", {"kind": kind})
        return None if found is None else read(work.Work, found)

    def read(self, name: str) -> work.Work:
        """Return a piece of one's own work."""
        return read(work.Work, self.call("GET", f"/work/{part(name)}"))

    def draft(self, name: str) -> work.Draft:
        """Return a draft as it was saved last."""
        return read(work.Draft, self.call("GET", f"/work/{part(name)}/draft"))

    def save(self, name: str, content: str, *, base: int) -> work.Saved:
        """Save a draft over the version `base`, and hold the lease."""
        return read(work.Saved, self.call("PUT", f"/work/{part(name)}/draft", {"base": base, "content": content}))

    def hold(self, name: str) -> work.Lease:
        """Say that one is still at work."""
        return read(work.Lease, self.call("PUT", f"/work/{part(name)}/lease"))

    def release(self, name: str) -> None:
        """Give work back without a reason."""
        self.call("DELETE", f"/work/{part(name)}/lease")

    def skip(self, name: str, reason: str, note: str = "") -> None:
        """Give work back with a reason: pii, unclear, unsafe, language or other."""
        self.call("POST", f"/work/{part(name)}/skip", {"reason": reason, "note": note})

    def hand_in(self, name: str, content: work.HandedIn, *, key: str = "") -> work.Revision:
        """Hand work in. With a `key` of one's own, calling again after a crash counts once."""
        there = f"/work/{part(name)}/submissions/{part(key or new_key())}"
        return read(work.Revision, self.call("PUT", there, content))

    def revisions(self, name: str) -> list[work.Revision]:
        """Return what one handed in for a piece of work, oldest first."""
        return read(list[work.Revision], self.call("GET", f"/work/{part(name)}/submissions"))

    # Instructions and conversations.

    def versions(self) -> list[guidance.Instructions]:
        """Return all versions of instructions, oldest first."""
        return read(list[guidance.Instructions], self.call("GET", "/instructions"))

    def instructions(self, version: str) -> guidance.InstructionText:
        """Return a version of instructions."""
        return read(guidance.InstructionText, self.call("GET", f"/instructions/{part(version)}"))

    def acknowledge(self, version: str) -> None:
        """Say that one has read a version of instructions."""
        self.call("PUT", f"/instructions/{part(version)}/read")

    def threads(self) -> list[guidance.Thread]:
        """Return one's own conversations, or all of them for those who answer."""
        return read(list[guidance.Thread], self.call("GET", "/threads"))

    def ask(self, text: str, *, about: str = "", output: str = "", key: str = "") -> guidance.Thread:
        """Open a conversation, perhaps about one's own work `about` and one of its outputs."""
        body = {"text": text, "work": about, "output": output}
        return read(guidance.Thread, self.call("PUT", f"/threads/{part(key or new_key())}", body))

    def messages(self, thread: str) -> list[guidance.Message]:
        """Return what was said in a conversation."""
        return read(list[guidance.Message], self.call("GET", f"/threads/{part(thread)}/messages"))

    def reply(self, thread: str, text: str, *, key: str = "") -> None:
        """Add a message to a conversation."""
        self.call("PUT", f"/threads/{part(thread)}/messages/{part(key or new_key())}", {"text": text})

    def mark_read(self, thread: str, number: int) -> None:
        """Say that one has read a conversation up to this message."""
        self.call("PUT", f"/threads/{part(thread)}/read", {"number": number})

    def doubts(self, thread: str, example: guidance.Example) -> list[guidance.Doubt]:
        """Return the labels that a worked example would put in doubt."""
        return read(list[guidance.Doubt], self.call("POST", f"/threads/{part(thread)}/doubts", example))

    def publish_example(self, thread: str, example: guidance.Example) -> guidance.Published:
        """Publish the next version of the instructions with a worked example."""
        return read(guidance.Published, self.call("POST", f"/threads/{part(thread)}/example", example))

    def write_to(
        self, labeler: str, text: str, *, submission: str = "", completion: str = "", key: str = ""
    ) -> guidance.Thread:
        """Begin a conversation with a labeler, perhaps about a submission and a completion that it judged."""
        body = {"text": text, "submission": submission, "completion": completion}
        there = f"/labelers/{part(labeler)}/threads/{part(key or new_key())}"
        return read(guidance.Thread, self.call("PUT", there, body))

    def examples(self, version: str) -> list[guidance.Taught]:
        """Return the worked examples that a version added, with the labels that each put in doubt."""
        return read(list[guidance.Taught], self.call("GET", f"/instructions/{part(version)}/examples"))

    # Screening.

    def begin_screening(self) -> screening.Screening:
        """Begin one's own screening, or go on with it."""
        return read(screening.Screening, self.call("PUT", "/screening"))

    def own_screening(self) -> screening.Screening:
        """Return one's own screening; nothing begins by looking."""
        return read(screening.Screening, self.call("GET", "/screening"))

    def answer(self, item: str, answer: screening.Answer) -> None:
        """Answer an item: yes or no, groups of output numbers (best first), or a text."""
        self.call("PUT", f"/screening/items/{part(item)}/answer", {"answer": answer})

    def hand_in_screening(self) -> screening.Screening:
        """Hand the screening in, for ever."""
        return read(screening.Screening, self.call("POST", "/screening/hand-in"))

    def to_score(self) -> list[screening.Text]:
        """Return the demonstrations that wait for one's score, without their authors."""
        return read(list[screening.Text], self.call("GET", "/scoring"))

    def score(self, text: str, score: int) -> None:
        """Score a demonstration from 1 to 7."""
        self.call("PUT", f"/scoring/{part(text)}", {"score": score})

    def candidates(self) -> list[screening.Candidate]:
        """Return everybody under screening, with results and decisions."""
        return read(list[screening.Candidate], self.call("GET", "/candidates"))

    def candidate(self, candidate: str) -> screening.Candidate:
        """Return one candidate's results and decision."""
        return read(screening.Candidate, self.call("GET", f"/candidates/{part(candidate)}"))

    def candidate_answers(self, candidate: str) -> list[screening.Marked]:
        """Return a candidate's answers beside the keys."""
        return read(list[screening.Marked], self.call("GET", f"/candidates/{part(candidate)}/answers"))

    def decide(self, candidate: str, decision: str, reason: str) -> screening.Candidate:
        """Take a candidate ("take") or not ("refuse"), with a reason."""
        body = {"decision": decision, "reason": reason}
        return read(screening.Candidate, self.call("POST", f"/candidates/{part(candidate)}/decision", body))

    # People.

    def people(self) -> list[staff.Person]:
        """Return everybody with an account."""
        return read(list[staff.Person], self.call("GET", "/people"))

    def set_active(self, person: str, active: bool) -> None:
        """Suspend somebody, or let them in again."""
        self.call("PUT", f"/people/{part(person)}/active", {"active": active})

    def renew(self, person: str) -> staff.Link:
        """Make a link by which somebody sets a new password."""
        return read(staff.Link, self.call("POST", f"/people/{part(person)}/renewal"))

    def invite(self, role: str, group: str = "", note: str = "") -> staff.Link:
        """Make a one-time link for somebody new."""
        return read(staff.Link, self.call("POST", "/invitations", {"role": role, "group": group, "note": note}))

    def invitations(self) -> list[staff.Invitation]:
        """Return the invitations that can still be used."""
        return read(list[staff.Invitation], self.call("GET", "/invitations"))

    def withdraw_invitation(self, invitation: str) -> None:
        """Make a link useless."""
        self.call("DELETE", f"/invitations/{part(invitation)}")

    def withdrawal(self, person: str) -> staff.Withdrawal:
        """Return what a labeler's withdrawal would take back, or took."""
        return read(staff.Withdrawal, self.call("GET", f"/people/{part(person)}/withdrawal"))

    def withdraw_labeler(self, person: str) -> staff.Withdrawal:
        """Take a labeler's labels out of all later use, for ever; `person` is the id of the account."""
        return read(staff.Withdrawal, self.call("PUT", f"/people/{part(person)}/withdrawal", {"sure": True}))

    def withdraw_user(self, user: str) -> staff.Withdrawal:
        """Take back a user's consent, for ever; `user` is the name that prompts are sent under, or its hash."""
        return read(staff.Withdrawal, self.call("PUT", "/withdrawals", {"user": user, "sure": True}))

    def log(self, *, before: int | None = None, limit: int = 100, subject: str = "") -> list[staff.Entry]:
        """Return events of the audit log, newest first."""
        query = {"limit": limit, "subject": subject, **({} if before is None else {"before": before})}
        return read(list[staff.Entry], self.call("GET", "/log", query=query))

    def check_log(self) -> staff.Head:
        """Follow the whole chain of the log."""
        return read(staff.Head, self.call("GET", "/log/check"))

    # Tasks and labels.

    def prompts(self, *, split: str = "", stage: str = "") -> Iterator[tasks.Prompt]:
        """Yield the prompts that may be shown, by id."""
        return self.pages(tasks.Prompt, "/prompts", {"split": split, "stage": stage})

    def file_tasks(self, new: Sequence[tasks.Task]) -> int:
        """File tasks, in parts of what may be filed at once; each part is filed whole or not at all."""
        for start in range(0, len(new), tasks.MOST_TASKS):
            self.call("PUT", "/tasks", tasks.Tasks(tasks=list(new[start : start + tasks.MOST_TASKS])))
        return len(new)

    def repeat(self, task: str, *, group: str = "training", overlap: int = 1, key: str = "") -> str:
        """File a task again; return the id of the task that asks again."""
        body = {"task": task, "group": group, "overlap": overlap}
        return read(tasks.Repeated, self.call("PUT", f"/repeats/{part(key or new_key())}", body)).task

    def unfiled(self) -> list[tasks.Unfiled]:
        """Return how many prompts may be used, and how many of them have no task."""
        return read(list[tasks.Unfiled], self.call("GET", "/unfiled"))

    def preview(self, filing: tasks.Filing) -> tasks.Found:
        """Return how many prompts there are for a filing; nothing is filed."""
        return read(tasks.Found, self.call("POST", "/unfiled", filing))

    def filing(self) -> tasks.Possible:
        """Return what could be filed, and whether training waits for people's looks through prompts."""
        return read(tasks.Possible, self.call("GET", "/filing"))

    def file(self, filing: tasks.Filing, *, key: str = "") -> int:
        """File as many tasks as are asked for, or as there are; return how many. The same key again files no more."""
        return read(tasks.Filed, self.call("PUT", f"/filings/{part(key or new_key())}", filing)).tasks

    def file_first(self, *, key: str = "") -> int:
        """File the first work of a store; return how many tasks."""
        return read(tasks.Filed, self.call("PUT", f"/filings/{part(key or new_key())}/first")).tasks

    def limit_hard_reading(self, most: int | None) -> None:
        """Set how much hard reading a person is given in 24 hours, None for no limit."""
        self.call("PUT", "/limit", {"most": most})

    def require_review(self, required: bool) -> None:
        """Let training wait for people's looks through prompts, or not."""
        self.call("PUT", "/filing/review", {"required": required})

    def label(self, submission: str) -> work.Label:
        """Return the label that a submission belongs to, with all its revisions and returns."""
        return read(work.Label, self.call("GET", f"/submissions/{part(submission)}"))

    def give_back(self, submission: str, comment: str, *, key: str = "") -> None:
        """Return a label with a comment to its labeler."""
        there = f"/submissions/{part(submission)}/returns/{part(key or new_key())}"
        self.call("PUT", there, {"comment": comment})

    def submissions(self, **which: str) -> Iterator[work.Submission]:
        """Yield what was handed in, in that order; `which` are labeler, task_id, kind, purpose and group."""
        return self.pages(work.Submission, "/submissions", which)

    def export(self, what: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of an export; `query` are kind, split, stage, purpose and group."""
        return self.lines(f"/exports/{part(what)}", query)

    def parquet(self, what: str, **query: str) -> Iterator[bytes]:
        """Yield the same rows as one Parquet file, in pieces."""
        return self.pieces(f"/exports/{part(what)}/parquet", query)

    def manifest(self, what: str, **query: str) -> dict[str, Any]:
        """Return where an export's rows come from."""
        return read(dict[str, Any], self.call("GET", f"/exports/{part(what)}/manifest", query=query))

    # Figures. `which` are task, kind, group and use_case.

    def progress(self, by: str = "purpose") -> list[figures.Progress]:
        """Return how far the labels are, by kind of work and purpose (with group), use_case or source."""
        return read(list[figures.Progress], self.call("GET", "/progress", query={"by": by}))

    def queue(self) -> figures.Queue:
        """Return where the queue stands."""
        return read(figures.Queue, self.call("GET", "/queue"))

    def agreement(self, **which: str) -> figures.Agreement:
        """Return how far labelers agree."""
        return read(figures.Agreement, self.call("GET", "/agreement", query=which))

    def disagreements(self, **which: str) -> Iterator[figures.Disagreement]:
        """Yield the prompts on which labelers differ, the largest difference first; `flag` keeps those it is about."""
        return self.pages(figures.Disagreement, "/disagreements", which)

    def judgements(self, prompt: str, **which: str) -> figures.Case:
        """Return one prompt with everybody's judgements."""
        return read(figures.Case, self.call("GET", "/judgements", query={**which, "prompt": prompt}))

    def labelers(self, **which: str) -> list[figures.Labeler]:
        """Return what each labeler did."""
        return read(list[figures.Labeler], self.call("GET", "/labelers", query=which))

    def labeler(self, labeler: str, *, task: str = "comparison") -> figures.Labeler:
        """Return what one labeler did."""
        return read(figures.Labeler, self.call("GET", f"/labelers/{part(labeler)}", query={"task": task}))

    def monitors(self, **which: str) -> figures.Monitors:
        """Return whether place, length or haste bend the labels."""
        return read(figures.Monitors, self.call("GET", "/monitors", query=which))


def read_link(link: str) -> staff.Invited:
    """Return what a one-time link gives; looking does not use it up."""
    address, _, token = link.partition("/enter/")
    with Calls(address, "") as calls:
        return read(staff.Invited, calls.call("GET", f"/enter/{part(token)}"))


def enter(link: str, name: str, password: str, *, program: str, days: int = 30) -> staff.Entered:
    """Come in by a one-time link as it was sent; return who one is now, and an access token for so many days.

    The token is of this `program`. A link that renews a password takes no name.
    """
    address, _, token = link.partition("/enter/")
    body = {"name": name, "password": password, "program": program, "days": days}
    with Calls(address, "") as calls:
        return read(staff.Entered, calls.call("POST", f"/enter/{part(token)}", body))
