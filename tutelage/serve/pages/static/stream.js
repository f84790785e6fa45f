/** Ask the API for a stream and yield its chunks; `signal` ends it, here and on the server. */
import { Refused, Unreachable } from "../web/server.js";

export async function* stream(address, body, signal) {
  const token = document.querySelector("meta[name=csrf]").content;
  const headers = { accept: "application/json", "content-type": "application/json", "x-csrf-token": token };
  const options = { method: "POST", headers, body: JSON.stringify(body), redirect: "error", signal };
  let reader;
  try {
    const answer = await fetch(address, options);
    if (!answer.ok) throw new Refused(answer.status, (await answer.json()).error);
    reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    yield* chunks(reader, address);
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof Refused ? error : new Unreachable(address);
  } finally {
    reader?.cancel().catch(() => {});
  }
}

async function* chunks(reader, address) {
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    // The last event says that it is the last; a stream that ends without it was cut.
    if (done) throw new Unreachable(address);
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const said = event.replace(/^data: /, "");
      if (said === "[DONE]") return;
      const chunk = JSON.parse(said);
      if (chunk.error) throw new Refused(200, chunk.error);
      yield chunk;
    }
  }
}
