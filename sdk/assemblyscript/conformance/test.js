// Calls the module's exports with bytes that the command line would never send: `npm test`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const module = new WebAssembly.Module(readFileSync(new URL("conformance.wasm", import.meta.url)));

/** Calls a task in a fresh instance. */
function call(task, input) {
  const outcome = { output: Buffer.alloc(0), error: Buffer.alloc(0) };
  const memory = () => Buffer.from(instance.exports.memory.buffer);
  const bytes = (pointer, length) => Buffer.from(memory().subarray(pointer, pointer + length));
  const host = {
    input_len: () => input.length,
    input_read: (_offset, pointer, length) => input.copy(memory(), pointer, 0, length),
    output_write: (pointer, length) => (outcome.output = Buffer.concat([outcome.output, bytes(pointer, length)])),
    error_write: (pointer, length) => (outcome.error = Buffer.concat([outcome.error, bytes(pointer, length)])),
    panic: (pointer, length) => (outcome.panic = bytes(pointer, length)),
  };
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = (from === "wxec_v1" && host[name]) || (() => assert.fail(`${name} is not for this test`));
  }
  const instance = new WebAssembly.Instance(module, imports);
  instance.exports._initialize();
  outcome.status = instance.exports["wx1_conformance::" + task]();
  outcome.pages = instance.exports.memory.buffer.byteLength >> 16;
  return outcome;
}

const hex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");

function answers(task, input, output) {
  const found = call(task, hex(input));
  assert.deepEqual([found.status, found.output.toString("hex"), found.error.toString()], [0, output.replaceAll(" ", ""), ""], `${task} ${input}`);
}

function refuses(task, input, reason) {
  const found = call(task, Buffer.isBuffer(input) ? input : hex(input));
  assert.equal(found.status, 2, `${task} ${input.toString("hex")}`);
  if (reason !== undefined) assert.equal(found.error.toString(), reason);
  return found;
}

test("values are read in all their forms", () => {
  answers("add", "82 01 20", "00");
  answers("add", "82 d8 20 01 1b0000000000000002", "03");
  answers("add", "a2 61 62 02 61 61 01", "03");
  answers("scale", "82 f9 3c00 fa 40000000", "fb 4000000000000000");
  answers("scale", "82 f9 8000 01", "fb 8000000000000000");
  answers("scale", "82 f9 7e00 01", "fb 7ff8000000000000");
  answers("scale", "82 f9 0001 01", "fb 3e70000000000000");
  answers("greet", "81 7f 61 61 61 62 ff", "6a 48656c6c6f2c20616221");
  answers("reverse", "81 5f 41 01 42 02 03 ff", "43 030201");
  answers("reverse", "81 82 01 02", "42 0201");
  answers("sum", "81 9f 01 20 ff", "00");
  answers("swap", "81 a3 61 78 01 61 7a 80 61 79 02", "a2 61 78 02 61 79 01");
  answers("swap", "81 bf 61 79 02 61 78 01 ff", "a2 61 78 02 61 79 01");
  answers("or_default", "80", "18 2a");
  answers("or_default", "81 f6", "18 2a");
  answers("or_default", "81 d8 7a 03", "03");
  answers("first", "81 80", "f6");
  answers("nothing", "80", "f6");
  answers("tally", "81 82 61 62 61 62", "a1 61 62 02");
});

