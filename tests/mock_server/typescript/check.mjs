// The official TypeScript SDK, unmodified, against two running mock servers: one without limits, one with strict ones.
// Prints a line of JSON for each check: {"name": ..., "error": null or what went wrong}.
import assert from "node:assert/strict";
import Anthropic, { APIError, InternalServerError, NotFoundError, RateLimitError } from "@anthropic-ai/sdk";

const [quick, limited] = process.argv.slice(2);
const client = new Anthropic({ baseURL: quick, apiKey: "any", maxRetries: 0 });
const hi = [{ role: "user", content: "hi" }];
const ask = { model: "claude-haiku-4-5", max_tokens: 40, messages: hi };
const weather = {
  name: "get_weather",
  description: "The weather somewhere.",
  input_schema: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer", minimum: 1, maximum: 5 } },
    required: ["city", "days"],
  },
};

async function setFaults(faults) {
  const response = await fetch(`${quick}/_mock/faults`, { method: "PUT", body: JSON.stringify(faults) });
  assert.equal(response.status, 200);
}

async function caught(promise) {
  try { await promise; } catch (error) { return error; }
  assert.fail("no error");
}

const checks = {
  async create() {
    const message = await client.messages.create(ask);
    assert.equal(message.type, "message");
    assert.equal(message.usage.output_tokens, 40);
    assert.equal(message.stop_reason, "max_tokens");
    assert.equal(message.content[0].type, "text");
    assert.match(message._request_id, /^req_[0-9A-Za-z]{24}$/);
  },

  async stream_text() {
    const stream = client.messages.stream(ask);
    let text = "";
    stream.on("text", (piece) => { text += piece; });
    const message = await stream.finalMessage();
    assert.equal(message.content[0].text, text);
    assert.equal(message.usage.output_tokens, 40);
  },

  async stream_thinking_and_tool_use() {
    const kinds = new Set();
    const stream = client.messages.stream({
      model: "claude-sonnet-4-5", max_tokens: 4000, messages: hi, tools: [weather],
      thinking: { type: "enabled", budget_tokens: 1024 },
    });
    stream.on("streamEvent", (event) => { if (event.type === "content_block_delta") kinds.add(event.delta.type); });
    const message = await stream.finalMessage();
    const tool = message.content.find((block) => block.type === "tool_use");
    assert.equal(message.content[0].type, "thinking");
    assert.ok(message.content[0].signature.length > 0);
    assert.equal(tool.name, "get_weather");
    assert.equal(typeof tool.input.city, "string");
    assert.ok(Number.isInteger(tool.input.days) && tool.input.days >= 1 && tool.input.days <= 5);
    assert.equal(message.stop_reason, "tool_use");
    assert.ok(kinds.has("thinking_delta") && kinds.has("signature_delta") && kinds.has("input_json_delta"));
  },

  async count_tokens() {
    const counted = await client.messages.countTokens({ model: ask.model, messages: hi });
    const message = await client.messages.create(ask);
    assert.equal(counted.input_tokens, message.usage.input_tokens);
  },

  async models() {
    const model = await client.models.retrieve(ask.model);
    assert.equal(model.type, "model");
    assert.ok((await caught(client.models.retrieve("claude-3-opus-20240229"))) instanceof NotFoundError);
  },

  async paging() {
    const ids = [];
    for await (const model of client.models.list({ limit: 3 })) ids.push(model.id);
    const whole = await client.models.list({ limit: 1000 });
    assert.deepEqual(ids, whole.data.map((model) => model.id));
    assert.ok(ids.length > 6);
  },

  async batch() {
    const requests = ["a", "b", "c"].map((custom_id) => ({ custom_id, params: ask }));
    requests.push({ custom_id: "wrong", params: { ...ask, max_tokens: -1 } });
    let batch = await client.messages.batches.create({ requests });
    assert.equal(batch.processing_status, "in_progress");
    assert.equal(batch.request_counts.processing, 4);
    while (batch.processing_status !== "ended") {
      await new Promise((resolve) => setTimeout(resolve, 20));
      batch = await client.messages.batches.retrieve(batch.id);
    }
    assert.deepEqual(batch.request_counts, { processing: 0, succeeded: 3, errored: 1, canceled: 0, expired: 0 });
    const results = new Map();
    for await (const line of await client.messages.batches.results(batch.id)) results.set(line.custom_id, line.result);
    assert.deepEqual([...results.keys()].sort(), ["a", "b", "c", "wrong"]);
    assert.equal(results.get("a").message.usage.service_tier, "batch");
    assert.equal(results.get("wrong").error.error.type, "invalid_request_error");
    const listed = [];
    for await (const each of client.messages.batches.list({ limit: 1 })) listed.push(each.id);
    assert.ok(listed.includes(batch.id));
    assert.equal((await client.messages.batches.delete(batch.id)).type, "message_batch_deleted");
    assert.ok((await caught(client.messages.batches.retrieve(batch.id))) instanceof NotFoundError);
  },

  async batch_cancelled() {
    let batch = await client.messages.batches.create({ requests: [{ custom_id: "a", params: ask }] });
    batch = await client.messages.batches.cancel(batch.id);
    assert.ok(["canceling", "ended"].includes(batch.processing_status));
    while (batch.processing_status !== "ended") batch = await client.messages.batches.retrieve(batch.id);
    assert.equal(batch.request_counts.processing, 0);
  },

  async limit_obeyed_and_then_served() {
    const strict = new Anthropic({ baseURL: limited, apiKey: "any", maxRetries: 0 });
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => strict.messages.create(ask)));
    const refused = results.filter((each) => each.status === "rejected").map((each) => each.reason);
    assert.ok(refused.length > 0 && refused.length < 10);
    for (const error of refused) {
      assert.ok(error instanceof RateLimitError);
      assert.equal(error.type, "rate_limit_error");
      assert.ok(Number(error.headers.get("retry-after")) >= 1);
    }
    const obedient = await strict.withOptions({ maxRetries: 3 }).messages.create(ask);
    assert.equal(obedient.type, "message");
  },

  async spend_cap() {
    await setFaults({ spend_cap: 1 });
    const error = await caught(client.messages.create(ask));
    assert.ok(error instanceof RateLimitError);
    assert.equal(error.headers.get("retry-after"), null);
    assert.equal(error.error.error.details.error_code, "enforced_spend_limit_reached");
    assert.match(error.message, /reached your API usage limits/);
  },

  async error_in_the_middle_of_a_stream() {
    await setFaults({ stream_error: 1 });
    let events = 0;
    const read = async () => {
      for await (const _ of await client.messages.create({ ...ask, stream: true })) events += 1;
    };
    const error = await caught(read());
    assert.ok(error instanceof APIError);
    assert.match(error.message, /overloaded_error/);
    assert.ok(events > 0);
  },

  async overloaded() {
    await setFaults({ overloaded: 1 });
    const error = await caught(client.messages.create(ask));
    assert.ok(error instanceof InternalServerError);
    assert.equal(error.status, 529);
    assert.equal(error.type, "overloaded_error");
  },

  async should_retry_is_obeyed() {
    await setFaults({ overloaded: 1, should_retry_false: 1 });
    const before = (await (await fetch(`${quick}/_mock/state`)).json()).counts.find((each) => each.status === 529)?.count ?? 0;
    await caught(client.withOptions({ maxRetries: 3 }).messages.create(ask));
    const after = (await (await fetch(`${quick}/_mock/state`)).json()).counts.find((each) => each.status === 529).count;
    assert.equal(after - before, 1);
  },
};

for (const [name, check] of Object.entries(checks)) {
  let error = null;
  await setFaults({});
  try { await check(); } catch (problem) { error = String(problem?.stack ?? problem); }
  console.log(JSON.stringify({ name, error }));
}
