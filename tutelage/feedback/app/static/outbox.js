/**
 * Submissions on their way. They lie on this device until the server has answered; sending one twice is harmless,
 * because its id was made here and counts once.
 */
import { Refused, ask } from "../web/server.js";
import * as shelf from "./shelf.js";

/** Hand in; returns the server's answer, or null when it has to wait for the connection. A refusal is thrown. */
export async function handIn(who, address, body) {
  await shelf.put("outbox", body.id, { who, address, body });
  return send({ who, address, body });
}

/** Send what waits for this labeler; returns how many still wait. What the server refuses stays with its draft. */
export async function flush(who) {
  let waiting = 0;
  for (const entry of (await shelf.all("outbox")).filter((entry) => entry.who === who)) {
    try {
      if ((await send(entry)) === null) waiting += 1;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  return waiting;
}

async function send({ address, body }) {
  try {
    const answer = await ask("POST", address, body);
    await shelf.remove("drafts", address.split("/")[2]);
    await shelf.remove("outbox", body.id);
    return answer;
  } catch (error) {
    if (!(error instanceof Refused) || error.passes) return null;
    await shelf.remove("outbox", body.id);
    throw error;
  }
}
