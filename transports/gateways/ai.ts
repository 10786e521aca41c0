/** 8020: completions, signals, and the providers behind them. Prompts may be long. */
import { createGateway, type Gateway, type GatewayContext } from './gateway.ts';
import { aiRoutes } from './routes/ai.ts';
import { completionRoutes } from './routes/completions.ts';

export function aiGateway(context: GatewayContext): Promise<Gateway> {
  const { aiBodyBytes } = context.limits.http;
  return createGateway(context, {
    service: 'ai',
    bodyBytes: aiBodyBytes,
    routes(app) {
      aiRoutes(app, context);
      completionRoutes(app, context);
    },
  });
}
