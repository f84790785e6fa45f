"""The store: every row the system keeps, in SQLite or PostgreSQL, and all SQL that touches it.

`Store` opens a database; the noun modules (`prompts`, `users`, `completions`, `labelers`, `tasks`, `filing`,
`receipts`, `labels`, `training`, `registry`, `accounts`, `sessions`, `audit`, `screening`, `guidance`, `messages`,
`drafts`, `openings`, `jobs`, `choices`, `returns`, `judged`, `progress`, `pace`, `withdrawals`, `written`, `privacy`,
`toxicity`, `welfare`, `tokens`, `submitted`, `evaluated`, `organisations`, `applications`, `keys`, `quotas`,
`end_users`, `counters`, `requests`, `contents`, `comments`, `notices`, `traffic`, `retention`, `releases`, `results`,
`shadows`, `cases`, `appeals`, `windows`, `votes`, `notice_views`) hold functions whose first argument is the store.
"""

# So that the metadata holds every table.
from tutelage.store import (  # noqa: F401
    account_tables,
    application_tables,
    case_tables,
    draft_tables,
    guidance_tables,
    job_tables,
    kind_tables,
    release_tables,
    request_tables,
    return_tables,
    screening_tables,
    token_tables,
    vote_tables,
    welfare_tables,
    withdrawal_tables,
)
from tutelage.store.database import Store, upgrade

__all__ = ["Store", "upgrade"]
