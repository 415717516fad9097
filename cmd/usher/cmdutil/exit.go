package cmdutil

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"usher/internal/fault"

	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// Exit codes, as docs/reference/cli.md lists them.
const (
	ExitOK      = 0
	ExitRuntime = 1 // a server, the network or the system failed
	ExitUsage   = 2 // the command line
	ExitConfig  = 3 // configuration, directory or keyring
	ExitDenied  = 4 // denied

	ExitInterrupted = 130 // Ctrl-C or SIGTERM ended a measurement early; a service ends with 0 then
)

// exitCode returns the exit code of a kind of failure.
func exitCode(k fault.Kind) int {
	switch k {
	case fault.None:
		return ExitOK
	case fault.Usage:
		return ExitUsage
	case fault.Config:
		return ExitConfig
	case fault.Denied:
		return ExitDenied
	case fault.Interrupted:
		return ExitInterrupted
	case fault.Runtime:
	}
	return ExitRuntime
}

// UsageError returns an error in the command line, which exits with ExitUsage. hint may
// be empty.
func UsageError(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// ReportError prints err and its hint to stderr, and returns the exit code.
func ReportError(stderr io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	e := &fault.Error{Kind: fault.Runtime, Err: err}
	errors.As(err, &e)
	var located strictyaml.Errors
	switch {
	case e.Err == nil:
	case errors.As(e.Err, &located):
		for _, l := range located {
			printMessage(stderr, "error", l.Error())
			Hint(stderr, l.Hint)
		}
	default:
		printMessage(stderr, "error", e.Err.Error())
	}
	Hint(stderr, e.Hint)
	return exitCode(e.Kind)
}

// Note prints "usher: note: text" to w, unless text is empty.
func Note(w io.Writer, text string) { printMessage(w, "note", text) }

// Hint prints "usher: hint: text" to w, unless text is empty.
func Hint(w io.Writer, text string) { printMessage(w, "hint", text) }

// printMessage redacts what looks like a secret, and lets no character move the text around
// it: the text can come from a file, a server or a library.
func printMessage(w io.Writer, kind, text string) {
	for line := range strings.Lines(secret.RedactDetected(text)) {
		fmt.Fprintf(w, "usher: %s: %s\n", kind, secret.Line(strings.TrimSuffix(line, "\n")))
	}
}
