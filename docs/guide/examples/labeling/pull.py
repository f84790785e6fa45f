"""Pull the labels that may be trained on, and say where they come from: `python pull.py ADDRESS FOLDER`."""

import json
import os
import sys
from pathlib import Path

from tutelage.feedback.client import Client

address, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
with Client(address, os.environ["TUTELAGE_TOKEN"]) as client:
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for row in client.export("reward", kind="human", split="train"):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    manifest = client.manifest("reward", kind="human", split="train")
    print(f"{manifest['rows']} rankings, sha256 {manifest['sha256']}")
    slow = [one for one in client.submissions(kind="rank") if one.active_ms > 600_000]
    print(f"{len(slow)} rankings took more than ten minutes")
