"""One line for each rule of rules.yml that it must find: a rule that does not see its line is blind."""

from __future__ import annotations

from pathlib import Path

PYTHON = {
    "sql-from-text": "connection.execute(text(f'SELECT {name}'))",
    "markup-of-a-value": "shown = Markup(value)",
    "unescaped-template": "page = jinja2.Template(source)",
    "unsafe-weights": "weights = torch.load(path)",
    "remote-code": "model = AutoModel.from_pretrained(name, trust_remote_code=True)",
    "shell": "subprocess.run(command, shell=True)",
    "unchecked-certificates": "client = httpx2.Client(verify=False)",
    "compared-in-time": "is_right = hmac.new(key, text, 'sha256').hexdigest() == given",
    "predictable-secret": "def make_token():\n    return random.choice(letters)",
}
SCRIPT = {
    "markup-by-a-script": "place.innerHTML = text;",
    "message-from-anywhere": "window.addEventListener('message', take);",
}
LINES = PYTHON | SCRIPT
_IMPORTS = "import hmac, jinja2, os, pickle, random, subprocess, httpx2, torch\nfrom markupsafe import Markup\n"


def plant(folder: Path) -> None:
    """Write the lines as two files that nothing imports."""
    folder.mkdir(exist_ok=True)
    (folder / "control.py").write_text(_IMPORTS + "\n".join(PYTHON.values()) + "\n", encoding="utf-8")
    (folder / "control.js").write_text("\n".join(SCRIPT.values()) + "\n", encoding="utf-8")
