package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"usher/app/setup"
	"usher/internal/ownedfile"
	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// Exit codes, as docs/reference/cli.md lists them.
const (
	exitOK      = 0
	exitRuntime = 1 // something outside went wrong
	exitUsage   = 2 // the command line
	exitConfig  = 3 // configuration, directory or keyring
	exitDenied  = 4 // the answer is no

	exitInterrupted = 130 // Ctrl-C or SIGTERM ended a measurement early; a service ends with 0 then
)

// exitError carries an exit code and, where there is a way out, a hint.
type exitError struct {
	code int
	err  error // nil: everything has been said already
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "exit code " + fmt.Sprint(e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(hint, format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

func configError(err error) error {
	hint := ""
	var owned *ownedfile.Error
	switch {
	case errors.Is(err, ownedfile.ErrUntrusted) && errors.As(err, &owned):
		hint = owned.Fix + "; docs/reference/files.md says whose files are taken"
	case errors.Is(err, ownedfile.ErrReadable):
		hint = "chmod 600 the file; for secrets mounted group-readable set keyring.allow_group_readable"
	case errors.Is(err, setup.ErrExists):
		hint = "nothing was written; choose another directory, or move these files away"
	}
	return &exitError{code: exitConfig, err: err, hint: hint}
}

// report prints err the way every verb does, and returns the exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	e := &exitError{code: exitRuntime, err: err}
	errors.As(err, &e)
	var located strictyaml.Errors
	switch {
	case e.err == nil:
	case errors.As(e.err, &located):
		for _, l := range located {
			say(stderr, "error", l.Error())
			say(stderr, "hint", l.Hint)
		}
	default:
		for line := range strings.Lines(e.err.Error()) {
			say(stderr, "error", strings.TrimSuffix(line, "\n"))
		}
	}
	say(stderr, "hint", e.hint)
	return e.code
}

// say prints one line for people, unless it is empty. Errors come from files, from
// servers and from libraries: nothing in them that looks like a secret is shown.
func say(w io.Writer, kind, text string) {
	if text != "" {
		fmt.Fprintf(w, "usher: %s: %s\n", kind, secret.RedactDetected(text))
	}
}
