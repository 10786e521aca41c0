/** The browser terminal, its modules with their types stripped, and the pages that explain error codes. */
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { extname, join } from 'node:path';
import type { App } from '../../http.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.ts': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

// Everything comes from this origin; the page asks for nothing else, and nobody may frame it.
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export function webRoutes(
  app: App,
  folders: { readonly web: string; readonly client: string; readonly errorPages: string },
): void {
  const schema = { hide: true };
  const client = readdirSync(folders.client).map((name) => [join(folders.client, name), `/client/${name}`] as const);
  const page = readdirSync(folders.web).map((name) => [join(folders.web, name), `/${name}`] as const);
  for (const [file, path] of [...page, ...client].filter(([name]) => contentTypes[extname(name)] !== undefined)) {
    const read = once(() => contentOf(file));
    app.get(path === '/index.html' ? '/' : path, { schema }, (_request, reply) =>
      reply
        .headers({
          'content-type': contentTypes[extname(file)],
          'content-security-policy': pagePolicy,
          'cache-control': 'no-cache',
        })
        .send(read()),
    );
  }

  const pages = new Set(readdirSync(folders.errorPages).filter((file) => extname(file) === '.md'));
  app.get<{ Params: { code: string } }>('/docs/errors/:code', { schema }, (request, reply) => {
    const file = `${request.params.code}.md`;
    // Only names that were found in the folder, so that no path can be made up.
    if (!pages.has(file)) return reply.callNotFound();
    return reply.type('text/markdown; charset=utf-8').send(readFileSync(join(folders.errorPages, file), 'utf8'));
  });
}

function contentOf(file: string): string {
  const text = readFileSync(file, 'utf8');
  return extname(file) === '.ts' ? stripTypeScriptTypes(text) : text;
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
