/**
 * Seeds whose runs once failed, and what they found. They run with the tests: a later change of what is drawn makes another run of
 * them, so what a seed found has a test of its own, too.
 */

export const failedSeeds: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 10_462, found: "a node that stepped down handed over in its successor's name" },
  { seed: 10_492, found: 'a simulated process took a frame behind the end of its connection' },
  { seed: 1_069_926_977, found: 'held appends kept a follower from what it had lost' },
  {
    seed: 1_069_926_372,
    found: 'a leader that takes itself out may leave nobody who can be elected',
  },
];
