// The library where there is no host.

import assert from "node:assert/strict";
import { test } from "node:test";

import { __describe, cancelled, HostError, TaskError } from "wxec";

class Failure extends TaskError {}

test("an error that callers know has a type, causes and data", () => {
  const error = new Failure("oops", { cause: new Error("because", { cause: "of it" }), data: 7 });
  const { typed, builtin, type, msg, chain, data } = __describe(error);
  const expected = { typed: true, builtin: false, type: "Failure", msg: "oops", data: 7 };
  assert.deepEqual({ typed, builtin, type, msg, data }, expected);
  assert.deepEqual(chain, ["because", "of it"]);
});

test("other errors, and what is no error, are described as well", () => {
  assert.equal(__describe(new RangeError("far")).typed, false);
  assert.equal(__describe(undefined).msg, "undefined");
  assert.equal(__describe(new HostError({ kind: "NotFound", msg: "no" })).builtin, true);
});

test("calls of the host need one", () => {
  assert.throws(() => cancelled(), /`cancelled` needs a host/);
});
