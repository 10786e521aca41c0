/** The environment variables, as an operator reads them. `.env.example` and `docs/configuration.md` are printed from here. */

export interface Variable {
  readonly name: string;
  readonly meaning: string;
  /** As it would be set; absent means that leaving it out is a choice of its own, told in `meaning`. */
  readonly default?: string;
}

export interface VariableGroup {
  readonly title: string;
  readonly variables: readonly Variable[];
}

export const variableGroups: readonly VariableGroup[] = [
  {
    title: 'The node',
    variables: [
      {
        name: 'AITRADING_HOME',
        meaning: 'folder for the embedded database and its keys',
        default: './.aitrading',
      },
      { name: 'PORT_OFFSET', meaning: 'added to each of the eight ports, 0 to 50000', default: '0' },
      { name: 'PUBLIC_HOST', meaning: 'address that ports 3001 and 5001 listen on', default: '127.0.0.1' },
      { name: 'INTERNAL_HOST', meaning: 'address that the six other ports listen on', default: '127.0.0.1' },
      { name: 'NODE_ENV', meaning: '`production` seeds no demo tenant; anything else does' },
      { name: 'LOG_LEVEL', meaning: 'trace, debug, info, warn, error, fatal or silent', default: 'info' },
      {
        name: 'WS_ENGINE',
        meaning:
          'what serves WebSockets on port 5001: ws, uws (uWebSockets.js, which must be installed), or auto: uws where it loads, otherwise ws',
        default: 'auto',
      },
    ],
  },
  {
    title: 'Encryption of secrets and personal data',
    variables: [
      {
        name: 'MASTER_KEY',
        meaning:
          'secret; wraps all keys: 32 random bytes as base64 or hex (`openssl rand -base64 32`). Must be set in production; otherwise `master.key` of the data folder is used, and made where it is missing',
      },
      {
        name: 'MASTER_KEY_PREVIOUS',
        meaning: 'secret; the master key before, until `aitrading keys rotate-master` has run',
      },
    ],
  },
  {
    title: 'PostgreSQL 14 or newer; without DB_HOST the embedded one is started',
    variables: [
      { name: 'DB_HOST', meaning: 'host name or address' },
      { name: 'DB_PORT', meaning: 'port', default: '5432' },
      { name: 'DB_NAME', meaning: 'database', default: 'aitrading' },
      { name: 'DB_USER', meaning: 'login', default: 'aitrading' },
      { name: 'DB_PASSWORD', meaning: 'secret' },
      { name: 'DB_REPLICA_HOST', meaning: 'a standby of it that answers reports; unset is none' },
      { name: 'DB_REPLICA_PORT', meaning: "the standby's port", default: '5432' },
    ],
  },
  {
    title: 'Redis 6 or newer; without REDIS_HOST each node keeps its rate limits to itself',
    variables: [
      { name: 'REDIS_HOST', meaning: 'host name or address' },
      { name: 'REDIS_PORT', meaning: 'port', default: '6379' },
      { name: 'REDIS_PASSWORD', meaning: 'secret' },
    ],
  },
  {
    title: 'NATS (read and checked, not used by this version: the platform is one node)',
    variables: [{ name: 'NATS_URL', meaning: 'secret; URL with nats: or tls:' }],
  },
  {
    title: 'AI providers (read and checked, not used by this version: the local model answers)',
    variables: [
      { name: 'OPENAI_API_KEY', meaning: 'secret' },
      { name: 'OPENAI_BASE_URL', meaning: "another host that speaks the same API; unset is the vendor's" },
      { name: 'ANTHROPIC_API_KEY', meaning: 'secret' },
      { name: 'ANTHROPIC_BASE_URL', meaning: "another host that speaks the same API; unset is the vendor's" },
      { name: 'GOOGLE_AI_API_KEY', meaning: 'secret' },
      { name: 'GOOGLE_AI_BASE_URL', meaning: "another host that speaks the same API; unset is the vendor's" },
      { name: 'OLLAMA_HOST', meaning: 'URL of an Ollama server, or host:port' },
    ],
  },
  {
    title: 'Trading',
    variables: [
      {
        name: 'TRADING_MODE',
        meaning: 'paper; live is refused, since this build has no live broker',
        default: 'paper',
      },
      {
        name: 'SIMULATOR_SEED',
        meaning: 'simulated prices follow from seed, instrument and time; 0 to 4294967295',
        default: '1',
      },
      {
        name: 'SIMULATOR_SESSIONS',
        meaning: 'always or real: whether simulated instruments keep the hours in config/market-hours.ts',
        default: 'always',
      },
      { name: 'MT5_SERVER', meaning: 'server of the MT5 account that the bridge accepts; all three or none' },
      { name: 'MT5_LOGIN', meaning: 'its login number' },
      { name: 'MT5_PASSWORD', meaning: 'secret' },
    ],
  },
  {
    title: 'Payments over Midtrans; both keys or none',
    variables: [
      { name: 'MIDTRANS_SERVER_KEY', meaning: 'secret' },
      { name: 'MIDTRANS_CLIENT_KEY', meaning: 'secret' },
      { name: 'MIDTRANS_ENVIRONMENT', meaning: 'sandbox or production', default: 'sandbox' },
      { name: 'MIDTRANS_BASE_URL', meaning: "another host that speaks the same API; unset is Midtrans'" },
    ],
  },
];

export const variables: readonly Variable[] = variableGroups.flatMap((group) => group.variables);

/** The text of `.env.example`: every variable, commented out, with its default. */
export function envExample(): string {
  const blocks = variableGroups.map(({ title, variables: rows }) => {
    const lines = rows.map(({ name, meaning, default: value = '' }) => `# ${meaning}\n#${name}=${value}`);
    return [`# ${title}`, '', ...lines].join('\n');
  });
  const head =
    '# Copy to .env and take the # off what you set. Variables of the environment win over this file.\n' +
    '# Each may be given as NAME_FILE=/path instead: the file holds the value.';
  return `${[head, ...blocks].join('\n\n')}\n`;
}

/** The text of `docs/configuration.md`. */
export function configurationPage(): string {
  const blocks = variableGroups.map(({ title, variables: rows }) => {
    const lines = rows.map(
      (row) => `| \`${row.name}\` | ${row.meaning} | ${row.default === undefined ? 'unset' : `\`${row.default}\``} |`,
    );
    return [`## ${title}`, '', '| variable | meaning | default |', '| --- | --- | --- |', ...lines].join('\n');
  });
  const head = [
    '# Configuration',
    '',
    'Everything is set through the environment; `npm start` also reads `.env`, over which real variables win.',
    'Any variable may be given as `NAME_FILE=/path` instead: the file holds the value. An empty variable counts as unset.',
    'All faults are told at once, by name, with what was found and what is wanted; the process then ends with code 1.',
    'An `AITRADING_…` variable that is not listed here is a fault: most likely a slip of the pen.',
    '',
    'Bounds (mailboxes, queues, waits, rates) are in `config/limits.ts`.',
  ];
  return `${[head.join('\n'), ...blocks].join('\n\n')}\n`;
}
