// Numbers about a text.

import { words } from "../words.js";

/**
 * Counts the words of each length, in letters.
 * @task
 * @param {string} text
 * @returns {Map<uint, uint>}
 */
export function lengths(text) {
  const lengths = new Map();
  for (const word of words(text)) {
    const length = [...word].length;
    lengths.set(length, (lengths.get(length) ?? 0) + 1);
  }
  return new Map([...lengths].sort(([a], [b]) => a - b));
}
