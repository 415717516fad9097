package finding

import (
	"errors"
	"fmt"
	"strings"

	"usher/internal/fault"
	"usher/internal/strictyaml"
)

// Finding is one thing that was looked at.
type Finding struct {
	Check  string     `json:"check"`
	Where  string     `json:"where,omitempty"` // a URL, a file, or a place in one: FILE:LINE:COLUMN
	Path   string     `json:"path,omitempty"`  // of the key at that place
	Result string     `json:"result"`          // ok | warning | error
	Detail string     `json:"detail,omitempty"`
	Hint   string     `json:"hint,omitempty"`
	Kind   fault.Kind `json:"-"` // of an error: who can mend it
}

// List is a list of findings, to which checks append.
type List []Finding

func (f *List) OK(check, where, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Result: "ok", Detail: fmt.Sprintf(format, args...)})
}

func (f *List) Warn(check, where, hint, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Result: "warning", Detail: fmt.Sprintf(format, args...), Hint: hint})
}

func (f *List) Fail(kind fault.Kind, check, where, hint, format string, args ...any) {
	*f = append(*f, Finding{Check: check, Where: where, Result: "error", Detail: fmt.Sprintf(format, args...), Hint: hint, Kind: kind})
}

// Failed turns an error into findings: one for each fault of a file, or one for
// each line.
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
