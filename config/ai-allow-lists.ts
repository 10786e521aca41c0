/**
 * Who may read a tenant's requests to AI, by the tenant's name: `openai`, `anthropic`, `google`, or `host/` and a name for any other host.
 * A tenant without a list uses all that the operator has configured; an empty list leaves the model in this process.
 */
export const aiAllowLists: ReadonlyMap<string, readonly string[]> = new Map();
