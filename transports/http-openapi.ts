/** The OpenAPI document of a port, made from the schemas of its routes. */
import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { App } from './http.ts';
import { problemKinds } from './problems.ts';

const problemDocument = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(problemKinds) as [keyof typeof problemKinds]),
    detail: z.string().optional(),
    figures: z.record(z.string(), z.string()).optional(),
    errors: z.array(z.object({ path: z.string(), detail: z.string() })).optional(),
    traceId: z.string(),
  })
  .describe('Why it was refused (RFC 9457)');

/** Whatever is not listed is a problem, so that what went well must be. */
const done = z.looseObject({}).describe('It was done');

/** To be called before the routes are registered. */
export async function describeRoutes(app: App, service: string, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: `aitrading ${service}`, version },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An API key' } } },
    },
    transform: (route) => {
      const isOpen = route.route.config?.action === undefined;
      const schema = route.schema ?? {};
      const responses = isOpen ? {} : { '2XX': done, default: problemDocument };
      const described = {
        ...schema,
        response: { ...responses, ...(schema.response as object | undefined) },
        ...(isOpen ? {} : { security: [{ bearer: [] }] }),
      };
      return jsonSchemaTransform({ ...route, schema: described });
    },
  });
}
