// Tasks are ordinary functions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { count, top } from "../src/words.js";
import { lengths } from "../src/words/stats.js";

test("counts words", () => {
  assert.equal(count("to be or not to be"), 6);
  assert.equal(count(" \n"), 0);
});

test("equally frequent words are in alphabetical order", () => {
  assert.deepEqual(top("to be or not to be", 3), [["be", 2], ["to", 2], ["not", 1]]);
});

test("counts words by length", () => {
  assert.deepEqual(lengths("a bb à"), new Map([[1, 2], [2, 1]]));
});
