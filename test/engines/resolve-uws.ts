/** Preloaded: finds uWebSockets.js in the folder of the tests, where it is not a dependency of the platform itself. */
import { registerHooks } from 'node:module';

const parentURL = new URL('./uws/', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, nextResolve) =>
    nextResolve(specifier, specifier === 'uWebSockets.js' ? { ...context, parentURL } : context),
});
