"""File a ranking of every prompt's outputs for two labelers each: `python file_tasks.py ADDRESS NAME`."""

import os
import sys

from tutelage.feedback.client import Client
from tutelage.feedback.wire.tasks import Task

address, name = sys.argv[1:]
with Client(address, os.environ["TUTELAGE_TOKEN"]) as client:
    new = [
        Task(
            id=f"{name}-{prompt.id}",
            kind="rank",
            purpose="train",
            prompt_id=prompt.id,
            completion_ids=prompt.completions[:9],
            instruction_version="comparison-1",
            overlap=2,
        )
        for prompt in client.prompts(stage="reward")
        if len(prompt.completions) >= 4
    ]
    print(f"{client.file_tasks(new)} tasks are filed")
    for count in client.progress():
        print(f"{count.kind} for {count.purpose}, {count.group}: {count.closed} of {count.tasks} are done")
