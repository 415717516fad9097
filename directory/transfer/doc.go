// Package transfer imports records into a directory: it plans which entries have to
// change, and changes them in parts that a store accepts.
//
// It promises that the directory keeps all rules after every part, that users and
// projects which swap names, keys or subjects do so at once, that no entry is written
// that has not changed, that no plan locks out all service administrators, and that an
// interrupted import can be repeated. It never reads a clock.
package transfer
