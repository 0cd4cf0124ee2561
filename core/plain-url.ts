/** A URL that the service itself may request, as a user names it. */

/**
 * The URL that a text is, if it is an absolute http or https one without user name or password; null for any other.
 * @param max characters of it, spelled out
 */
export function parsePlainUrl(text: string, max: number, base?: URL): URL | null {
  const url = URL.parse(text, base);
  if (url === null || !/^https?:$/.test(url.protocol) || url.href.length > max) return null;
  return url.username === "" && url.password === "" ? url : null;
}
