// Package cmdutil holds what usher's commands share: argument and option checks, the
// help printer, error and progress output, and exit codes.
//
// It promises that every command reports errors in one form on stderr, with a hint where
// there is a way out, and that no line it prints shows what looks like a secret. It never
// ends the process and never decides what a command does.
package cmdutil
