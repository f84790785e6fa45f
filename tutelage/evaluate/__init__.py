"""Judge the arms of a run: by held-out people, by the judge's verdicts and by tasks; then say it on one page."""
