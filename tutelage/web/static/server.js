/**
 * Ask the server in JSON. A refusal is a `Refused` with the server's sentence; no answer at all is an `Unreachable`, and so is one
 * that `signal` ended.
 */
export class Refused extends Error {
  constructor(status, { message, code }) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Another try later may work: the server is busy, or the labeler must sign in first. */
  get passes() {
    return this.status >= 500 || this.status === 401 || this.status === 429 || this.code === "stale_page";
  }
}

export class Unreachable extends Error {}

export async function ask(method, address, body, signal) {
  const headers = { accept: "application/json", "x-csrf-token": document.querySelector("meta[name=csrf]").content };
  const options = { method, headers, redirect: "error", signal };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer, content;
  try {
    answer = await fetch(address, options);
    content = await answer.json();
  } catch {
    throw new Unreachable(address);
  }
  if (!answer.ok) throw new Refused(answer.status, content.error);
  return content;
}
