/** Names to actors: how a gateway finds the actor a request is for. */
import type { ActorRef } from './ref.ts';

export interface Directory {
  /**
   * The actor at a path, or undefined where there is none. The path of a supervisor leads to the child that is its front, if it has one.
   * An actor that is known but not running is found too, and starts at its first message.
   */
  find<Message = never>(path: string): ActorRef<Message> | undefined;
  /** Paths of the actors right below `path`, in start order. */
  list(path: string): readonly string[];
}
