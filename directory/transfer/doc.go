// Package transfer takes a whole directory into another: it plans what has to
// change, and makes the change in parts that a store takes.
//
// It promises that every part leaves a directory that keeps all rules, that what
// two exchange changes hands at once, that nothing is written that is so already,
// that no plan takes the last way in from the service administrators, and that an
// import that was interrupted can be run again. It never looks at a clock.
package transfer
