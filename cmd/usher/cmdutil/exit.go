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
	ExitRuntime = 1 // something outside went wrong
	ExitUsage   = 2 // the command line
	ExitConfig  = 3 // configuration, directory or keyring
	ExitDenied  = 4 // the answer is no

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

func UsageError(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// Report prints err the way every verb does, and returns the exit code.
func Report(stderr io.Writer, err error) int {
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
			Say(stderr, "error", l.Error())
			Say(stderr, "hint", l.Hint)
		}
	default:
		for line := range strings.Lines(e.Err.Error()) {
			Say(stderr, "error", strings.TrimSuffix(line, "\n"))
		}
	}
	Say(stderr, "hint", e.Hint)
	return exitCode(e.Kind)
}

// Say prints one line for people, unless it is empty. Errors come from files, from
// servers and from libraries: nothing in them that looks like a secret is shown.
func Say(w io.Writer, kind, text string) {
	if text != "" {
		fmt.Fprintf(w, "usher: %s: %s\n", kind, secret.RedactDetected(text))
	}
}
