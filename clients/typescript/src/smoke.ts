// Tries a running server the way a client does: log in, create, link, ask what breaks, walk a list, meet a 412 and a 429.
// Takes API, EMAIL and PASSWORD from the environment; leaves nothing behind.

import assert from "node:assert/strict";

import { ApiError, type Card, connect, unwrap } from "./client.js";

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

let token: string | undefined;
let waited = 0;
const api = connect(
  setting("API"),
  () => token,
  (seconds) => {
    waited += 1;
    console.log(`told to wait ${seconds} s`);
  },
);

const login = unwrap(
  await api.POST("/api/v1/auth/login", { body: { email: setting("EMAIL"), password: setting("PASSWORD") } }),
);
token = login.access_token;
console.log(`logged in as ${login.user.email} (${login.user.roles.join(", ")})`);

const run = `TypeScript ${Date.now()}`;
const created: string[] = [];

async function create(type: string, name: string, attributes: Record<string, string>): Promise<Card> {
  const card = unwrap(
    await api.POST("/api/v1/cards", {
      params: { header: { "Idempotency-Key": `${run}/${name}`.replaceAll(" ", "-") } },
      body: { type, name: `${run} ${name}`, attributes },
    }),
  );
  created.push(card.id);
  console.log(`created ${card.type} '${card.name}'`);
  return card;
}

const crm = await create("Application", "CRM", { hosting_type: "SaaS" });
const database = await create("ITComponent", "database", { category: "Software" });

const edge = unwrap(
  await api.POST("/api/v1/relationships", { body: { type: "RELIES_ON", source_id: crm.id, target_id: database.id } }),
);
assert.equal(edge.source_id, crm.id);
console.log(`linked by ${edge.type}`);

const impact = unwrap(await api.GET("/api/v1/graph/impact/{id}", { params: { path: { id: database.id } } }));
assert.deepEqual(
  impact.down.map((card) => card.id),
  [crm.id],
);
console.log(`without the database ${impact.down.length} card is down: '${impact.down[0]?.name}'`);

let cursor = "";
let pages = 0;
const seen = new Set<string>();
do {
  const page = unwrap(
    await api.GET("/api/v1/cards", { params: { query: { type: ["Application"], limit: 25, cursor } } }),
  );
  for (const card of page.data) seen.add(card.id);
  pages += 1;
  cursor = page.pagination.next_cursor ?? "";
} while (cursor !== "");
assert.ok(seen.has(crm.id) && pages > 1, `${seen.size} applications in ${pages} pages`);
console.log(`walked ${seen.size} applications in ${pages} pages`);

const path = { id: crm.id };
const changed = await api.PATCH("/api/v1/cards/{id}", {
  params: { path, header: { "If-Match": '"1"' } },
  body: { technical_fit: 3 },
});
assert.equal(unwrap(changed).version, 2);
try {
  unwrap(
    await api.PATCH("/api/v1/cards/{id}", { params: { path, header: { "If-Match": '"1"' } }, body: { technical_fit: 2 } }),
  );
  assert.fail("a stale version was taken");
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  assert.equal(error.code, "PRECONDITION_FAILED");
  console.log(`refused as stale: the card is at version ${error.details["current_version"]}`);
  const fresh = await api.GET("/api/v1/cards/{id}", { params: { path } });
  const etag = fresh.response.headers.get("ETag") ?? "";
  const again = unwrap(
    await api.PATCH("/api/v1/cards/{id}", { params: { path, header: { "If-Match": etag } }, body: { technical_fit: 2 } }),
  );
  assert.equal(again.version, 3);
  console.log(`read it again and changed it: version ${again.version}`);
}

for (let round = 0; round < 2; round += 1) {
  const report = unwrap(
    await api.POST("/api/v1/cards/bulk", {
      body: { operations: created.map((id) => ({ op: "tag" as const, id, tags: [`round ${round}`] })) },
    }),
  );
  assert.equal(report.summary.updated, created.length);
}
assert.ok(waited > 0, "the small quota for bulk writes was never met");
console.log("a rate limit was met, waited for, and passed");

for (const id of created.reverse()) {
  unwrap(await api.DELETE("/api/v1/cards/{id}", { params: { path: { id }, header: { "If-Match": "*" } } }));
}
console.log(`deleted ${created.length} cards; all is well`);
