// Package lease shares subscriptions among push workers, in a JetStream bucket.
//
// Each worker renews one entry of its own, and each subscription has an entry that names the
// worker which has it. So a thousand subscriptions cost no more than one while nothing
// changes. A worker takes about its share, gives back what is above it when others join, and
// takes over what belongs to a worker whose entry has not changed for Config.Expire by its
// own clock. What a worker declines, because it cannot work on it, goes to the others.
//
// It promises that a worker which cannot renew knows it before another takes over: Valid is
// false then. It knows nothing about messages.
package lease
