"""The half of the core without tensors must stay usable where torch is never loaded (feedback, reports, the store)."""

import subprocess
import sys


def test_rankings_agreement_and_statistics_do_not_load_torch() -> None:
    units = "tutelage.core.agreement, tutelage.core.rankings, tutelage.core.statistics"
    code = f"import sys, {units}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
