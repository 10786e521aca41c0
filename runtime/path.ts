/** Where an actor stands in the tree: `/tenants/acme/accounts/42`. */

/** Joins a parent path and a child id. The id may be any text: slashes and percent signs in it are escaped. */
export function childPath(parent: string, id: string): string {
  const segment = id.replaceAll('%', '%25').replaceAll('/', '%2F');
  return parent === '/' ? `/${segment}` : `${parent}/${segment}`;
}

/** The ids from the root down; the root itself gives an empty list. */
export function segments(path: string): string[] {
  return path
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => segment.replaceAll('%2F', '/').replaceAll('%25', '%'));
}

/** Whether `path` is `root` or lies below it. */
export function isWithin(path: string, root: string): boolean {
  return root === '/' || path === root || path.startsWith(`${root}/`);
}
