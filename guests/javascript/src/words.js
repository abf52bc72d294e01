// Tasks that work on texts.

/** Returns the words of a text. */
export const words = (text) => text.split(/\s+/u).filter(Boolean);

/**
 * Counts the words of a text.
 * @task
 * @param {string} text
 * @returns {uint}
 */
export function count(text) {
  return words(text).length;
}

/**
 * Returns the `n` most frequent words of a text, the most frequent first, equally frequent ones in
 * alphabetical order.
 * @task
 * @param {string} text
 * @param {uint} n
 * @returns {[string, uint][]}
 */
export function top(text, n) {
  const counts = new Map();
  for (const word of words(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const order = ([a, m], [b, n]) => n - m || (a < b ? -1 : 1);
  return [...counts].sort(order).slice(0, n);
}
