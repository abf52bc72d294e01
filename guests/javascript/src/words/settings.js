// Reading of settings, which are JSON.

import { fs, TaskError } from "wxec";

/** A file is not JSON, or has no such setting. */
export class NoSetting extends TaskError {}

/** Merges settings: those of the second object count. */
export function merged(first, second) {
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(first) || !isObject(second)) return second;
  const result = { ...first };
  for (const [key, value] of Object.entries(second)) {
    result[key] = Object.hasOwn(result, key) ? merged(result[key], value) : value;
  }
  return result;
}

/**
 * Returns a setting of some files of JSON, of which a later one counts more: `server.port`.
 * @task
 * @param {string[]} files
 * @param {string} name
 * @returns {any}
 * @throws {NoSetting}
 */
export function setting(files, name) {
  const documents = files.map((file) => {
    try {
      return JSON.parse(fs.readTextFile(file));
    } catch (cause) {
      throw new NoSetting(`cannot read ${file}`, { cause });
    }
  });
  const found = name.split(".").reduce((part, key) => part?.[key], documents.reduce(merged, {}));
  if (found === undefined) throw new NoSetting(`there is no setting ${name}`);
  return found;
}
