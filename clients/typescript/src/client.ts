// A typed client of the API: openapi-fetch over the generated types, with what every client wants beside it.

import createClient, { type Middleware } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type Card = components["schemas"]["CardView"];

/** An error of the API, with the code to program against. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown>,
  ) {
    super(`${status} ${code}: ${message}`);
  }
}

/** What an answer holds, or the error it tells of. */
export function unwrap<T>(answer: {
  data?: T;
  error?: { error: { code: string; message: string; details?: Record<string, unknown> } };
  response: Response;
}): T {
  if (answer.error !== undefined) {
    const { code, message, details } = answer.error.error;
    throw new ApiError(answer.response.status, code, message, details ?? {});
  }
  return answer.data as T;
}

/** Waits as long as the server says when a rate limit is used up, and sends the request again. */
function patience(most: number, told: (seconds: number) => void): Middleware {
  const copies = new WeakMap<Request, Request>();
  return {
    onRequest({ request }) {
      copies.set(request, request.clone());
    },
    async onResponse({ request, response }) {
      const copy = copies.get(request);
      const seconds = Number(response.headers.get("Retry-After"));
      if (response.status !== 429 || copy === undefined || !(seconds > 0 && seconds <= most)) return undefined;
      told(seconds);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      return await fetch(copy);
    },
  };
}

/** A client that carries the access token and is patient. */
export function connect(baseUrl: string, token: () => string | undefined, told: (seconds: number) => void) {
  const client = createClient<paths>({ baseUrl });
  client.use(
    {
      onRequest({ request }) {
        const given = token();
        if (given !== undefined) request.headers.set("Authorization", `Bearer ${given}`);
        return request;
      },
    },
    patience(60, told),
  );
  return client;
}