test("wrong arguments are named", () => {
  refuses("add", "81 01", "argument `b`: expected i64, but it is missing");
  refuses("add", "82 01 61 61", "argument `b`: expected i64, found a text");
  refuses("add", "82 01 1b 8000000000000000", "argument `b`: expected i64, found 9223372036854775808");
  refuses("add", "82 01 3b 8000000000000000", "argument `b`: expected i64, found a number below -9223372036854775808");
  refuses("add", "82 01 f9 3e00", "argument `b`: expected i64, found 1.5");
  refuses("add", "83 01 02 03", "3 arguments are given, but only 2 taken: (a, b)");
  refuses("add", "a1 61 63 01", "no parameter is named `c`: (a, b)");
  refuses("add", "a2 61 61 01 61 61 01", "argument `a` is given twice");
  refuses("add", "07", "the arguments cannot be read: the input is neither an array nor a map");
  refuses("add", "82 01 02 00", "the arguments cannot be read: 1 bytes after the value");
  refuses("negate", "81 00", "argument `flag`: expected bool, found 0");
  refuses("greet", "81 41 61", "argument `name`: expected a text, found bytes");
  refuses("sum", "81 82 01 f6", "argument `numbers[1]`: expected i64, found null");
  refuses("swap", "81 a1 61 78 01", "argument `point.y`: expected a value, found none");
  refuses("swap", "81 a2 61 78 01 61 79 f5", "argument `point.y`: expected i64, found true");
  refuses("swap", "81 a2 61 78 01 61 78 01", "argument `point.x`: expected one value, found two");
});

test("texts are UTF-8", () => {
  for (const text of ["61 ff", "62 c0 80", "63 ed a0 80", "64 f4 90 80 80", "61 80", "62 c3 28", "62 e2 82", "63 e0 80 80"]) {
    refuses("greet", "81" + text, "argument `name`: the text at byte 1 is not UTF-8");
  }
  answers("greet", "81 64 f4 8f bf bf", "6c 48656c6c6f2c20 f48fbfbf 21");
});

test("hostile input is refused, and takes no memory", () => {
  const repeated = (text, times, end) => hex("81" + text.repeat(times) + end);
  const inputs = [
    "9b ffffffffffffffff", "bb ffffffffffffffff", "5b ffffffffffffffff", "81 5b ffffffffffffffff", "81 7b 7fffffffffffffff",
    "81 9b ffffffffffffffff f6", "81 9b 00000000ffffffff f6", "81 9f", "81 5f", "81 bf 01", "81 1c", "81 1f", "81 ff", "81 df", "81 d8", "81", "",
    "81 5f 5f ff ff", "98 ff", "9f ff",
  ].map(hex);
  inputs.push(repeated("81", 1000, "f6"), repeated("9f", 1000, ""), repeated("a101", 1000, "f6"), repeated("c1", 1000, "f6"), repeated("d87a", 1000, "f6"));
  for (const task of ["sum", "tally", "reverse", "swap", "greet", "or_default", "pair", "nothing"]) {
    for (const input of inputs) assert.ok(refuses(task, input).pages < 20, input.toString("hex"));
  }
});

test("no input ends the module", () => {
  const seeds = ["82 01 20", "81 83 01 02 1903e8", "81 a2 61 78 01 61 79 02", "81 82 61 61 7f 61 62 ff", "81 5f 41 01 ff", "a1 66 6e756d626572 d8 7a 03"].map(hex);
  let state = 1;
  const random = (below) => (state = (state * 48271) % 0x7fffffff) % below;
  for (let round = 0; round < 3000; round++) {
    const input = Buffer.from(seeds[random(seeds.length)]);
    for (let changes = random(4) + 1; changes > 0; changes--) input[random(input.length)] = random(256);
    const task = ["add", "sum", "swap", "tally", "reverse", "or_default"][random(6)];
    const found = call(task, input.subarray(0, random(input.length) + 1));
    assert.ok(found.status === 0 || found.status === 2, `${task} ${input.toString("hex")}`);
  }
});

test("errors and panics describe themselves", () => {
  const failure = call("fail", hex("81 61 6d"));
  assert.equal(failure.status, 1);
  const text = failure.error.toString("latin1");
  for (const part of ["conformance::Failure", "because of the test", "dataG\xa1dcode\x07"]) assert.ok(text.includes(part), text);
  assert.throws(() => call("crash", hex("81 61 6d")), WebAssembly.RuntimeError);
});
