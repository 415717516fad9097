package finding

import (
	"errors"
	"fmt"
	"strings"

	"usher/internal/fault"
	"usher/internal/strictyaml"
)

// Finding is the result of one check at one place.
type Finding struct {
	Check    string     `json:"check"`
	Where    string     `json:"where,omitempty"` // a URL, an account, a file, or FILE:LINE:COLUMN
	Path     string     `json:"path,omitempty"`  // of the configuration key at that place
	Severity Severity   `json:"result"`
	Detail   string     `json:"detail,omitempty"`
	Hint     string     `json:"hint,omitempty"`
	Kind     fault.Kind `json:"-"` // of an error: who can mend it; fault.None otherwise
}

// Severity says how serious a finding is.
type Severity string

// The severities, as JSON has them.
const (
	OK      Severity = "ok"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// List is a list of findings, to which checks append.
type List []Finding

// OK appends that a check found no problem.
func (f *List) OK(check, where, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Severity: OK, Detail: fmt.Sprintf(format, args...)})
}

// Warn appends a problem with which usher still works.
func (f *List) Warn(check, where, hint, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Severity: Warning, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

// Fail appends an error of a kind. hint says how to mend it.
func (f *List) Fail(kind fault.Kind, check, where, hint, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Severity: Error, Detail: fmt.Sprintf(format, args...), Hint: hint, Kind: kind})
}

// Failed appends the findings of an error: one for each *strictyaml.Error in it, or else
// one for each line of its text. A *fault.Error gives the hint.
func (f *List) Failed(check string, err error) {
	var located strictyaml.Errors
	if errors.As(err, &located) {
		for _, l := range located {
			f.Fail(fault.Config, check, place(&l), l.Hint, "%s", l.Message)
			(*f)[len(*f)-1].Path = l.Path
		}
		return
	}
	hint := ""
	var e *fault.Error
	if errors.As(err, &e) {
		hint, err = e.Hint, e.Err
	}
	if err == nil {
		return
	}
	lines := strings.Split(strings.TrimSuffix(err.Error(), "\n"), "\n")
	for i, line := range lines {
		if i < len(lines)-1 {
			f.Fail(fault.Config, check, "", "", "%s", line)
		} else {
			f.Fail(fault.Config, check, "", hint, "%s", line)
		}
	}
}

// place returns FILE:LINE:COLUMN as far as it is known.
func place(e *strictyaml.Error) string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(":%d", e.Line)
	}
	if e.Line > 0 && e.Column > 0 {
		where += fmt.Sprintf(":%d", e.Column)
	}
	return where
}
