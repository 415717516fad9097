package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"usher/internal/fault"

	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// Exit codes, as docs/cli.md lists them.
const (
	exitOK      = 0
	exitRuntime = 1 // something outside went wrong
	exitUsage   = 2 // the command line
	exitConfig  = 3 // configuration, directory or keyring
	exitDenied  = 4 // the answer is no

	exitInterrupted = 130 // Ctrl-C or SIGTERM ended a measurement early; a service ends with 0 then
)

// exitCode returns the exit code of a kind of failure.
func exitCode(k fault.Kind) int {
	switch k {
	case fault.None:
		return exitOK
	case fault.Usage:
		return exitUsage
	case fault.Config:
		return exitConfig
	case fault.Denied:
		return exitDenied
	case fault.Interrupted:
		return exitInterrupted
	case fault.Runtime:
	}
	return exitRuntime
}

func usageError(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// report prints err the way every verb does, and returns the exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	e := &fault.Error{Kind: fault.Runtime, Err: err}
	errors.As(err, &e)
	var located strictyaml.Errors
	switch {
	case e.Err == nil:
	case errors.As(e.Err, &located):
		for _, l := range located {
			say(stderr, "error", l.Error())
			say(stderr, "hint", l.Hint)
		}
	default:
		for line := range strings.Lines(e.Err.Error()) {
			say(stderr, "error", strings.TrimSuffix(line, "\n"))
		}
	}
	say(stderr, "hint", e.Hint)
	return exitCode(e.Kind)
}

// say prints one line for people, unless it is empty. Errors come from files, from
// servers and from libraries: nothing in them that looks like a secret is shown.
func say(w io.Writer, kind, text string) {
	if text != "" {
		fmt.Fprintf(w, "usher: %s: %s\n", kind, secret.RedactSure(text))
	}
}
