"""What is refused leaves nothing behind."""

import pytest

from tutelage.errors import UserError


def refused(run_dir, train):
    """Train with `train(run_dir, progress)`, which must be refused before a step; give the sentence."""
    steps = []
    with pytest.raises(UserError) as raised:
        train(run_dir, lambda *told: steps.append(told))
    sentence = str(raised.value)
    assert not steps
    assert not run_dir.exists()
    assert sentence.endswith((".", "?")) and "\n" not in sentence
    return sentence
