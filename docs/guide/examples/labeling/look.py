"""See how far the labels are and how well labelers agree: `python look.py ADDRESS`."""

import os
import sys

from tutelage.feedback.client import Client

with Client(sys.argv[1], os.environ["TUTELAGE_TOKEN"]) as client:
    for line in client.progress():
        print(f"{line.kind} for {line.purpose}: {sum(line.done.values())} of {line.wanted} labels, {line.left} left")
    for group in client.agreement().groups:
        if found := group.agreement.tie_half:
            print(f"{' with '.join(group.names)}: {found.mean:.0%} agreement [{found.low:.0%}, {found.high:.0%}]")
    for item in client.disagreements(flag="violent"):
        print(f"{item.prompt_id}: {item.labelers} labelers do not agree that it is violent")
