/** What to do about the end of a connection. Whatever is not listed is worth another try. */

const final: Readonly<Record<number, string>> = {
  1007: 'the platform does not understand this client: a text was not UTF-8',
  1009: 'the platform does not understand this client: a message was too long',
  4001: 'the credential was not accepted',
  4003: 'the credential may not use streams',
  4009: 'the platform does not understand this client',
};

/** Why there is no use in connecting again; undefined where there is. */
export function refusalOf(code: number): string | undefined {
  return final[code];
}
