// Tasks that work on texts.
import { Pair } from "wxec";
import "./stats";
import { split } from "./split";

/** Counts the words of a text. */
@task
export function count(text: string): u32 {
  return split(text).length;
}

/**
 * Returns the `n` most frequent words of a text, the most frequent first, equally frequent ones in
 * alphabetical order.
 */
@task
export function top(text: string, n: u32): Pair<string, u32>[] {
  const counts = new Map<string, u32>();
  const words = split(text);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    counts.set(word, counts.has(word) ? counts.get(word) + 1 : 1);
  }
  const top = counts.keys().map<Pair<string, u32>>((word) => new Pair<string, u32>(word, 0));
  for (let i = 0; i < top.length; i++) top[i].second = counts.get(top[i].first);
  top.sort((a, b) => {
    if (a.second != b.second) return a.second > b.second ? -1 : 1;
    return a.first < b.first ? -1 : 1;
  });
  return top.slice(0, <i32>min<u32>(n, top.length));
}

/** Returns how many letters of `a` are to be added, removed or replaced to make it `b`. */
@task
export function distance(a: string, b: string): u32 {
  let previous = new StaticArray<u32>(b.length + 1);
  let current = new StaticArray<u32>(b.length + 1);
  for (let j = 0; j <= b.length; j++) previous[j] = j;
  for (let i = 1; i <= a.length; i++) {
    current[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + u32(a.charCodeAt(i - 1) != b.charCodeAt(j - 1));
      current[j] = min(replaced, min(previous[j], current[j - 1]) + 1);
    }
    const spare = previous;
    previous = current;
    current = spare;
  }
  return previous[b.length];
}
