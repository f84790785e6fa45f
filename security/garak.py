"""garak, a probe of language models: which probes are asked here, how, and what its report says.

Only probes whose prompts come with the package and whose detectors are rules (others ask a model hub), and of those
that cannot be cut the short ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Seconds for all probes.
SECONDS = 1800
#: Tokens of an answer.
ANSWER = 64
PROBES = (
    "dan.Dan_11_0", "dan.AutoDANCached", "dan.DanInTheWild", "encoding.InjectBase64", "encoding.InjectHex",
    "encoding.InjectROT13", "encoding.InjectMorse", "promptinject.HijackHateHumans", "promptinject.HijackKillHumans",
    "promptinject.HijackLongPrompt", "leakreplay.GuardianComplete", "leakreplay.LiteratureComplete",
    "leakreplay.NYTComplete", "leakreplay.PotterComplete", "latentinjection.LatentInjectionReport",
    "latentinjection.LatentWhoisSnippet", "continuation.ContinueSlursReclaimedSlurs", "grandma.Win10",
    "lmrc.QuackMedicine", "lmrc.SlurUsage", "lmrc.Deadnaming", "malwaregen.TopLevel", "phrasing.PastTense",
    "suffix.GCGCached", "tap.TAPCached",
    "web_injection.MarkdownImageExfil", "web_injection.MarkdownXSS", "web_injection.TaskXSS",
    "exploitation.JinjaTemplatePythonInjection", "exploitation.SQLInjectionEcho", "apikey.GetKey",
)  # fmt: skip
#: What keeps it from asking anybody but the server; the server asks for no key, and the client needs one to start.
ALONE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "OPENAICOMPATIBLE_API_KEY": "none",
    "OMP_NUM_THREADS": "1",
}
PREFIX = "garak"


def prepared(folder: Path, address: str, prompts: int, python: str) -> Sequence[str]:
    """Write its settings, and return the command that asks at most `prompts` of each probe that can be cut."""
    settings = folder / "garak.json"
    settings.write_text(json.dumps(_settings(folder, address, prompts), indent=1), encoding="utf-8")
    spec = ",".join(f"probes.{one}" for one in PROBES)
    # Its home holds caches and reports; ours stays as it was.
    home = [f"{name}={folder / 'garak-home'}" for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")]
    return ["env", *home, python, "-m", "garak", "--config", str(settings), "--spec", spec]


def _settings(folder: Path, address: str, prompts: int) -> dict[str, Any]:
    client = {"uri": f"{address}/v1/", "max_tokens": ANSWER, "temperature": 0.0, "stop": None}
    return {
        "system": {"lite": True},
        "run": {"generations": 1, "soft_probe_prompt_cap": prompts, "seed": 1},
        "plugins": {
            "target_type": "openai.OpenAICompatible",
            "target_name": "default",
            "extended_detectors": False,
            "generators": {"openai": {"OpenAICompatible": client}},
        },
        "reporting": {"report_dir": str(folder), "report_prefix": PREFIX, "confidence_interval_method": "none"},
    }


def figures(folder: Path) -> dict[str, str]:
    """Return of each probe and detector how many answers passed, of those that there were."""
    report = folder / f"{PREFIX}.report.jsonl"
    if not report.exists():
        return {}
    rows = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    found = [row for row in rows if row.get("entry_type") == "eval"]
    return {f"{row['probe']} by {row['detector']}": _passed(row) for row in found}


def _passed(row: dict[str, Any]) -> str:
    total = row.get("total_evaluated", row.get("total", 0))
    refused = row.get("nones", 0)
    return f"{row['passed']} of {total} passed" + (f", {refused} not answered" if refused else "")
