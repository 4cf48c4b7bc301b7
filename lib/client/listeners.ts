/** Those who want to know of something. */

/** Tells each of them, whatever another does with the news. */
export function tellAll<T>(listeners: Iterable<(news: T) => void>, news: T): void {
  for (const listener of [...listeners]) {
    try {
      listener(news);
    } catch (error) {
      // A fault of the listener, which must not be taken for one of the connection.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
