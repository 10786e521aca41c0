/** Names to actors: how a gateway finds the actor a request is for. */
import type { NameEvent } from './names.ts';
import type { ActorRef } from './ref.ts';

export interface Directory {
  /**
   * The actor at a path, or undefined where there is none. The path of a supervisor leads to the child that is its front, if it has one.
   * An actor that is known but not running is found too, and starts at its first message.
   */
  find<Message = never>(path: string): ActorRef<Message> | undefined;
  /** The actor that has registered a name, over its restarts. */
  named<Message = never>(name: string): ActorRef<Message> | undefined;
  /** Registered names that begin with `prefix`. */
  names(prefix: string): readonly string[];
  /** Tells of names that begin with `prefix` as they come and go. @returns how to end it */
  onNames(prefix: string, hear: (event: NameEvent) => void): () => void;
  /** Paths of the actors right below `path`, in start order. */
  list(path: string): readonly string[];
}
