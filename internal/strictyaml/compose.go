package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Bounds of what Decode reads.
const (
	MaxSize  = 64 << 20 // bytes of a document
	MaxDepth = 64       // mappings and lists in one another
)

// compose parses data into a tree. The tree is nil if the document is empty or
// cannot be read; a document that is followed by another is still returned.
func compose(file string, data []byte) (root *yaml.Node, errs Errors) {
	fault := func(at place, hint, format string, args ...any) Errors {
		return Errors{{
			File: file, Line: at.line, Column: at.column,
			Message: fmt.Sprintf(format, args...), Hint: hint,
		}}
	}
	if len(data) > MaxSize {
		return nil, fault(place{}, "", "the file is larger than %d MiB", MaxSize>>20)
	}
	if at, what := unreadable(data); what != "" {
		return nil, fault(at, "save the file as UTF-8 text", "%s", what)
	}
	// The parser reports what it takes for its own bugs by panicking, and a
	// service that reloads a file must not die of one.
	defer func() {
		if r := recover(); r != nil {
			root, errs = nil, fault(place{}, "", "the YAML parser cannot read the file")
		}
	}()
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fault(place{}, "", "the YAML parser does not start: %v", err)
	}
	var first, second yaml.Node
	if err := loader.Load(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, Errors{syntaxError(file, data, err)}
	}
	if len(first.Content) > 0 {
		root = first.Content[0]
	}
	if err := loader.Load(&second); err == nil {
		errs = fault(place{second.Line, second.Column},
			"keep one document in the file, without further --- lines", "a second document starts here")
	} else if !errors.Is(err, io.EOF) {
		errs = Errors{syntaxError(file, data, err)}
	}
	return root, errs
}

// syntaxError locates what the parser says. Its messages quote no scalars, but
// for the names of aliases, and those are not passed on.
func syntaxError(file string, data []byte, err error) Error {
	e := Error{File: file, Message: "not valid YAML"}
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return e
	}
	e.Line, e.Column = load.Mark.Line, load.Mark.Column
	if load.Stage == yaml.ComposerStage {
		e.Message, e.Hint = aliasMessage, aliasHint
		return e
	}
	e.Message += ": " + load.Message
	if load.ContextMsg != "" {
		e.Message += " " + load.ContextMsg
		if load.ContextMark.Line != load.Mark.Line && load.ContextMark.Line > 0 {
			e.Message += fmt.Sprintf(" that starts on line %d", load.ContextMark.Line)
		}
	}
	if byteAt(data, e.Line, e.Column) == '\t' {
		e.Hint = "indent with spaces, not with tabs"
	}
	return e
}

// byteAt returns the first byte of the character at line and column, or 0.
func byteAt(data []byte, line, column int) byte {
	for ; line > 1; line-- {
		_, rest, found := bytes.Cut(data, []byte{'\n'})
		if !found {
			return 0
		}
		data = rest
	}
	for ; column > 1 && len(data) > 0; column-- {
		_, size := utf8.DecodeRune(data)
		data = data[size:]
	}
	if line < 1 || column < 1 || len(data) == 0 {
		return 0
	}
	return data[0]
}

// unreadable finds the first byte that is not UTF-8 text. The parser refuses
// the same, but without saying where.
func unreadable(data []byte) (at place, what string) {
	at = place{1, 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return at, "not UTF-8 text"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return at, fmt.Sprintf("control character %U", r)
		case r == '\n':
			at = place{at.line + 1, 1}
		default:
			at.column++
		}
		data = data[size:]
	}
	return place{}, ""
}
