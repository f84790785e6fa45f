/** What was asked, as code that asks the same: for a shell, and for Python. The key is never in it. */
const indent = (text) => text.replaceAll("\n", "\n    ");

export function curl(address, body) {
  const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return [
    `curl ${address} \\`,
    `  -H "Authorization: Bearer $TUTELAGE_KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${json}'`,
  ].join("\n");
}

export function python(base, body) {
  const isChat = "messages" in body;
  // Texts, numbers and lists of them are written alike in JSON and in Python.
  const lines = Object.entries(body).map(([name, value]) => `    ${name}=${indent(JSON.stringify(value, null, 4))},`);
  return [
    "import os",
    "",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${base}", api_key=os.environ["TUTELAGE_KEY"])`,
    `answer = client.${isChat ? "chat.completions" : "completions"}.create(`,
    ...lines,
    ")",
    `print(answer.choices[0].${isChat ? "message.content" : "text"})`,
  ].join("\n");
}
