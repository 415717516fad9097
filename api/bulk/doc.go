// Package bulk holds the routes of the management API that export and import the whole
// directory as a directory file.
//
// It promises that an import checks the whole file before it changes anything, and that
// each part of the import is checked against the caller's rights in the directory that
// the part is made on. An import is not atomic: an error says how much was changed, and
// another import completes it.
package bulk
