"""What the operator's people see and do: reviews, cases, appeals, usage, releases, jobs, organisations and people."""
