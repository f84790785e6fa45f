"""Write demonstrations at the terminal: `python write.py ADDRESS`. You answer; the script only carries."""

import os
import sys

from tutelage.feedback.client import ApiRefusal, Client
from tutelage.feedback.wire.work import HandedIn, Work


def next_work(client: Client) -> Work | None:
    """Return the next demonstration to write, after showing instructions that were not read yet."""
    try:
        return client.take("demonstrate")
    except ApiRefusal as refusal:
        if refusal.code != "instructions_unread" or refusal.param is None:
            raise
        print(client.instructions(refusal.param).text)
        input("Press Enter when you have read this: ")
        client.acknowledge(refusal.param)
        return client.take("demonstrate")


with Client(sys.argv[1], os.environ["TUTELAGE_TOKEN"]) as client:
    while work := next_work(client):
        print(work.prompt)
        answer = input("Your answer, empty to stop: ")
        if not answer:
            client.release(work.id)
            break
        client.hand_in(work.id, HandedIn(text=answer))
