// What lists and watches end in: the state of one kind of object, told as it comes. Only a shape.

export interface ObjectSink<T> {
  /** A list begins. */
  listing(): void
  put(object: T): void
  /** The list is complete: what was not put since `listing()` has gone. Much of it goes in slices: nothing is to be told before they are done. */
  listed(): Promise<void> | undefined
  remove(object: T): void
}
